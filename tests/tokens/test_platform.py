"""
The tokens of third-party platforms: from the ticket to an account's calls, and nothing lost on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from wechat_kf import (
    ApiError,
    AsyncKfClient,
    AuthError,
    DeliveryUncertain,
    KfError,
    MemoryTokenStore,
    NoToken,
    NotSent,
    PermissionDenied,
    ReplyError,
    Token,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.testing import Delay, DropAfter, Errcode, FakePlatform, FakeWeChat, Fault, Garble, Status
from wechat_kf.tokens.endpoints import (
    AUTHORIZER_TOKEN,
    COMPONENT_TOKEN,
    PRE_AUTH_CODE,
    QUERY_AUTH,
    START_PUSH_TICKET,
)
from wechat_kf.tokens.platform import AuthorizerToken, ComponentToken

from ..arrivals import QuickClock, count
from ..conftest import Connect
from .doubles import FOR_EVER, warnings

PLATFORM = "wxplatform"
TWO_HOURS = 7200.0


class Sometimes(MemoryTokenStore):
    """
    A store that may fail.
    """

    fails = False

    def forget(self, appid: str) -> None:
        """
        Lose what was saved.
        """
        del self._tokens[appid]

    async def load(self, appid: str) -> Token | None:
        if self.fails:
            raise ConnectionError("redis://:password@host")
        return await super().load(appid)

    async def save(self, appid: str, token: Token) -> None:
        if self.fails:
            raise ConnectionError(f"redis://:password@host {token.value}")
        await super().save(appid, token)


@pytest.fixture
def platform(fake: FakeWeChat) -> FakePlatform:
    """
    Give the stand-in a platform.
    """
    return fake.add_platform(PLATFORM)


@pytest.fixture
def store() -> Sometimes:
    """
    Give the store of the platform.
    """
    return Sometimes()


@pytest.fixture
def start(platform: FakePlatform, store: Sometimes, make: Connect) -> Callable[..., ComponentToken]:
    """
    Start workers of the platform, which share the store.
    """

    def start(**options: Any) -> ComponentToken:
        pool = make(token=NoToken(), **options)
        return ComponentToken(pool, platform.appid, platform.secret, store=store, clock=platform.clock)

    return start


@pytest.fixture
async def component(start: Callable[..., ComponentToken], platform: FakePlatform) -> ComponentToken:
    """
    Start one that has a ticket.
    """
    # Time stands still, so that nobody waits before another attempt.
    component = start(max_retries=0)
    await component.keep_ticket(platform.push_ticket())
    return component


@pytest.fixture
async def authorized(component: ComponentToken, platform: FakePlatform, fake: FakeWeChat) -> ComponentToken:
    """
    Let the account authorise the platform.
    """
    await component.get_authorizer_refresh_token(platform.authorize(fake.appid))
    return component


def account(component: ComponentToken, make: Connect, fake: FakeWeChat) -> AsyncKfClient:
    """
    Make a client for the account.
    """
    return make(token=NoToken()).for_account(fake.appid, token=AuthorizerToken(component, fake.appid))


def asked(platform: FakePlatform, endpoint: Any) -> int:
    """
    Count the calls of a platform's endpoint.
    """
    return sum(call.path == endpoint.path for call in platform.calls)


async def until(holds: Callable[[], bool]) -> None:
    """
    Wait until something holds.
    """
    for _ in range(30_000):
        if holds():
            return
        await anyio.sleep(0.001)
    raise AssertionError("it never did")


async def test_from_ticket_to_call(
    platform: FakePlatform, component: ComponentToken, fake: FakeWeChat, make: Connect
) -> None:
    """
    A ticket and a code give an account's token, over the calls that the manual describes.
    """
    code = platform.authorize(fake.appid)
    info = await component.get_authorizer_refresh_token(code)
    await account(component, make, fake).get_kf_list()
    fake.advance(TWO_HOURS)
    await account(component, make, fake).get_kf_list()
    calls = [(call.path, list(call.query), sorted(call.json)) for call in platform.calls]

    assert info.authorizer_appid == fake.appid
    assert info.func_info == ({"funcscope_category": {"id": 1}},)
    assert calls == [
        (COMPONENT_TOKEN.path, [], ["component_appid", "component_appsecret", "component_verify_ticket"]),
        (QUERY_AUTH.path, ["component_access_token"], ["authorization_code", "component_appid"]),
        (COMPONENT_TOKEN.path, [], ["component_appid", "component_appsecret", "component_verify_ticket"]),
        (
            AUTHORIZER_TOKEN.path,
            ["component_access_token"],
            ["authorizer_appid", "authorizer_refresh_token", "component_appid"],
        ),
    ]
    assert [list(call.query) for call in fake.calls] == [["access_token"]] * 2


async def test_further_calls_of_a_platform(platform: FakePlatform, component: ComponentToken) -> None:
    """
    Tickets can be asked for, and so can the code with which an account's owner is asked for an authorisation.
    """
    await component.start_push_ticket()
    code = await component.get_pre_auth_code()

    assert platform.calls[0].json == {"component_appid": PLATFORM, "component_secret": platform.secret}
    assert platform.calls[0].query == {}
    assert code.pre_auth_code.startswith("preauthcode@@@")
    assert code.expires_in == 1800
    assert "preauthcode" not in repr(code)


async def test_one_fetch_for_many(platform: FakePlatform, component: ComponentToken) -> None:
    """
    The platform's token is fetched once for all who wait, and again ten minutes before its end.
    """
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(component.get)
    platform.clock.advance(TWO_HOURS - 601)
    await component.get()
    before = asked(platform, COMPONENT_TOKEN)
    platform.clock.advance(2)
    await component.get()

    assert (before, asked(platform, COMPONENT_TOKEN)) == (1, 2)


async def test_platform_token_that_ended(platform: FakePlatform, component: ComponentToken) -> None:
    """
    If the platform's token is refused, it is renewed once and the call made again.
    """
    await component.get_pre_auth_code()
    platform.expire_tokens()
    await component.get_pre_auth_code()

    assert (asked(platform, COMPONENT_TOKEN), asked(platform, PRE_AUTH_CODE)) == (2, 3)


async def test_without_a_ticket(start: Callable[..., ComponentToken], platform: FakePlatform) -> None:
    """
    Without a ticket, or with one older than twelve hours, WeChat is not asked, and the error says what may help.
    """
    component = start()
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(NotSent, match="start_push_ticket") as caught:
            await component.get_pre_auth_code()
        said.append(str(caught.value))
        await component.keep_ticket(platform.push_ticket())
        platform.clock.advance(12 * 3600)

    assert said[0] == said[1]
    assert "WeChat has pushed no ticket to wxplatform for 12 hours" in said[0]
    assert platform.calls == []


async def test_youngest_ticket_counts(start: Callable[..., ComponentToken], platform: FakePlatform) -> None:
    """
    Tickets may come late, and to any worker: the one that was made last is used.
    """
    first, second, third = start(), start(), start()
    made = platform.clock.now()
    tickets = [platform.push_ticket() for _ in range(3)]
    await first.keep_ticket(tickets[2], made + timedelta(minutes=20))
    await first.keep_ticket(tickets[0], made)
    await second.keep_ticket(tickets[1], made + timedelta(minutes=10))
    for component in (first, second, third):
        await component.invalidate(await component.get())
        platform.clock.advance(TWO_HOURS)

    assert {call.json["component_verify_ticket"] for call in platform.calls} == {tickets[2]}


async def test_tickets_of_one_second(start: Callable[..., ComponentToken], platform: FakePlatform) -> None:
    """
    Of two tickets that were made in the same second, and came to two workers, the one that came last is used.
    """
    first, second, third = start(), start(), start()
    made = platform.clock.now()
    tickets = [platform.push_ticket() for _ in range(2)]
    await first.keep_ticket(tickets[0], made)
    await second.keep_ticket(tickets[1], made)
    await third.get()

    assert [call.json["component_verify_ticket"] for call in platform.calls] == tickets[1:]


@pytest.mark.parametrize("ticket", ["", "two words", "é", "x" * 513])
async def test_no_ticket(component: ComponentToken, ticket: str) -> None:
    """
    What cannot be a ticket is refused, and the one before stays.
    """
    with pytest.raises(ValueError, match="1 to 512 characters of ASCII without blanks"):
        await component.keep_ticket(ticket)

    assert await component.get()


async def test_refusals_end(platform: FakePlatform, component: ComponentToken) -> None:
    """
    A platform that is refused three times asks once in half a minute from then on.
    """
    platform.fault(COMPONENT_TOKEN, Errcode(61006), FOR_EVER)
    for _ in range(6):
        with pytest.raises(AuthError, match="61006"):
            await component.get_pre_auth_code()
    before = asked(platform, COMPONENT_TOKEN)
    platform.clock.advance(31)
    for _ in range(3):
        with pytest.raises(AuthError, match="61006"):
            await component.get_pre_auth_code()

    assert (before, asked(platform, COMPONENT_TOKEN)) == (3, 4)


@pytest.mark.parametrize("changes", [True, False])
async def test_refresh_tokens_change_or_not(
    authorized: ComponentToken, platform: FakePlatform, fake: FakeWeChat, make: Connect, *, changes: bool
) -> None:
    """
    Whether WeChat gives another refresh token each time or the same, the account's calls go on for days.
    """
    platform.limits.refresh_token_changes = changes
    kf = account(authorized, make, fake)
    for _ in range(13):
        await authorized.keep_ticket(platform.push_ticket())
        fake.advance(TWO_HOURS)
        await kf.get_kf_list()
    given = [call.json["authorizer_refresh_token"] for call in platform.calls if call.path == AUTHORIZER_TOKEN.path]

    assert (len(given), len(set(given))) == (13, 13 if changes else 1)
    assert asked(platform, QUERY_AUTH) == 1


async def test_one_refresh_for_all_workers(
    authorized: ComponentToken,
    start: Callable[..., ComponentToken],
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
) -> None:
    """
    Fifty calls at once of two workers refresh an account's token once.
    """
    clients = [account(each, make, fake) for each in (authorized, start())]
    fake.advance(TWO_HOURS)
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(clients[number % 2].get_kf_list)

    assert asked(platform, AUTHORIZER_TOKEN) == 1
    assert count(fake, GET_KF_LIST) == 50


async def test_refresh_token_is_stored_before_it_is_used(
    *,
    authorized: ComponentToken,
    store: Sometimes,
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    A refresh token that cannot be stored is not used; calls go on meanwhile, and so does all once the store works.
    """
    kf = account(authorized, make, fake)
    await kf.get_kf_list()
    store.fails = True
    fake.advance(TWO_HOURS)
    await kf.get_kf_list()
    fake.advance(TWO_HOURS)
    with pytest.raises(NotSent, match=f"refresh token of {fake.appid} could not be stored, and is not used before"):
        await kf.get_kf_list()
    during = asked(platform, AUTHORIZER_TOKEN)
    store.fails = False
    await kf.get_kf_list()

    assert (during, asked(platform, AUTHORIZER_TOKEN)) == (1, 2)
    assert f"Could not store wxplatform:{fake.appid}:refresh (ConnectionError); it is in memory only." in warnings(
        caplog
    )


