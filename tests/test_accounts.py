"""
Clients for many accounts over one client's connections: what they share, and what each has for itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from wechat_kf import AsyncKfClient, AuthError, MemoryTokenStore, NoToken, StaticToken, SystemBusy, Text
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.maintenance import CLEAR_QUOTA
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import Errcode, FakeAccount, FakeWeChat, ManualClock
from wechat_kf.tokens import CLASSIC_TOKEN, STABLE_TOKEN

from .arrivals import count, tokens_used
from .conftest import Connect

ACCOUNTS = 500
CALLS = 10
CONNECTIONS = 20
# Bytes for each account, its token included.
MOST_MEMORY = 20_000


class ManyAccounts:
    """
    A server for any number of accounts, which costs little time: a token for each appid, and an empty list of agents.

    Attributes:
        url: Where it listens.

        calls: How many calls were made with each token.

        open: How many connections there are.

        most: How many there were at once.
    """

    def __init__(self) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.open = 0
        self.most = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer the requests of one connection.
        """
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(line[16:]) for line in head.split("\r\n") if line.startswith("Content-Length: ")), 0)
                answer = self._answer(head.split()[1], await reader.readexactly(length))
                body = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def _answer(self, target: str, body: bytes) -> object:
        if target == STABLE_TOKEN.path:
            return {"access_token": f"{json.loads(body)['appid']:_<200}", "expires_in": 7200}
        self.calls[target.partition("?access_token=")[2].rstrip("_")] += 1
        return {"kf_list": []}


@asynccontextmanager
async def many_accounts() -> AsyncGenerator[ManyAccounts]:
    """
    Serve them.
    """
    server = ManyAccounts()
    async with await asyncio.start_server(server.converse, "127.0.0.1") as listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server


async def each_calls(clients: list[AsyncKfClient], times: int) -> None:
    """
    Have all clients call at once, each so many times in a row.
    """

    async def call(kf: AsyncKfClient) -> None:
        for _ in range(times):
            await kf.get_kf_list()

    async with anyio.create_task_group() as tasks:
        for kf in clients:
            tasks.start_soon(call, kf)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_hundreds_over_few_connections() -> None:
    """
    500 accounts with 10 calls each take no more connections than there may be, and less than 20 kB of memory each.
    """
    async with (
        many_accounts() as server,
        AsyncKfClient(token=NoToken(), base_url=server.url, max_connections=CONNECTIONS, timeout=60) as pool,
    ):
        await pool.for_account("wx-first", "secret-of-the-first").get_kf_list()
        gc.collect()
        tracemalloc.start()
        clients = [pool.for_account(f"wx{number}", f"secret-of-{number}-and-long") for number in range(ACCOUNTS)]
        await each_calls(clients, 1)
        gc.collect()
        memory, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await each_calls(clients, CALLS - 1)

    assert server.calls == {"wx-first": 1} | {f"wx{number}": CALLS for number in range(ACCOUNTS)}
    assert server.most <= CONNECTIONS
    assert memory / ACCOUNTS < MOST_MEMORY


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in whose time is moved by hand.
    """
    return FakeWeChat(clock=ManualClock())


@pytest.fixture
def other(fake: FakeWeChat) -> FakeAccount:
    """
    Give it a second account.
    """
    return fake.add_account("wx-other", "secret-of-the-other-account")


@pytest.fixture
async def base(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve both.
    """
    async with fake.serve() as url:
        yield url


async def test_each_calls_as_itself(fake: FakeWeChat, other: FakeAccount, base: str, connect: Connect) -> None:
    """
    A client for another account sends and clears as that account, with its secret, its token or a provider.
    """
    for account in (fake, other):
        account.user_says("o1", "在吗")
    kf = connect(base, clock=fake.clock)
    second = kf.for_account(other.appid, other.secret)
    await second.send_custom_message("o1", Text("1"))
    [token] = tokens_used(other, SEND_CUSTOM_MESSAGE)
    await second.for_account(token=token).send_custom_message("o1", Text("2"))
    await kf.for_account(other.appid, token=StaticToken(token)).clear_quota()
    await kf.send_custom_message("o1", Text("我"))

    assert (kf.appid, second.appid, second.for_account(token=token).appid) == (fake.appid, other.appid, None)
    assert [shown.text for shown in other.sent] == ["1", "2"]
    assert [shown.text for shown in fake.sent] == ["我"]
    assert [call.json for call in other.calls if call.path == CLEAR_QUOTA.path] == [{"appid": other.appid}]


