"""
A single HTTP request as it is, for what the client does not tell: headers, redirects, and why no connection was made.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import anyio
import attrs
import httpx

from .._redact import guard_loggers

__all__ = ["Answer", "Trouble", "ask"]

# A stranger's answer may have no end.
_LIMIT: Final = 64 * 1024


@attrs.frozen
class Answer:
    """
    What came back.

    Attributes:
        status: The HTTP status.

        headers: By lower-case name.

        body: Its beginning.

        seconds: How long it took.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@attrs.frozen
class Trouble:
    """
    Why nothing came back.

    Attributes:
        why: What went wrong, as a sentence.

        remedy: What to do.
    """

    why: str
    remedy: str


async def ask(
    method: str, url: str, *, seconds: float, query: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer | Trouble:
    """
    Send a request; follow no redirect.

    Args:
        method: The HTTP method.

        url: The URL.

        seconds: For all of it.

        query: Added to the URL's query.

        body: The body.
    """
    guard_loggers()
    try:
        with anyio.fail_after(seconds):
            return await _ask(method, url, query or {}, body)
    except TimeoutError:
        return Trouble(f"No answer came within {seconds:g} seconds.", "Look whether a firewall or the server is slow.")
    except httpx.InvalidURL as error:
        return Trouble(f"It is no URL: {error}.", "Correct it.")
    except httpx.HTTPError as error:
        return _explain(error)
    except (ImportError, ValueError) as error:
        return Trouble(f"The proxy in the environment cannot be used: {error}.", "Correct HTTPS_PROXY or ALL_PROXY.")


async def _ask(method: str, url: str, query: Mapping[str, str], body: bytes) -> Answer:
    # WeChat's own callers name themselves so.
    headers = {"user-agent": "Mozilla/4.0", "accept": "*/*", "accept-encoding": "identity"}
    if body:
        headers["content-type"] = "text/xml"
    began = time.monotonic()
    async with (
        # Its caller has the time for all of it.
        httpx.AsyncClient(verify=_tls_context(), timeout=None) as client,  # noqa: S113
        client.stream(method, httpx.URL(url).copy_merge_params(query), content=body, headers=headers) as response,
    ):
        content = b""
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _LIMIT:
                break
        return Answer(response.status_code, response.headers, content[:_LIMIT], time.monotonic() - began)


@cache
def _tls_context() -> ssl.SSLContext:
    # To read all authorities takes tens of milliseconds.
    return httpx.create_ssl_context()


def _explain(error: httpx.HTTPError) -> Trouble:
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return Trouble(
                f"The certificate is refused: {each.verify_message}.",
                "Serve the whole chain of a certificate that public authorities vouch for, for this very name.",
            )
        if isinstance(each, ssl.SSLError):
            return Trouble(f"TLS fails: {each.reason or each}.", "Look whether TLS is spoken on this port.")
        if isinstance(each, socket.gaierror):
            return Trouble("There is no such host name here.", "Look at the name, and at this machine's DNS.")
        if isinstance(each, ConnectionRefusedError):
            return Trouble("The connection is refused.", "Look whether the server runs and listens on this port.")
    if isinstance(error, httpx.ProxyError):
        return Trouble(f"The proxy refuses: {error}.", "Look at HTTPS_PROXY or ALL_PROXY.")
    text = str(error) or type(error).__name__
    return Trouble(f"No answer came: {text}.", "Look at the network, firewalls and proxies between.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__
