"""
Run one block of Python from a README: ``python readme_block.py FILE``.

A block that defines tests is given to pytest. One with top-level ``await``, as in ``python -m asyncio``, finds a client
named ``kf``. Any other is a program and runs as it is.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import runpy
import sys
from pathlib import Path
from types import FunctionType


def stay_here(event: str, arguments: tuple[object, ...]) -> None:
    """
    Let nothing out: on a machine with a network a block must not reach Tencent.
    """
    if event == "socket.getaddrinfo" and arguments[0] not in {"127.0.0.1", "localhost"}:
        raise RuntimeError(f"the block calls {arguments[0]!r}, not the stand-in")


def run(path: Path) -> None:
    """
    Run the block; an exit status or an exception says that it failed.
    """
    code = compile(path.read_bytes(), path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if any(name.startswith("test_") for name in code.co_names):
        sys.argv[1:] = [str(path), "--rootdir", str(path.parent), "-W", "error"]
        sys.argv += ["-o", "asyncio_default_fixture_loop_scope=function"]
        runpy.run_module("pytest", run_name="__main__")
    elif code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(run_awaiting(FunctionType(code, {"__name__": "__main__"})))
    else:
        runpy.run_path(str(path), run_name="__main__")


async def run_awaiting(block: FunctionType) -> None:
    """
    Run a block that awaits, with a client at hand.
    """
    from wechat_kf import AsyncKfClient  # noqa: PLC0415  # pytest must be the first to import it, to rewrite it

    async with AsyncKfClient.from_env() as kf:
        block.__globals__["kf"] = kf
        await block()


if __name__ == "__main__":
    sys.addaudithook(stay_here)
    run(Path(sys.argv[1]))
