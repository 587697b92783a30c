"""
Keep others' instrumentation of the HTTP library away from our requests: what it records is the URL, with the token.

OpenTelemetry's makes a span of each request, Sentry's a span and a breadcrumb. Neither is imported here: who uses one
has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final

__all__ = ["unobserved"]

_OPENTELEMETRY: Final = "opentelemetry.instrumentation.utils"
_SENTRY: Final = "sentry_sdk.integrations.httpx"

_NOTHING: Final = nullcontext()


def unobserved() -> AbstractContextManager[None]:
    """
    Suppress the instrumentation of the HTTP library in the body.
    """
    if _OPENTELEMETRY in sys.modules or _SENTRY in sys.modules:
        return _suppressed()
    return _NOTHING


@contextmanager
def _suppressed() -> Generator[None]:
    with ExitStack() as stack:
        opentelemetry: Any = sys.modules.get(_OPENTELEMETRY)
        if opentelemetry is not None:
            stack.enter_context(opentelemetry.suppress_http_instrumentation())
        if _SENTRY in sys.modules:
            sentry: Any = sys.modules["sentry_sdk"]
            scope = stack.enter_context(sentry.new_scope())
            scope.set_client(_WithoutIntegrations(sentry.get_client()))
        yield


class _WithoutIntegrations:
    """
    A client of Sentry's whose integrations see nothing.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def get_integration(self, name_or_class: object) -> None:
        """
        Find none.
        """

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
