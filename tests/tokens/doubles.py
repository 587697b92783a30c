"""
A provider and a store that answer as they are told, and what else the tests of tokens use.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    MemoryTokenStore,
    Token,
)
from wechat_kf.tokens.gate import TokenGate

LIFE = 7200.0
FOR_EVER = 1000
GIVEN = "65_given-by-a-service-of-ones-own"


class Provider:
    """
    A provider of the user's own, which answers as it is told.
    """

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.invalidated: list[str] = []

    async def get(self) -> str:
        """
        Answer, or fail.
        """
        await anyio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async def invalidate(self, value: str) -> None:
        """
        Take note, or fail.
        """
        self.invalidated.append(value)
        if isinstance(self.answer, Exception):
            raise self.answer


class Store(MemoryTokenStore):
    """
    A store of the user's own, of which one part may fail or hang.
    """

    def __init__(self, part: str, how: str) -> None:
        super().__init__()
        self.part = part
        self.how = how

    async def _meet(self, part: str) -> None:
        if self.part == part and self.how == "hangs":
            await anyio.sleep_forever()
        if self.part == part and self.how == "raises":
            raise ConnectionError("redis://:password@host")

    async def load(self, appid: str) -> Token | None:
        """
        Load, or fail.
        """
        await self._meet("load")
        return await super().load(appid)

    async def save(self, appid: str, token: Token) -> None:
        """
        Save, or fail.
        """
        await self._meet("save")
        await super().save(appid, token)

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        """
        Lock and unlock, or fail.
        """
        await self._meet("lock")
        async with super().lock(appid):
            yield
        await self._meet("unlock")


def gate_of(kf: AsyncKfClient) -> TokenGate:
    """
    Reach for what hands out a client's tokens.
    """
    gate = kf._attempts.tokens
    assert isinstance(gate, TokenGate)
    return gate


async def refuse_thrice(kf: AsyncKfClient) -> None:
    """
    Make calls until the breaker is closed.
    """
    for _ in range(2):
        with pytest.raises(AuthError):
            await kf.get_kf_list()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    List what was warned of.
    """
    return [
        each.getMessage() for each in caplog.records if each.name == "wechat_kf.token" and each.levelname != "DEBUG"
    ]
