"""
Keep the query of a push out of Sentry's reports: it holds the signature and the customer's openid.

Sentry's integrations of ASGI frameworks put the query of the request under way into each event. Sentry is not imported
here: who uses it has imported it.
"""

from __future__ import annotations

import sys
from typing import Any

from .._redact import HIDDEN

__all__ = ["hide_query"]


def hide_query() -> None:
    """
    Hide the query of the request under way in what Sentry reports from now on, within that request.
    """
    sentry: Any = sys.modules.get("sentry_sdk")
    if sentry is None:
        return
    scope = sentry.get_isolation_scope()
    # Last, since they are called in order; once, since without an integration the scope is everybody's.
    if getattr(scope, "_event_processors", [])[-1:] != [_without_query]:
        scope.add_event_processor(_without_query)


def _without_query(event: Any, _: Any) -> Any:
    request = event.get("request")
    if request and "signature=" in str(request.get("query_string")):
        request["query_string"] = HIDDEN
    return event
