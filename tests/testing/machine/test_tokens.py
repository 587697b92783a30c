"""
Tokens: the stable and the classic endpoint.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from wechat_kf.testing import FakeWeChat, ManualClock

from ..bare_api import API, Wire

IPS = "/cgi-bin/getcallbackip"


async def accepts(wire: Wire, token: str) -> int:
    """
    Call with a token; give the errcode, 0 if it works.
    """
    response = await wire.http.get(f"{API}{IPS}", params={"access_token": token})
    return int(response.json().get("errcode", 0))


async def test_the_stable_token_stays(fake: FakeWeChat, wire: Wire) -> None:
    """
    Until its last five minutes every call gives the same token, with the seconds that remain.
    """
    first = await wire.stable_token()
    fake.advance(3600)
    second = await wire.stable_token(force_refresh=False)
    fake.advance(3300 - 1)
    third = await wire.stable_token()

    assert first["expires_in"] == 7200
    assert second == {"access_token": first["access_token"], "expires_in": 3600}
    assert third == {"access_token": first["access_token"], "expires_in": 301}
    assert len(first["access_token"]) <= 512


async def test_the_stable_token_is_renewed_in_time(fake: FakeWeChat, wire: Wire) -> None:
    """
    In the last five minutes there is a new one; the old one works to its end.
    """
    old = (await wire.stable_token())["access_token"]
    fake.advance(6900)
    new = await wire.stable_token()
    both = [await accepts(wire, old), await accepts(wire, new["access_token"])]
    fake.advance(299)
    still = await accepts(wire, old)
    fake.advance(1)

    assert new["access_token"] != old
    assert new["expires_in"] == 7200
    assert (both, still) == ([0, 0], 0)
    assert await accepts(wire, old) == 42001
    assert await accepts(wire, new["access_token"]) == 0


async def test_a_forced_token_ends_the_one_before(fake: FakeWeChat, wire: Wire) -> None:
    """
    Force takes effect at once, but not again within thirty seconds.
    """
    old = (await wire.stable_token())["access_token"]
    new = (await wire.stable_token(force_refresh=True))["access_token"]
    fake.advance(29)
    same = (await wire.stable_token(force_refresh=True))["access_token"]
    fake.advance(1)
    third = (await wire.stable_token(force_refresh=True))["access_token"]

    assert old != new == same != third
    assert [await accepts(wire, token) for token in (old, new, third)] == [40001, 40001, 0]


async def test_a_forced_token_ends_the_one_before_in_its_last_minutes_too(fake: FakeWeChat, wire: Wire) -> None:
    """
    The overlap of a renewal is not promised to a forced one.
    """
    old = (await wire.stable_token())["access_token"]
    fake.advance(7200 - 200)
    new = (await wire.stable_token(force_refresh=True))["access_token"]

    assert [await accepts(wire, token) for token in (old, new)] == [40001, 0]


async def test_force_twenty_times_a_day(fake: FakeWeChat, wire: Wire) -> None:
    """
    The twenty-first force of a day is refused; the next day begins at midnight in Beijing.
    """
    await wire.stable_token()
    answers: list[dict[str, Any]] = []
    for _ in range(21):
        answers.append(await wire.stable_token(force_refresh=True))
        fake.advance(30)
    # The clock began at midnight UTC, which is eight in the morning there.
    fake.advance(16 * 3600 - 21 * 30)
    await wire.stable_token()

    assert len({answer.get("access_token") for answer in answers[:20]}) == 20
    assert answers[20]["errcode"] == 45009
    assert "access_token" in await wire.stable_token(force_refresh=True)


async def test_each_classic_call_makes_a_token(fake: FakeWeChat, wire: Wire) -> None:
    """
    Each new one retires the one before, which works five minutes more.
    """
    first = await wire.classic_token()
    second = (await wire.classic_token())["access_token"]
    fake.advance(299)
    overlap = await accepts(wire, first["access_token"])
    fake.advance(1)

    assert first["expires_in"] == 7200
    assert first["access_token"] != second
    assert overlap == 0
    assert await accepts(wire, first["access_token"]) == 40001
    assert await accepts(wire, second) == 0

    fake.advance(6900)

    assert await accepts(wire, second) == 42001


async def test_the_two_kinds_leave_each_other_alone(fake: FakeWeChat, wire: Wire) -> None:
    """
    Neither renewal touches a token of the other endpoint.
    """
    stable = (await wire.stable_token())["access_token"]
    classic = (await wire.classic_token())["access_token"]
    fake.advance(400)
    await wire.classic_token()
    fake.advance(400)
    kept = await accepts(wire, stable)
    newest = (await wire.classic_token())["access_token"]
    await wire.stable_token(force_refresh=True)

    assert kept == 0
    assert await accepts(wire, classic) == 40001
    assert await accepts(wire, newest) == 0


@pytest.mark.parametrize(
    ("fields", "errcode"),
    [
        ({"grant_type": "password"}, 40002),
        ({"appid": "wx0"}, 40013),
        ({"appid": ""}, 41002),
        ({"secret": "0"}, 40125),
        ({"secret": ""}, 41004),
    ],
    ids=str,
)
async def test_wrong_credentials(wire: Wire, fields: dict[str, str], errcode: int) -> None:
    """
    Both endpoints name what is wrong.
    """
    assert (await wire.stable_token(**fields))["errcode"] == errcode
    assert (await wire.classic_token(**fields))["errcode"] == errcode


async def test_missing_and_strange_tokens(wire: Wire) -> None:
    """
    A token stands in the query, and comes from this account.
    """
    other = Wire(FakeWeChat(clock=ManualClock()))
    foreign = (await other.stable_token())["access_token"]
    token = (await wire.stable_token())["access_token"]
    headers = {"authorization": f"Bearer {token}", "access_token": token}
    in_header = await wire.http.get(f"{API}{IPS}", headers=headers)

    assert (await wire.http.get(f"{API}{IPS}")).json()["errcode"] == 41001
    assert in_header.json()["errcode"] == 41001
    assert await accepts(wire, "") == 41001
    assert await accepts(wire, "nonsense") == 40014
    assert await accepts(wire, foreign) == 40014


async def test_tokens_taken_away(fake: FakeWeChat, wire: Wire) -> None:
    """
    Tests can let tokens run out, or be replaced by another program.
    """
    expired = (await wire.stable_token())["access_token"]
    fake.expire_tokens()
    revoked = (await wire.stable_token())["access_token"]
    classic = (await wire.classic_token())["access_token"]
    fake.revoke_tokens()
    renewed = (await wire.stable_token())["access_token"]

    assert [await accepts(wire, token) for token in (expired, revoked, classic, renewed)] == [42001, 40001, 40001, 0]


async def test_long_dead_tokens_are_forgotten(fake: FakeWeChat, wire: Wire) -> None:
    """
    Days later a token is like one that never was.
    """
    token = (await wire.stable_token())["access_token"]
    fake.advance(2 * 86400)
    await wire.stable_token()

    assert await accepts(wire, token) == 40014


async def test_the_methods(wire: Wire) -> None:
    """
    The stable endpoint takes POST, the classic one GET.
    """

    async def code(response: httpx.Response) -> int:
        return int(response.json()["errcode"])

    assert await code(await wire.http.get(f"{API}/cgi-bin/stable_token")) == 43002
    assert await code(await wire.http.post(f"{API}/cgi-bin/token")) == 43001