async def test_one_store_for_all(fake: FakeWeChat, other: FakeAccount, base: str, connect: Connect) -> None:
    """
    All tokens are kept in the store of the first client, under each account's appid, whatever token that has itself.
    """
    store = MemoryTokenStore()
    make = partial(connect, base, clock=fake.clock, token_store=store)
    for first in (make(token=NoToken()), make()):
        await first.for_account(fake.appid, fake.secret).get_kf_list()
        await first.for_account(other.appid, other.secret).get_kf_list()
    kept = [await store.load(account.appid) for account in (fake, other)]

    assert [count(account, STABLE_TOKEN) for account in (fake, other)] == [1, 1]
    assert [each and each.value for each in kept] == [
        tokens_used(account, GET_KF_LIST)[-1] for account in (fake, other)
    ]


async def test_options_are_inherited(fake: FakeWeChat, other: FakeAccount, base: str, connect: Connect) -> None:
    """
    A client for another account has the options of the one it comes of, as they are then.
    """
    kf = connect(base, clock=fake.clock, token_api="classic")
    other.fault(GET_KF_LIST, Errcode(-1), times=2)
    with pytest.raises(SystemBusy):
        await kf.with_options(max_retries=0).for_account(other.appid, other.secret).get_kf_list()

    assert (count(other, GET_KF_LIST), count(other, CLASSIC_TOKEN)) == (1, 1)


async def test_each_has_its_own_breaker(fake: FakeWeChat, other: FakeAccount, base: str, connect: Connect) -> None:
    """
    An account whose secret is refused is left alone after three refusals; the others go on.
    """
    kf = connect(base, clock=fake.clock)
    wrong = kf.for_account(other.appid, "a-secret-of-long-ago-0123456789")
    for _ in range(5):
        with pytest.raises(AuthError):
            await wrong.get_kf_list()
    await kf.get_kf_list()
    await kf.for_account(other.appid, other.secret).get_kf_list()

    assert count(other, STABLE_TOKEN) == 3 + 1


async def test_closing(fake: FakeWeChat, other: FakeAccount, base: str, connect: Connect) -> None:
    """
    To close a client for another account closes nothing; to close the first closes all.
    """
    pool = connect(base, clock=fake.clock, token=NoToken())
    async with pool.for_account(fake.appid, fake.secret) as first:
        await first.get_kf_list()
    second = pool.for_account(other.appid, other.secret)
    for kf in (first, second, second.with_options(timeout=60)):
        await kf.get_kf_list()
        await kf.aclose()
    if pool._owns_http:
        await pool.aclose()
        for kf in (first, second, pool.for_account(token="any")):
            with pytest.raises(RuntimeError, match="this client is closed"):
                await kf.get_kf_list()

    assert count(fake, GET_KF_LIST) == 2


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({}, TypeError, "give appid and secret, or token"),
        ({"appid": "wx1"}, TypeError, "give appid and secret, or token"),
        ({"appid": "wx1", "secret": "secret", "token": "any"}, TypeError, "not both"),
        ({"appid": "wx1 ", "secret": "secret"}, ValueError, "appid must not begin or end with a blank"),
        ({"appid": "wx1", "secret": ""}, ValueError, "secret must not be empty"),
        ({"token": 7}, TypeError, "token must be a str or have the methods get and invalidate"),
    ],
)
def test_wrong_accounts_are_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    """
    Credentials that are missing, too many or of a wrong type are refused, and the first client is as it was.
    """
    kf = AsyncKfClient("wx0", "secret-of-the-first")
    with pytest.raises(error, match=said):
        kf.for_account(**given)

    assert kf.appid == "wx0"


def test_no_token_goes_to_wechat_without_tls() -> None:
    """
    A client for cloud-run, which calls WeChat without TLS, makes none for an account that has a token.
    """
    kf = AsyncKfClient(token=NoToken(), base_url="http://api.weixin.qq.com")

    assert kf.for_account("wx1", token=NoToken()).appid == "wx1"
    with pytest.raises(ValueError, match="base_url must be https for calls with a token"):
        kf.for_account("wx1", "secret")
