"""
The inbox that a bot's workers share through Redis.

Strategy. All that workers know of an account stands in a few hashes and lists under one hash tag, and each step is one
script, which happens whole or not at all. Of each push under way Redis knows its owner; of each worker, until when it
counts as alive, by Redis' own clock. A push whose owner is not alive any more is taken over by the next worker that
looks, at the place that it has. Who looks has been in touch with Redis for a whole lease without a break: where Redis
itself was away, everybody is given the time to come back.

`Account` is one account as one worker sees it; `Knowledge` what it goes by while Redis cannot be reached.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from ..._clock import Clock, SystemClock
from ..._concurrency import background_tasks
from ..._redact import get_logger
from ...bot import Allowance, Arrival, Arrived, InboxWorker, News, Place
from ._account import Account
from ._commands import Client, RedisRefused, Script, check_bounds, to_text, within
from ._link import Settings

__all__ = ["RedisInbox"]

_log = get_logger("wechat_kf.stores.redis")

_ACCOUNTS: Final = Script("inbox_accounts")

# Milliseconds that it is remembered which accounts a bot has.
_ACCOUNTS_LIFE: Final = 30 * 86_400_000

# redis-py's pool refuses what exceeds its connections, and the token may share it.
_COMMANDS: Final = 16
_SHARE: Final = 3


class RedisInbox:
    """
    The inbox of a bot that runs in several workers: none of its pushes is lost, and none is answered twice.

    ::

        inbox = RedisInbox(redis.asyncio.from_url("redis://localhost"))
        bot = Bot(Webhook.from_env(), kf, inbox=inbox)

    If a worker dies, the others take over what it had, once it has been silent for a lease. If Redis fails, each worker
    goes on with what it knows itself, says so once, and tells Redis what it has done when it answers again.

    Every key begins with the prefix and the account. Texts of customers are kept while they are under way, for a day at
    most. Redis must not evict keys (``maxmemory-policy noeviction``).

    Args:
        client: A ``redis.asyncio.Redis`` or ``RedisCluster``; used, never closed. Its ``socket_timeout`` is more than a
            second.

        prefix: What every key begins with.

        keep: Seconds that a push is remembered after it is done; WeChat repeats within a minute.

        lease: Seconds after which a worker that says nothing counts as dead. A handler that blocks the event loop for
            longer makes its worker look dead.

        timeout: Seconds for one command.

        clock: The clock.
    """

    def __init__(
        self,
        client: Client,
        *,
        prefix: str = "wechat_kf:",
        keep: float = 600.0,
        lease: float = 4.0,
        timeout: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        check_bounds(keep=keep, lease=lease, timeout=timeout)
        self._client = client
        self._prefix = prefix
        self._keep = keep
        self._lease = lease
        self._timeout = timeout
        self._clock = SystemClock() if clock is None else clock

    @asynccontextmanager
    async def join(
        self, notify: Callable[[News], None], *, stale: float, appid: str | None = None
    ) -> AsyncGenerator[InboxWorker]:
        """
        Take part as a worker for as long as the block lasts.

        Args:
            notify: Takes news.

            stale: Seconds after its arrival from which a dead worker's push is not handled any more.

            appid: What workers of one bot have in common, if it is known: from the start on they look for what is left
                of the accounts that the bot had before. Of others they hear when the first push comes.

        Raises:
            RedisRefused: Redis does not allow it.
        """
        pool: Any = getattr(self._client, "connection_pool", None)
        most: int = getattr(pool, "max_connections", _COMMANDS * _SHARE)
        settings = Settings(
            self._client,
            secrets.token_hex(8),
            self._prefix,
            self._keep,
            self._lease,
            self._timeout,
            stale,
            anyio.Semaphore(max(1, min(most // _SHARE, _COMMANDS))),
            self._clock,
        )
        worker = _Worker(settings, notify, appid)
        try:
            async with background_tasks() as tasks:
                await worker.open(tasks)
                yield worker
        finally:
            # No heart beats any more.
            with anyio.CancelScope(shield=True):
                await worker.leave()


class _Worker:
    """
    One bot in one process.
    """

    def __init__(self, settings: Settings, notify: Callable[[News], None], appid: str | None) -> None:
        self._settings = settings
        self._notify = notify
        self._tasks: TaskGroup
        self._registry = None if appid is None else f"{settings.prefix}{{{appid}}}:accounts"
        self._accounts: dict[str, Account] = {}
        self._failing: set[str] = set()

    @property
    def works(self) -> bool:
        return not self._failing

    async def open(self, tasks: TaskGroup) -> None:
        """
        Look after the accounts that the bot had before, and those that come to its other workers.
        """
        self._tasks = tasks
        if self._registry is not None:
            await self._look()
            self._tasks.start_soon(self._look_again)

    async def _look_again(self) -> None:
        while True:
            await anyio.sleep(self._settings.lease)
            with suppress(RedisRefused):
                await self._look()

    async def _look(self) -> None:
        for name in await self._register(""):
            self._account(name)

    async def leave(self) -> None:
        """
        Be dead from now on.
        """
        for account in self._accounts.values():
            await account.heart.stop()

    async def arrive(self, arrival: Arrival) -> Arrived:
        is_new = arrival.account not in self._accounts
        account = self._account(arrival.account)
        if is_new:
            await self._register(arrival.account)
        return await account.arrive(arrival)

    async def reply(self, place: Place, request: int, body: bytes) -> bool:
        return await self._account(place.account).reply(place, request, body)

    async def send(self, place: Place, number: int) -> bool:
        return await self._account(place.account).send(place, number)

    async def done(self, place: Place) -> None:
        await self._account(place.account).done(place)

    async def hand_over(self, places: Sequence[Place]) -> bool:
        return not places or await self._account(places[0].account).hand_over(places)

    async def allowance(self, account: str, openid: str) -> Allowance | None:
        return await self._account(account).allowance(openid)

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            account = Account(name, self._settings, self._notify, partial(self._has_changed, name))
            self._accounts[name] = account
            self._tasks.start_soon(account.heart.live)
            self._tasks.start_soon(account.listener.listen)
        return account

    async def _register(self, name: str) -> list[str]:
        """
        Add an account to those that the bot has, and list them; none if Redis fails, or nobody knows whose they are.
        """
        if self._registry is None:
            return []
        script = _ACCOUNTS.run(self._settings.client, [self._registry], _ACCOUNTS_LIFE, name)
        try:
            return [to_text(each) for each in await within(self._settings.timeout, script)]
        except RedisRefused:
            raise
        except Exception as error:  # noqa: BLE001 - the accounts find out by themselves
            _log.info("Could not look for the accounts of the bot (%s).", type(error).__name__)
            return []

    def _has_changed(self, name: str, error: Exception | None) -> None:
        worked = self.works
        if error is not None:
            self._failing.add(name)
        else:
            self._failing.discard(name)
        if worked and error is not None:
            _log.warning("Redis fails (%s); this worker goes on by itself.", type(error).__name__)
        elif not worked and self.works:
            _log.info("Redis answers again.")