async def test_killed_before_the_answer_came(
    authorized: ComponentToken,
    start: Callable[..., ComponentToken],
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
) -> None:
    """
    If the answer with the new refresh token is lost with the worker, the next worker goes on with the one before.
    """
    fake.advance(TWO_HOURS)
    platform.fault(AUTHORIZER_TOKEN, DropAfter())
    with pytest.raises(NotSent):
        await account(authorized, make, fake).get_kf_list()
    await account(start(), make, fake).get_kf_list()
    given = [call.json["authorizer_refresh_token"] for call in platform.calls if call.path == AUTHORIZER_TOKEN.path]

    assert len(set(given)) == 1


async def test_cancelled_while_it_refreshes(
    authorized: ComponentToken,
    start: Callable[..., ComponentToken],
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
) -> None:
    """
    If nobody waits any more for a refresh, its refresh token is stored all the same, and its token is used.
    """
    kf = account(authorized, make, fake)
    fake.advance(TWO_HOURS)
    await authorized.get()
    platform.fault(AUTHORIZER_TOKEN, Delay(3))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await until(lambda: asked(platform, AUTHORIZER_TOKEN) == 1)
        tasks.cancel_scope.cancel()
    fake.advance(3)
    await account(start(), make, fake).get_kf_list()

    assert asked(platform, AUTHORIZER_TOKEN) == 1


