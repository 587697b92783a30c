"""
No token and no secret shows, and the watch that every test runs under sees it when one does.
"""

from __future__ import annotations

import logging
from contextlib import suppress

import httpx
import pytest

from wechat_kf import DeliveryUncertain, KfError, NotSent, ReplyError
from wechat_kf._wire.reply import read_reply
from wechat_kf.api.accounts import GET_KF_LIST

from .secrets_watch import SecretsWatch

SECRET = "8f14e45fceea167a5a36dedd4bea2543"


def _leak_in_message() -> None:
    logging.getLogger("somebody.else").debug("token %s", SECRET)


def _leak_in_logged_traceback() -> None:
    error = OSError(SECRET)
    logging.getLogger("somebody.else").debug("failed", exc_info=error)


def _leak_in_text() -> None:
    NotSent(f"no connection to {SECRET}")


def _leak_in_attribute() -> None:
    ReplyError("bad", body=SECRET.encode())


def _leak_in_cause() -> None:
    with suppress(NotSent):
        raise NotSent("no connection") from OSError(SECRET)


def _leak_in_hidden_context() -> None:
    try:
        int(SECRET)
    except ValueError:
        with suppress(NotSent):
            raise NotSent("no connection") from None


def _leak_in_request() -> None:
    request = httpx.Request("GET", f"https://api.weixin.qq.com/?access_token={SECRET}")
    with suppress(DeliveryUncertain):
        raise DeliveryUncertain("dropped") from httpx.ReadError("dropped", request=request)


def _leak_in_local_variable() -> None:
    # A frame of the package's own that keeps what it is given.
    with suppress(KfError):
        read_reply(GET_KF_LIST, 404, b"no such page", secrets=(SECRET,))


@pytest.mark.parametrize(
    "leak",
    [
        _leak_in_message,
        _leak_in_logged_traceback,
        _leak_in_text,
        _leak_in_attribute,
        _leak_in_cause,
        _leak_in_hidden_context,
        _leak_in_request,
        _leak_in_local_variable,
    ],
)
def test_the_watch_sees_a_leak(leak: object) -> None:
    """
    A secret in a log record, in an error or behind one fails the test, in a message that does not show it.
    """
    with SecretsWatch() as watch:
        watch.hide(SECRET)
        assert callable(leak)
        leak()

    with pytest.raises(AssertionError, match="shows a secret") as caught:
        watch.check()
    assert SECRET not in str(caught.value)
