"""
The client as it is made: what it takes, what it refuses before anything is sent, and what it says of itself.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from wechat_kf import AsyncKfClient, Text
from wechat_kf.testing import FakeWeChat
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN

from .arrivals import count
from .conftest import Connect

APPID = "wx5afe0ca11ab1e000"
SECRET = "8f14e45fceea167a5a36dedd4bea2543"
VARIABLES = ("WECHAT_APPID", "WECHAT_SECRET", "WECHAT_BASE_URL")


class Closed:
    """
    A provider with half of what one needs.
    """

    async def get(self) -> str:
        return "token"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give appid and secret, or token"),
        ({"appid": APPID}, "give appid and secret, or token"),
        ({"secret": SECRET}, "give appid and secret, or token"),
        ({"appid": APPID, "secret": SECRET, "token": "any"}, "not both"),
        ({"token": Closed()}, "must be a str or have the methods get and invalidate"),
        ({"appid": 7, "secret": SECRET}, "appid must be a str, not int"),
        ({"appid": APPID, "secret": 7}, "secret must be a str, not int"),
        ({"token": "any", "http": object()}, "must be an httpx.AsyncClient or an httpx2.AsyncClient, not object"),
        ({"token": "any", "timeout": None}, "timeout must be a number of seconds"),
        ({"token": "any", "timeout": True}, "timeout must be a number of seconds"),
        ({"token": "any", "max_retries": 1.0}, "max_retries must be an int, not float"),
        ({"token": "any", "max_connections": True}, "max_connections must be an int, not bool"),
    ],
)
def test_wrong_kinds_are_refused(options: dict[str, Any], said: str) -> None:
    """
    Credentials that are missing or too many, and arguments of a wrong type, are a `TypeError` that says which.
    """
    with pytest.raises(TypeError, match=said):
        AsyncKfClient(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"appid": "", "secret": SECRET}, "appid must not be empty"),
        ({"appid": APPID, "secret": " "}, "secret must not be empty"),
        ({"appid": f"{APPID}\n", "secret": SECRET}, "appid must not begin or end with a blank or a line feed"),
        ({"appid": APPID, "secret": f" {SECRET}"}, "secret must not begin or end with a blank or a line feed"),
        ({"token": "any "}, "token must not begin or end with a blank or a line feed"),
        ({"token": ""}, "a token must be a str that is not empty"),
        ({"token": "any", "token_api": "new"}, "token_api must be 'stable' or 'classic', not 'new'"),
        ({"token": "any", "base_url": ()}, "base_url must name at least one host"),
        ({"token": "any", "base_url": "api.weixin.qq.com"}, "base_url must be https://host"),
        ({"token": "any", "base_url": "http://api.weixin.qq.com"}, "base_url must be https for calls with a token"),
        ({"token": "any", "base_url": "HTTP://sh.API.weixin.QQ.com.:80/"}, "base_url must be https for calls with"),
        ({"appid": APPID, "secret": SECRET, "base_url": ("https://a.test", "http://weixin.qq.com")}, "must be https"),
        ({"token": "any", "timeout": 0}, "timeout must be more than 0 and finite"),
        ({"token": "any", "timeout": float("inf")}, "timeout must be more than 0 and finite"),
        ({"token": "any", "timeout": float("nan")}, "timeout must be more than 0 and finite"),
        ({"token": "any", "max_retries": -1}, "max_retries must be at least 0"),
        ({"token": "any", "max_connections": 0}, "max_connections must be at least 1"),
    ],
)
def test_values_out_of_bounds_are_refused(options: dict[str, Any], said: str) -> None:
    """
    Values that would wait for ever or do nothing are a `ValueError` that says which.
    """
    with pytest.raises(ValueError, match=said):
        AsyncKfClient(**options)


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A client made from the environment calls the host that stands there, with the credentials that do.
    """
    fake = FakeWeChat()
    fake.user_says("o1", "在吗")
    async with fake.serve() as base:
        for name, value in zip(VARIABLES, (fake.appid, fake.secret, f"{base}, http://127.0.0.1:9"), strict=True):
            monkeypatch.setenv(name, value)
        async with AsyncKfClient.from_env(token_api="classic") as kf:
            await kf.send_custom_message("o1", Text("在的"))

    assert [sent.text for sent in fake.sent] == ["在的"]
    assert count(fake, CLASSIC_TOKEN) == 1