async def test_exchange_is_not_cancelled(
    component: ComponentToken, platform: FakePlatform, fake: FakeWeChat, make: Connect
) -> None:
    """
    A code works once: being cancelled, its exchange ends first.
    """
    code = platform.authorize(fake.appid)
    await component.get()
    platform.fault(QUERY_AUTH, Delay(3))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(component.get_authorizer_refresh_token, code)
        await until(lambda: asked(platform, QUERY_AUTH) == 1)
        tasks.cancel_scope.cancel()
        fake.advance(3)
    await account(component, make, fake).get_kf_list()
    with pytest.raises(ApiError, match="61010"):
        await component.get_authorizer_refresh_token(code)

    assert asked(platform, AUTHORIZER_TOKEN) == 0


async def test_lost_answer_to_the_exchange(component: ComponentToken, platform: FakePlatform, fake: FakeWeChat) -> None:
    """
    If the answer to the exchange of a code is lost, the error says that it may have taken effect.
    """
    platform.fault(QUERY_AUTH, DropAfter())
    with pytest.raises(DeliveryUncertain) as caught:
        await component.get_authorizer_refresh_token(platform.authorize(fake.appid))

    assert caught.value.effect == "unknown"
    assert not await component.is_authorized(fake.appid)


async def test_withdrawn(authorized: ComponentToken, platform: FakePlatform, fake: FakeWeChat, make: Connect) -> None:
    """
    The calls of an account that withdrew its authorisation are refused, and WeChat is not asked again and again.
    """
    kf = account(authorized, make, fake)
    await kf.get_kf_list()
    platform.unauthorize(fake.appid)
    for _ in range(6):
        with pytest.raises((PermissionDenied, AuthError), match="61003"):
            await kf.get_kf_list()

    assert asked(platform, AUTHORIZER_TOKEN) == 3


