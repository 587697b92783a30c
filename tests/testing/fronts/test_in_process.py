"""
The front in the same process.
"""

from __future__ import annotations

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf.testing import (
    Delay,
    Drip,
    FakeWeChat,
    ManualClock,
)

from ..bare_api import API

IPS = "/cgi-bin/getcallbackip"


@pytest.mark.parametrize("fault", [Delay(100), Drip(0.005)], ids=str)
async def test_the_read_timeout_in_process(fault: Delay | Drip) -> None:
    """
    In process the client's read timeout ends a wait, as it would on a socket.
    """
    fake = FakeWeChat(clock=ManualClock())
    fake.fault(IPS, fault)
    errors: list[Exception] = []

    async def call() -> None:
        try:
            await fake.client().get(f"{API}{IPS}", timeout=5)
        except httpx.ReadTimeout as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await wait_all_tasks_blocked()
        fake.advance(4)
        await wait_all_tasks_blocked()

        assert not errors

        fake.advance(1)

    assert len(errors) == 1
