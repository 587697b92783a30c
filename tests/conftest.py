"""
What every test shares: both event loops, clients on the HTTP library asked for, and a watch over secrets.
"""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import hypothesis
import pytest

from wechat_kf import AsyncKfClient
from wechat_kf.testing import FakeWeChat

from .redis_server import notes_server, redis_server, running_redis  # noqa: F401  # pyright: ignore[reportUnusedImport] - fixtures
from .secrets_watch import SecretsWatch

HTTP: Final = os.environ.get("WECHAT_KF_TEST_HTTP", "")

# The client uses the extra `fast` wherever it is installed, so what is installed decides what is tested.
if HTTP == "fast":
    importlib.import_module("wechat_kf._http.httptools_parser")

# How long one example takes says only how busy the machine is.
hypothesis.settings.register_profile("no deadline", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("no deadline")

Connect: TypeAlias = Callable[..., AsyncKfClient]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """
    Use one process more than there are cores, since tests also wait; a single file, or a test of it, runs in this one.
    """
    if all(Path(argument.partition("::")[0]).is_file() for argument in config.args):
        return 0
    return (os.cpu_count() or 1) + 1


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """
    Run each async test on both event loops.
    """
    return str(request.param)


@pytest.fixture(autouse=True)
def secrets_watch() -> Generator[SecretsWatch]:
    """
    See that no token and no secret shows anywhere, with every logger at DEBUG.
    """
    with SecretsWatch() as watch:
        yield watch
    watch.check()


@cache
def _no_certificates() -> ssl.SSLContext:
    # To make one takes tens of milliseconds, and here everything is plain HTTP.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def injected_http(library: str, max_connections: int) -> Any:
    """
    Make an ``AsyncClient`` of httpx or httpx2 whose pool has so many connections.
    """
    module = importlib.import_module(library)
    limits = module.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
    return module.AsyncClient(limits=limits, verify=_no_certificates())


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """
    Make clients, for a stand-in in this process or for a base URL, that are closed when the test ends.

    ``WECHAT_KF_TEST_HTTP`` says which HTTP library those for a base URL use; unset, or ``fast``, the client's own
    transport.

    Their attempts may take long unless a test says otherwise: an attempt that is late on a busy machine would be made
    again after a pause, which on a clock that stands still never ends.
    """
    clients: list[AsyncKfClient] = []
    https: list[Any] = []
    library = "" if HTTP == "fast" else HTTP

    def make(where: FakeWeChat | str | tuple[str, ...], **options: Any) -> AsyncKfClient:
        fake = where if isinstance(where, FakeWeChat) else FakeWeChat()
        if isinstance(where, FakeWeChat):
            options = {"http": fake.client(), "clock": fake.clock, **options}
        else:
            options["base_url"] = where
            if library and "http" not in options:
                options["http"] = injected_http(library, options.get("max_connections", 64))
                https.append(options["http"])
        if "token" not in options:
            options = {"appid": fake.appid, "secret": fake.secret, **options}
        options.setdefault("timeout", 60.0)
        clients.append(AsyncKfClient(**options))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
    for http in https:
        await http.aclose()