async def test_authorised_anew(
    authorized: ComponentToken, platform: FakePlatform, fake: FakeWeChat, make: Connect
) -> None:
    """
    A new authorisation ends the tokens of the one before; clients that had these find the new ones in the store.
    """
    kf = account(authorized, make, fake)
    await kf.get_kf_list()
    await authorized.get_authorizer_refresh_token(platform.authorize(fake.appid))
    await kf.get_kf_list()
    fake.advance(TWO_HOURS)
    await kf.get_kf_list()

    assert asked(platform, AUTHORIZER_TOKEN) == 1


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, "No refresh token of .* is known: ask the account's owner to authorise the platform"),
        ("not one", "No refresh token of .* is known"),
        ("refreshtoken@@@of-long-ago-and-far-away", "61023"),
    ],
)
async def test_refresh_token_that_is_of_no_use(
    *,
    kept: str | None,
    said: str,
    component: ComponentToken,
    start: Callable[..., ComponentToken],
    store: Sometimes,
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
) -> None:
    """
    A refresh token that is missing, is none, or is not the last is an error that says whom to ask.
    """
    await component.get_authorizer_refresh_token(platform.authorize(fake.appid))
    fake.advance(TWO_HOURS)
    key = f"{PLATFORM}:{fake.appid}:refresh"
    if kept is None:
        store.forget(key)
    else:
        await store.save(key, Token(kept, fake.clock.now() + timedelta(days=1)))
    # Another worker, which knows nothing but what is in the store.
    with pytest.raises(KfError, match=said) as caught:
        await account(start(), make, fake).get_kf_list()

    assert caught.value.effect == "none"


