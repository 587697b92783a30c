"""
What the tests of the pool and its connections share: servers, with TLS and without, and no proxy of the machine.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
import trustme
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..http_server import Server, serve


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    """
    Serve in the event loop of the test.
    """
    async with serve() as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """
    Make a certificate authority.
    """
    return trustme.CA()


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """
    Make a certificate of 127.0.0.1 that the machine trusts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate: Any = authority.issue_cert("127.0.0.1")
    certificate.configure_cert(context)
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return context


@pytest.fixture
async def secure(certificates: ssl.SSLContext) -> AsyncGenerator[Server]:
    """
    Serve over TLS, with a certificate that the machine trusts.
    """
    async with serve(certificates) as running:
        yield running


@pytest.fixture
def elsewhere() -> Generator[tuple[BlockingPortal, Server]]:
    """
    Serve in the event loop of another thread, and give the way there.
    """
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as running:
        yield portal, running
