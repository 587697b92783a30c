"""
The journal of a broadcast in Redis, so that its run can be started again on any machine.

Strategy. A journal is one hash: for each row its last entry, and a few fields about the whole. The run that was started
last has it: its mark is in the hash, and each write is refused to every other. So a run that was killed can be started
again at once, without a lock that must end first; and of two that are under way at once, the earlier stops before its
next send, while what it has on its way is uncertain to the later.

Redis may lose what it held: it was restarted, or another server took its place. A run hears that from the numbers that
each write compares, stops, and leaves a note by which no other run takes the rest for the whole.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from ..._errors import JournalError
from ...broadcast import Entry, OpenJournal
from ...broadcast.lines import check_header, entry_line, header_line, read_entry
from ._commands import Client, Script, check_bounds, to_text, within

__all__ = ["RedisJournal"]

_OPEN: Final = Script("journal_open")
_READ: Final = Script("journal_read")
_WRITE: Final = Script("journal_write")

# How many entries are read at once, and how many commands are under way.
_BATCH: Final = 1000
_COMMANDS: Final = 20

# What `journal_write` returns when it has written nothing.
_TAKEN: Final = 0
_LOST: Final = -1


class RedisJournal:
    """
    Keep the journal of a broadcast in Redis, so that a run that was killed can be started again, on any machine.

    ::

        journal = RedisJournal(redis.asyncio.from_url("redis://localhost"), "spring-sale")
        async for outcome in kf.send_each(pairs, journal=journal):
            ...

    It is one hash, whose key is the prefix, the name in braces, and ``:journal``. For each row it has the last entry,
    a line of JSON as in a `FileJournal`, which takes some 250 bytes; the messages are not in it.

    A second run of the same journal takes it over: the first sends nothing more and raises `JournalError`.

    It is as safe as Redis is. What Redis loses during a run is noticed, and the run stops. What it loses between two
    runs is not, and the next run sends to everybody again; so give it a Redis that writes to its disk
    (``appendonly yes``) and evicts nothing.

    Args:
        client: A ``redis.asyncio.Redis`` or ``RedisCluster``; used, never closed.

        name: The broadcast's name; another broadcast needs another.

        prefix: What the key begins with.

        keep: Seconds after the last entry for which it is kept. A run that is started later sends to everybody.

        timeout: Seconds for one command. A Redis that does not answer for longer ends the run.

    Raises:
        ValueError: The name is empty, or a time is not more than 0.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        prefix: str = "wechat_kf:",
        keep: float = 30 * 86400.0,
        timeout: float = 5.0,
    ) -> None:
        check_bounds(keep=keep, timeout=timeout)
        if not name:
            raise ValueError("name must not be empty")
        self._client = client
        self._name = name
        self._key = f"{prefix}{{{name}}}:journal"
        self._keep = int(keep * 1000)
        self._timeout = timeout
        self._guard = anyio.Semaphore(_COMMANDS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    @asynccontextmanager
    async def open(self, account: str) -> AsyncGenerator[OpenJournal]:
        """
        Take the journal for one run and read it.

        Raises:
            JournalError: Redis fails, the journal is of another account, or Redis has lost entries of it.
        """
        header, mark = header_line(account).rstrip(), secrets.token_hex(8)
        head, is_lost, number = await self.ask(_OPEN, header, mark, self._keep)
        if is_lost:
            raise _lost(self._name)
        check_header(head, account, f"The journal {self._name!r}")
        yield _OpenJournal(self, (mark, number), await self._read())

    async def _read(self) -> dict[int, Entry]:
        entries: dict[int, Entry] = {}
        at = b"0"
        while True:
            at, found = await self.ask(_READ, at, _BATCH)
            for field, value in zip(found[::2], found[1::2], strict=True):
                # The others are about the whole.
                if field.isdigit():
                    entry = read_entry(value)
                    if entry is None or entry.index != int(field):
                        raise JournalError(f"The field {to_text(field)} of {self._key} is not an entry of a journal")
                    entries[entry.index] = entry
            if at == b"0":
                return entries

    async def write(self, run: tuple[str, int], seen: int, entry: Entry) -> int:
        """
        Write an entry; return how many were ever written.

        Raises:
            JournalError: It cannot be written.
        """
        line = entry_line(entry).rstrip()
        count = await self.ask(_WRITE, *run, seen, entry.index, line, self._keep)
        if count == _LOST:
            raise _lost(self._name)
        if count == _TAKEN:
            raise JournalError(
                f"A later run has taken over the journal {self._name!r}. Nothing more is sent by this one"
            )
        return int(count)

    async def ask(self, script: Script, *arguments: str | bytes | float) -> Any:
        """
        Run a script.

        Raises:
            JournalError: Redis fails or refuses it.
        """
        try:
            async with self._guard:
                # The wait for the guard does not count.
                return await within(self._timeout, script.run(self._client, [self._key], *arguments))
        except Exception as error:
            why = f"Redis did not answer for {self._timeout:g} s" if isinstance(error, TimeoutError) else error
            raise JournalError(f"The journal {self._name!r} cannot be used: {why}. Nothing more is sent") from error


class _OpenJournal:
    """
    A journal that a run has taken.
    """

    def __init__(self, journal: RedisJournal, run: tuple[str, int], entries: Mapping[int, Entry]) -> None:
        self._journal = journal
        self._run = run
        self._entries = entries
        # The highest count of entries that was heard.
        self._seen = 0

    @property
    def entries(self) -> Mapping[int, Entry]:
        """
        The last entry of each row.
        """
        return self._entries

    async def write(self, entry: Entry) -> None:
        """
        Write an entry.

        Raises:
            JournalError: It cannot be written.
        """
        self._seen = max(self._seen, await self._journal.write(self._run, self._seen, entry))


def _lost(name: str) -> JournalError:
    return JournalError(
        f"Redis has lost entries of the journal {name!r}, so it does not tell any more who got a message. Nothing more "
        "is sent. The outcomes told are right; take those customers from the list, and use another journal for the rest"
    )
