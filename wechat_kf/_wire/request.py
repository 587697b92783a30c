"""
A request as a value, built from a call, a base URL and a token. Nothing is sent here.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import attrs

from .._redact import HIDDEN, redact
from .endpoint import Call
from .json import encode_sendable
from .multipart import FilePart

__all__ = ["Request", "build_request", "get_request"]

_HEADERS: Final = ((b"User-Agent", b"wechat-kf"), (b"Accept", b"*/*"))
_JSON: Final = (b"Content-Type", b"application/json; charset=utf-8")


@attrs.frozen
class Request:
    """
    What goes out. Its repr shows neither the query nor the body, which hold credentials.

    Attributes:
        method: ``GET`` or ``POST``.

        address: The URL without its query.

        endpoint: The path of the manual's endpoint; None for an address that WeChat named.

        query: The query, encoded, with the token.

        headers: The headers, but for ``Host``.

        body: The body, or the file of an upload.

        secrets: The credentials it carries.

        reads: Whether it changes nothing, so that it has no effect if it fails.

        public_only: Whether it may go to public addresses only.
    """

    method: str
    address: str
    endpoint: str | None
    query: str = attrs.field(default="", repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = attrs.field(default=_HEADERS, repr=False)
    body: bytes | FilePart = attrs.field(default=b"", repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    reads: bool = True
    public_only: bool = False

    def redact(self, text: str) -> str:
        """
        Hide the credentials it carries, plain or as in a query, and all others that stand with their names.
        """
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN).replace(quote_plus(secret), HIDDEN)
        return redact(text)


def build_request(call: Call[Any], base: str, token: str) -> Request:
    """
    Build the request of a call.

    Args:
        call: The call.

        base: The base URL, without a slash at the end.

        token: The access token; empty for a call that needs none.

    Raises:
        ValueError: The body cannot be written as JSON.

        TypeError: Likewise.
    """
    endpoint, file = call.endpoint, call.file
    query = f"{endpoint.token}={quote_plus(token)}" if token else ""
    if call.query:
        query += ("&" if query else "") + urlencode(call.query)
    body: bytes | FilePart
    if file is not None:
        body = file
        headers = (*_HEADERS, *((name.encode(), value.encode()) for name, value in file.headers.items()))
    else:
        body = b"" if call.json is None else encode_sendable(call.json)
        headers = (*_HEADERS, _JSON) if body else _HEADERS
        if body or endpoint.method != "GET":
            headers = (*headers, (b"Content-Length", b"%d" % len(body)))
    return Request(
        endpoint.method,
        base + endpoint.path,
        endpoint.path,
        query,
        headers,
        body,
        (token, *call.secrets) if token else call.secrets,
        endpoint.reads,
    )


def get_request(url: str, *, public_only: bool = False) -> Request:
    """
    Build a GET of an absolute URL that WeChat named; it carries no token.
    """
    address, _, query = url.partition("#")[0].partition("?")
    return Request("GET", address, None, query, public_only=public_only)
