"""
TLS, for clients that have WeChat's hosts built in.
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.streams.tls import TLSStream
from cryptography import x509

from wechat_kf.testing import DropAfter, FakeWeChat

from ..bare_api import OPENID, Wire

SEND = "/cgi-bin/message/custom/send"


def trusting(ca_file: Path) -> ssl.SSLContext:
    """
    Trust what this file says, and nothing else.
    """
    return ssl.create_default_context(cafile=str(ca_file))


async def test_https(tmp_path: Path) -> None:
    """
    Whoever trusts the file can call, and a connection that breaks is a connection that breaks.
    """
    fake, ca_file = FakeWeChat(), tmp_path / "ca.pem"
    fake.user_says(OPENID, "hi")
    fake.fault(SEND, DropAfter())
    async with (
        fake.serve(ca_file=ca_file) as base_url,
        httpx.AsyncClient(verify=trusting(ca_file), trust_env=False, timeout=60) as http,
    ):
        wire = Wire(fake, http, base_url)
        with pytest.raises(httpx.TransportError):
            await wire.say()
        code = await wire.say()

    assert base_url.startswith("https://127.0.0.1:")
    assert code == 0


@pytest.mark.parametrize(
    "name", ["api.weixin.qq.com", "api2.weixin.qq.com", "sh.api.weixin.qq.com", "localhost", "127.0.0.1", "wechat"]
)
async def test_the_names_it_is_good_for(tmp_path: Path, name: str) -> None:
    """
    The certificate is good for WeChat's hosts, this machine's and those that are allowed; such calls count as https.
    """
    fake, ca_file = FakeWeChat(), tmp_path / "ca.pem"
    request = f"GET /cgi-bin/token HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    with anyio.fail_after(60):
        async with fake.serve(ca_file=ca_file, allow_hosts=["wechat"]) as base_url:
            plain = await anyio.connect_tcp("127.0.0.1", int(base_url.rpartition(":")[2]))
            stream = await TLSStream.wrap(
                plain, hostname=name, ssl_context=trusting(ca_file), standard_compatible=False
            )
            async with stream:
                await stream.send(request)
                received = await stream.receive()

    assert received.startswith(b"HTTP/1.1 200 OK")
    assert b'"errcode":40002' in received


def test_the_authority_is_good_for_nothing_else(tmp_path: Path) -> None:
    """
    Whoever trusts the file trusts nobody but these hosts.
    """
    ca_file = tmp_path / "ca.pem"
    FakeWeChat().serve(ca_file=ca_file)
    authority = x509.load_pem_x509_certificate(ca_file.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    names = {str(each.value) for each in constraints.value.permitted_subtrees or []}

    assert constraints.critical
    assert {"api.weixin.qq.com", "localhost", "127.0.0.1/32", "::1/128"} <= names
    assert all(name.endswith("weixin.qq.com") for name in names - {"localhost", "127.0.0.1/32", "::1/128"})


async def test_who_does_not_trust_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A client that breaks the handshake off is one line in the log, and the next is served.
    """
    fake, ca_file = FakeWeChat(), tmp_path / "ca.pem"
    async with fake.serve(ca_file=ca_file) as base_url:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(base_url)
        async with httpx.AsyncClient(verify=trusting(ca_file), trust_env=False, timeout=60) as http:
            response = await http.get(f"{base_url}/stand-in/sent")
    logged = [record for record in caplog.records if record.name == "wechat_kf.testing"]

    assert response.json() == []
    assert [record.getMessage().partition("?")[0] for record in logged] == [
        "A client broke off the TLS handshake; does it trust the CA file"
    ]


async def test_leaving_amid_a_handshake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A client that says nothing does not keep the server from ending, and is no line in the log.
    """
    ca_file = tmp_path / "ca.pem"
    with anyio.fail_after(60):
        async with FakeWeChat().serve(ca_file=ca_file) as base_url:
            stream = await anyio.connect_tcp("127.0.0.1", int(base_url.rpartition(":")[2]))
            # Who comes later is served, so the one before was let in.
            async with httpx.AsyncClient(verify=trusting(ca_file), trust_env=False, timeout=60) as http:
                await http.get(f"{base_url}/stand-in/sent")
        await stream.aclose()

    assert [record for record in caplog.records if record.name == "wechat_kf.testing"] == []


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without cryptography the error says what to install.
    """
    monkeypatch.delitem(sys.modules, "wechat_kf.testing.fronts.certificate", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(ImportError, match=r"TLS needs .* install wechat-kf\[webhook\]"):
        FakeWeChat().serve(ca_file=tmp_path / "ca.pem")
