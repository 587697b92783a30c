"""
A body whose coding is undone while it comes.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.lowlevel import checkpoint

from wechat_kf._http.decoded_body import DecodedBody
from wechat_kf._http.decoding import MAX_STEP, BadCoding

STEPS = 40
BODY = gzip.compress(bytes(STEPS * MAX_STEP))


class Chunks:
    """
    A raw body in these chunks.
    """

    def __init__(self, *chunks: bytes) -> None:
        self._left = list(chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


async def test_event_loop_turns_between_steps() -> None:
    """
    While a chunk is inflated that holds much more than it seems, other tasks go on.
    """
    turns, size = 0, 0

    async def count() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        size = sum([len(step) async for step in DecodedBody(Chunks(BODY), "gzip")])
        tasks.cancel_scope.cancel()

    assert size == STEPS * MAX_STEP
    assert turns >= STEPS - 1


async def test_nothing_is_lost_when_cancelled() -> None:
    """
    Whoever is cancelled while a step is due, and reads on, gets it then.
    """
    body = DecodedBody(Chunks(BODY[:100], BODY[100:]), "gzip")
    size = 0
    while True:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(body)
        try:
            size += len(await anext(body))
        except StopAsyncIteration:
            break

    assert size == STEPS * MAX_STEP


@pytest.mark.parametrize("coding", ["", "identity"])
async def test_no_coding(coding: str) -> None:
    """
    A body without a coding comes as it is.
    """
    assert [chunk async for chunk in DecodedBody(Chunks(b"a", b"b"), coding)] == [b"a", b"b"]


async def test_unknown_coding() -> None:
    """
    A coding that is not read is refused at the first chunk.
    """
    with pytest.raises(BadCoding):
        await anext(DecodedBody(Chunks(b"a"), "br"))
