"""
What is measured besides sending, each in a process of its own: commands in, figures out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Final

from .measuring import Command, Figures
from .pages import gap_by_us, page_by_json, page_by_pydantic, page_by_us
from .pushes import push_by_us, push_by_wechatpy
from .senders import block_extras
from .tokens import token_by_us
from .uploads import upload_by_aiohttp, upload_by_us

__all__: list[str] = []

_SUBJECTS: Final[dict[str, Callable[[Command], Figures]]] = {
    "page:json.loads": page_by_json,
    "page:pydantic": page_by_pydantic,
    "page:wechat_kf": page_by_us,
    "gap:wechat_kf": gap_by_us,
    "upload:aiohttp": upload_by_aiohttp,
    "upload:wechat_kf": upload_by_us,
    "push:wechatpy": push_by_wechatpy,
    "push:wechat_kf": push_by_us,
    "token:wechat_kf": token_by_us,
}


def _main(subject: str) -> None:
    name = subject.removesuffix("[fast]")
    if name == subject:
        block_extras()
    os.environ.pop("http_proxy", None)
    for line in sys.stdin:
        print(json.dumps(_SUBJECTS[name](json.loads(line))), flush=True)  # noqa: T201 - this is how figures are told


if __name__ == "__main__":
    _main(*sys.argv[1:])
