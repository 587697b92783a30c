"""
Calling code that is not ours: handlers, hooks, inboxes.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio

from .._clock import Clock
from .._concurrency import background_tasks

__all__ = ["contained", "limited"]


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


@asynccontextmanager
async def limited(clock: Clock, seconds: float, what: str) -> AsyncGenerator[None]:
    """
    Cancel the body after a while, by the given clock, and raise `TimeoutError`.
    """
    async with background_tasks() as tasks:
        with anyio.CancelScope() as scope:

            async def end() -> None:
                await clock.sleep(seconds)
                scope.cancel()

            tasks.start_soon(end)
            yield
    if scope.cancelled_caught:
        raise TimeoutError(f"{what} took longer than {seconds:g} s")
