"""
Calling code that is not ours: handlers, hooks, stores.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import anyio

__all__ = ["contained"]


@contextmanager
def contained() -> Generator[None]:
    """
    Let others' code fail with nothing but an `Exception`, unless the bot itself is being cancelled.

    A handler that waits for a task which somebody cancelled raises ``CancelledError``, as if it had been cancelled
    itself, and extensions written in Rust panic beside `Exception`: either would end the work for all customers.
    """
    try:
        yield
    except (Exception, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if anyio.current_effective_deadline() == -math.inf:
            raise
        raise RuntimeError(f"{type(error).__name__} was raised, though nobody cancelled the bot") from error