@pytest.mark.parametrize(
    ("endpoint", "body", "shown"),
    [
        (COMPONENT_TOKEN, b'{"component_access_token":"60_0123456789abcdef","expires_in":"soon"}', b""),
        (COMPONENT_TOKEN, b'{"component_access_token":"","expires_in":7200}', b""),
        (COMPONENT_TOKEN, b'{"component_access_token":"60_0123456789abcdef","expires_in":0}', b""),
        (COMPONENT_TOKEN, b"<html>503</html>", b"<html>503</html>"),
        (AUTHORIZER_TOKEN, b'{"authorizer_access_token":["60_0123456789abcdef"]}', b""),
        (AUTHORIZER_TOKEN, b"{}", b"{}"),
        (AUTHORIZER_TOKEN, b'{"authorizer_access_token":"","expires_in":7200}', b""),
    ],
)
async def test_answers_of_no_use(
    *,
    endpoint: Any,
    body: bytes,
    shown: bytes,
    authorized: ComponentToken,
    platform: FakePlatform,
    fake: FakeWeChat,
    make: Connect,
) -> None:
    """
    An answer without a usable token is an error that shows nothing of it, and the next one is taken.
    """
    kf = account(authorized, make, fake)
    fake.advance(TWO_HOURS)
    platform.fault(endpoint, Garble(body))
    with pytest.raises(ReplyError) as caught:
        await kf.get_kf_list()
    await kf.get_kf_list()

    assert "0123456789abcdef" not in str(caught.value)
    assert caught.value.body == shown


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        (START_PUSH_TICKET, Errcode(-1)),
        (COMPONENT_TOKEN, Errcode(-1)),
        (PRE_AUTH_CODE, Errcode(-1)),
        (QUERY_AUTH, Errcode(-1)),
        (QUERY_AUTH, Status(502)),
        (AUTHORIZER_TOKEN, Errcode(-1)),
    ],
)
async def test_platform_calls_are_repeated(
    endpoint: Any, fault: Fault, start: Callable[..., ComponentToken], platform: FakePlatform, fake: FakeWeChat
) -> None:
    """
    What WeChat was too busy for, or a gateway did not answer, is asked again.
    """
    component = start(clock=QuickClock())
    await component.keep_ticket(platform.push_ticket())
    platform.fault(endpoint, fault, times=1)
    await component.start_push_ticket()
    await component.get_pre_auth_code()
    await component.get_authorizer_refresh_token(platform.authorize(fake.appid))
    await component.get_authorizer_access_token(fake.appid)

    assert asked(platform, endpoint) == 2


async def test_authorisation_without_a_life(
    component: ComponentToken, store: Sometimes, platform: FakePlatform, fake: FakeWeChat
) -> None:
    """
    An authorisation whose token has ended at once is one; the token is not kept.
    """
    told = {
        "authorizer_appid": fake.appid,
        "authorizer_access_token": "60_0123456789abcdef",
        "expires_in": 0,
        "authorizer_refresh_token": "refreshtoken@@@0123456789",
    }
    platform.fault(QUERY_AUTH, Garble(json.dumps({"authorization_info": told}).encode()))
    info = await component.get_authorizer_refresh_token(platform.authorize(fake.appid))

    assert info.expires_in == 0
    assert await component.is_authorized(fake.appid)
    assert await store.load(component.key_of(fake.appid)) is None


async def test_authorisation_of_no_calls(component: ComponentToken, platform: FakePlatform, fake: FakeWeChat) -> None:
    """
    An account that authorised no calls has no tokens, and nothing is kept of it.
    """
    platform.fault(QUERY_AUTH, Garble(b'{"authorization_info":{"authorizer_appid":"wx1","func_info":[]}}'))
    info = await component.get_authorizer_refresh_token(platform.authorize(fake.appid))

    assert (info.authorizer_appid, info.authorizer_access_token, info.authorizer_refresh_token) == ("wx1", None, None)
    assert not await component.is_authorized("wx1")


async def test_ticket_that_comes_while_another_is_stored(
    component: ComponentToken, store: Sometimes, platform: FakePlatform
) -> None:
    """
    Of two tickets that come at once the younger is stored in the end.
    """
    made, tickets = platform.clock.now(), [platform.push_ticket() for _ in range(2)]
    async with anyio.create_task_group() as tasks:
        for number, ticket in enumerate(tickets, start=1):
            tasks.start_soon(component.keep_ticket, ticket, made + timedelta(minutes=number))
    kept = await store.load(f"{PLATFORM}:ticket")

    assert kept is not None
    assert kept.value == tickets[1]


async def test_no_token_is_a_provider() -> None:
    """
    No token is had from `NoToken`, and none is forgotten.
    """
    provider = NoToken()
    await provider.invalidate("any")

    assert await provider.get() == ""
