"""
The options that every command takes, and running a command's work with them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import anyio
import attrs
from cyclopts import Parameter

from .._client import AsyncKfClient
from ._output import Output
from ._settings import Settings
from ._stopping import Stop

__all__ = ["COMMON", "Common", "Options", "Session"]


@attrs.frozen
class Session:
    """
    What a command's work is given.

    Attributes:
        kf: The client.

        out: Where results go.

        stop: Whether it is to end.
    """

    kf: AsyncKfClient
    out: Output
    stop: Stop


@attrs.frozen(kw_only=True)
class Options:
    """
    The options that every command takes.

    Attributes:
        env_file: A file of lines such as WECHAT_APPID=wx5afe0ca11ab1e000; it wins over the environment.

        json: Write JSON.
    """

    env_file: Path | None = None
    json: bool = False

    @property
    def out(self) -> Output:
        """
        Where results go.
        """
        return Output(self.json)

    def settings(self) -> Settings:
        """
        Read the account's settings.
        """
        return Settings.read(self.env_file)

    def run(self, work: Callable[[Session], Awaitable[int]], *, changes: bool = False) -> int:
        """
        Do a command's work with a client, until it ends or is stopped.

        Args:
            work: Does it, and returns the exit code.

            changes: Whether it changes something, which is told when it is stopped.

        Raises:
            Stopped: It was stopped.
        """
        settings = self.settings()

        async def with_client(stop: Stop) -> int:
            async with settings.client() as kf:
                return await work(Session(kf, self.out, stop))

        return self.start(with_client, changes=changes)

    def start(self, work: Callable[[Stop], Awaitable[int]], *, changes: bool = False) -> int:
        """
        Do what needs no client; otherwise as `run`.
        """

        async def main() -> int:
            stop = Stop(changes=changes)
            return await stop.run(partial(work, stop))

        return anyio.run(main)


Common: TypeAlias = Annotated[Options, Parameter(name="*")]
"""
The type of a command's parameter for them.
"""

COMMON: Final = Options()
