"""
``wechat-kf quota`` and ``wechat-kf rid``.
"""

from __future__ import annotations

from collections.abc import Callable

from wechat_kf.testing import FakeWeChat

from .conftest import Ended

SEND = "/cgi-bin/message/custom/send"


def test_quota(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    What is left is told of the paths that are given, or of the usual ones.
    """
    usual = run("quota", "--json")
    given = run("quota", "/cgi-bin/stable_token", SEND)
    wrong = run("quota", "/nothing")

    assert SEND in [each["path"] for each in usual.json]
    assert given.out == (
        "path\tdaily_limit\tused\tremain\trate_limit\n"
        "/cgi-bin/stable_token\t500000\t2\t499998\t10000 in 60 s\n"
        f"{SEND}\t500000\t0\t500000\t\n"
    )
    assert (wrong.code, "(76021 " in wrong.err) == (4, True)
    assert fake.calls


def test_rid(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    A failed request is found by the rid that its error named, with its token hidden.
    """
    failed = run("sessions", "open", "o1", "lin@shop", "--json").json["error"]
    told = run("rid", failed["rid"])
    for_programs = run("rid", failed["rid"], "--json")

    assert fake.calls
    assert '\trequest_body\t{"kf_account":"lin@shop","openid":"o1"}\n' in f"\t{told.out}".replace("\n", "\n\t")
    assert for_programs.json["client_ip"] == "127.0.0.1"
    assert "access_token=***" in told.out
