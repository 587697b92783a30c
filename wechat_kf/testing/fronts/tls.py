"""
TLS for the stand-in, for clients that have ``https://api.weixin.qq.com`` built in.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyio.abc import AnyByteStream
from anyio.streams.tls import TLSListener

from ..._redact import get_logger

__all__ = ["HandshakeListener", "make_tls_context"]

_log: Final = get_logger("wechat_kf.testing")

_HOSTS: Final = (
    "api.weixin.qq.com",
    "api2.weixin.qq.com",
    "hk.api.weixin.qq.com",
    "sh.api.weixin.qq.com",
    "sz.api.weixin.qq.com",
    "file.api.weixin.qq.com",
    "localhost",
    "127.0.0.1",
    "::1",
)


def make_tls_context(ca_file: str | Path, hosts: Iterable[str]) -> ssl.SSLContext:
    """
    Make a certificate for WeChat's hosts and this machine's, and write its authority's to a file.

    Args:
        ca_file: Where; what clients must trust, as PEM.

        hosts: More names and addresses that it is good for.

    Raises:
        ImportError: The package cryptography is missing.

        OSError: The file cannot be written.
    """
    try:
        from .certificate import make_certificate  # noqa: PLC0415 - it needs an extra
    except ImportError as error:
        raise ImportError("TLS needs the package cryptography: install wechat-kf[webhook]") from error
    chain, authority = make_certificate(dict.fromkeys((*_HOSTS, *hosts)))
    Path(ca_file).write_bytes(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with TemporaryDirectory() as folder:
        # Python reads a key from a file only.
        file = Path(folder, "chain.pem")
        file.write_bytes(chain)
        context.load_cert_chain(file)
    return context


class HandshakeListener(TLSListener):
    """
    A listener that says in one line why a client did not come in; most do not trust the certificate.
    """

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: AnyByteStream) -> None:
        """
        Hang up, and log what was wrong.
        """
        async with stream:
            # A cancellation is no Exception.
            if not isinstance(exc, Exception):
                raise exc
            _log.warning("A client broke off the TLS handshake; does it trust the CA file? %s", exc)
