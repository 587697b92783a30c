"""
The server-sent events of the page: first the whole, then what is new.

After an interruption a page says what it saw last (``Last-Event-ID``) and is sent what it missed; from another run of
the stand-in, or after too much, it is sent the whole again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

import anyio

from ..._clock import Clock
from .._feed import Entry, Feed
from .entries import render_entry, render_value

__all__ = ["EventStream", "Watched"]

# Real seconds, whatever the stand-in's clock says.
_TICK: Final = 1.0
_TICKS: Final = 15
# What comes in a flood is sent together.
_PAUSE: Final = 0.05


class Watched(Protocol):
    """
    An account that is watched.
    """

    @property
    def appid(self) -> str:
        """
        The account.
        """
        ...

    @property
    def clock(self) -> Clock:
        """
        What time it is there.
        """
        ...

    @property
    def feed(self) -> Feed:
        """
        What happens.
        """
        ...

    @property
    def callback(self) -> str | None:
        """
        Where pushes go.
        """
        ...

    @property
    def agents(self) -> Sequence[Any]:
        """
        The agents.
        """
        ...

    @property
    def customers(self) -> Sequence[Any]:
        """
        The customers.
        """
        ...

    def customer(self, openid: str) -> Any:
        """
        One customer, if known.
        """
        ...


class EventStream:
    """
    The events for one page.

    Args:
        account: Whose.

        appids: All accounts that there are.

        last_event_id: What the page saw last; empty: nothing.
    """

    def __init__(self, account: Watched, appids: Sequence[str], last_event_id: str) -> None:
        self._account = account
        self._appids = appids
        run, _, number = last_event_id.partition("-")
        is_ours = run == account.feed.run and number.isdecimal()
        self._seen: int | None = int(number) if is_ours else None

    async def more(self) -> bytes:
        """
        Wait for the next event; when there is none for long, for a sign of life.
        """
        feed = self._account.feed
        if self._seen is None or feed.since(self._seen) is None:
            return self._write("whole", feed.latest(), self._account.customers)
        for _ in range(_TICKS):
            with anyio.move_on_after(_TICK):
                await feed.wait_after(self._seen)
                await anyio.sleep(_PAUSE)
            # This also ends the sessions that are over by now.
            _ = self._account.agents
            news = feed.since(self._seen)
            if news is None:
                break
            if news:
                openids = {entry.openid: None for entry in news if entry.openid is not None}
                known = [self._account.customer(openid) for openid in openids]
                return self._write("news", news, [each for each in known if each is not None])
        return b":\n\n"

    def _write(self, name: str, entries: Sequence[Entry], customers: Sequence[Any]) -> bytes:
        account, feed = self._account, self._account.feed
        agents = account.agents
        first = feed.end - len(entries) + 1
        rendered = [render_entry(number, entry) for number, entry in enumerate(entries, first)]
        data = {
            "appid": account.appid,
            "appids": self._appids,
            "now": account.clock.now().isoformat(),
            "callback": account.callback,
            "agents": [render_value(each) for each in agents],
            "customers": [render_value(each) for each in customers],
            "entries": [each for each in rendered if each is not None],
        }
        self._seen = feed.end
        body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
        return f"id: {feed.run}-{feed.end}\nevent: {name}\ndata: {body}\n\n".encode("utf-8", "replace")