async def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is given as an argument is not taken from the environment, where it may be missing.
    """
    fake = FakeWeChat()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WECHAT_BASE_URL", "http://127.0.0.1:9")
    async with fake.serve() as base:
        async with AsyncKfClient.from_env(appid=fake.appid, secret=fake.secret, base_url=base) as kf:
            await kf.get_kf_list()
            token = fake.calls[-1].query["access_token"]
        monkeypatch.setenv("WECHAT_APPID", fake.appid)
        async with AsyncKfClient.from_env(secret=fake.secret, base_url=base) as kf:
            await kf.get_kf_list()
        async with AsyncKfClient.from_env(token=token, base_url=base) as kf:
            await kf.get_kf_list()

    assert count(fake, STABLE_TOKEN) == 2


@pytest.mark.parametrize("missing", ["WECHAT_APPID", "WECHAT_SECRET"])
def test_environment_that_lacks_something(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """
    A variable that is missing or empty is named.
    """
    for name in VARIABLES:
        monkeypatch.setenv(name, "" if name == missing else APPID)

    with pytest.raises(ValueError, match=f"the environment variable {missing} is not set"):
        AsyncKfClient.from_env()


async def test_options_share_what_is_dear(connect: Connect) -> None:
    """
    A client with other options uses the token and the connections of the first, and leaves them open.
    """
    fake = FakeWeChat()
    async with fake.serve() as base:
        kf = connect(base, appid=fake.appid, secret=fake.secret)
        async with kf.with_options(timeout=1, max_retries=0) as quick:
            await quick.get_kf_list()
        await kf.get_kf_list()
        await kf.with_options().get_kf_list()

    assert count(fake, STABLE_TOKEN) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 0}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"max_retries": -1}, ValueError),
        ({"max_retries": 1.5}, TypeError),
    ],
)
def test_other_options_are_checked_as_well(options: dict[str, Any], error: type[Exception]) -> None:
    """
    Other options have the same bounds.
    """
    kf = AsyncKfClient(token="any")

    with pytest.raises(error):
        kf.with_options(**options)


async def test_closed_client_says_so(connect: Connect) -> None:
    """
    A client that was closed refuses calls with a `RuntimeError`; to close it again is harmless.
    """
    fake = FakeWeChat()
    async with fake.serve() as base:
        kf = connect(base, appid=fake.appid, secret=fake.secret)
        await kf.get_kf_list()
        if kf._owns_http:
            await kf.aclose()
            await kf.aclose()
        else:
            http: Any = kf._attempts.http
            await http._http.aclose()
        with pytest.raises(RuntimeError, match="this client is closed"):
            await kf.get_kf_list()


async def test_injected_client_is_never_closed() -> None:
    """
    An HTTP client that was given stays open.
    """
    fake = FakeWeChat()
    async with fake.client() as http:
        async with AsyncKfClient(fake.appid, fake.secret, http=http) as kf:
            await kf.get_kf_list()
        is_closed = http.is_closed

    assert not is_closed


async def test_injected_client_of_a_class_of_its_own() -> None:
    """
    A subclass of the HTTP library's client is as good.
    """

    class Mine(httpx.AsyncClient):
        pass

    fake = FakeWeChat()
    async with Mine(transport=fake.client()._transport) as http:
        kf = AsyncKfClient(fake.appid, fake.secret, http=http)
        listed = await kf.get_kf_list()

    assert listed.kf_list == ()


def test_repr_shows_no_secret() -> None:
    """
    A client shows its appid and nothing else.
    """
    kf = AsyncKfClient(APPID, SECRET)

    assert repr(kf) == f"<AsyncKfClient appid='{APPID}'>"
    assert SECRET not in repr(vars(kf))
