"""
The client with a hook, and without the seam at which hooks are told: what that costs.
"""

from __future__ import annotations

import ast
import inspect
from contextlib import AsyncExitStack
from typing import Any, Final

from .senders import APPID, OPENID, SECRET, WORDS, Opened, Send, block_extras, load

__all__ = ["HOOKED", "SEAMLESS", "SEAMS"]

SEAMLESS: Final = "wechat_kf without the seam"
HOOKED: Final = "wechat_kf with an idle hook"


class _Remover(ast.NodeTransformer):
    """
    Takes out each statement that looks for observers or tells them something.
    """

    def __init__(self) -> None:
        self.removed = 0

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name("seen"))):
                self.removed += 1
                return None
            case _:
                return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign | None:
        match node.targets:
            case [ast.Name("observing")]:
                return None
            case [ast.Name("seen")]:
                node.value = ast.Constant(None)
            case _:
                pass
        return node


def _remove_seam() -> None:
    module = load("wechat_kf._call.attempts")
    remover = _Remover()
    tree = remover.visit(ast.parse(inspect.getsource(module)))
    if not remover.removed:
        raise RuntimeError("the seam is elsewhere by now")
    names: dict[str, Any] = {**module.__dict__}
    exec(compile(ast.fix_missing_locations(tree), module.__file__, "exec"), names)  # noqa: S102 - it is our own code
    for name, function in inspect.getmembers(names["Attempts"], inspect.iscoroutinefunction):
        setattr(module.Attempts, name, function)


async def _seamless(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    block_extras()
    _remove_seam()
    return await _open(stack, base, at_once)


async def _hooked(stack: AsyncExitStack, base: str, at_once: int) -> Send:
    block_extras()
    return await _open(stack, base, at_once, hooks=[load("wechat_kf.instrumentation").Hook()])


async def _open(stack: AsyncExitStack, base: str, at_once: int, **options: Any) -> Send:
    package = load("wechat_kf")
    kf = await stack.enter_async_context(
        package.AsyncKfClient(APPID, SECRET, base_url=base, max_connections=max(at_once, 1), **options)
    )

    async def send() -> None:
        await kf.send_custom_message(OPENID, package.Text(WORDS))

    return send


SEAMS: Final[dict[str, tuple[Opened, None]]] = {SEAMLESS: (_seamless, None), HOOKED: (_hooked, None)}
"""
Clients to be put beside the default one.
"""
