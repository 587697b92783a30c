"""
In what state a client is, as a health check sees it.
"""

from __future__ import annotations

import attrs

from ..tokens.breaker import BreakerState

__all__ = ["ClientStatus"]


@attrs.frozen(kw_only=True)
class ClientStatus:
    """
    In what state a client is; `attrs.asdict` makes it a dict that can be written as JSON.

    Attributes:
        is_closed: Whether the client, or the HTTP client it was given, is closed.

        token_age: Seconds since this client first used its token; None if it has none: before the first call, or since
            WeChat refused the last.

        breaker: ``"closed"`` as it should be; ``"open"`` after WeChat refused the credentials three times in a row: no
            call is made; ``"probing"`` once one call may try whether they are good again.

        hosts_down: The hosts that could not be reached lately, as they were given.

        connections_in_use: Requests under way, in all event loops.

        connections_waiting: Requests that wait for a connection.
    """

    is_closed: bool
    token_age: float | None
    breaker: BreakerState
    hosts_down: list[str]
    connections_in_use: int
    connections_waiting: int
