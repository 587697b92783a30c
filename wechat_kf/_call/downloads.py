"""
What the answer to a download is: a file, or JSON with an error or with a video's address, which leads to a file.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from .._errors import KfError, ReplyError
from .._http.public_hosts import PrivateAddress, is_public
from .._http.response import HttpClient, StreamedResponse
from .._wire.download import Download
from .._wire.endpoint import Endpoint
from .._wire.json import read_json
from .._wire.reply import read_reply
from .._wire.request import get_request

__all__ = ["json_or_file", "open_url"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 3

# An answer that is not larger than this may be JSON.
_MOST_JSON: Final = 64 * 1024

# What JSON may begin with before its first sign: blanks, and the bytes of a byte order mark.
_BEFORE_JSON: Final = b" \t\r\n\xef\xbb\xbf"


async def json_or_file(endpoint: Endpoint[Any], response: StreamedResponse, *, secrets: tuple[str, ...]) -> Download:
    """
    Tell an answer in JSON, which is read, from a file, whose body is left to be read and closed.

    It goes by the content, whatever its content type says.

    Raises:
        KfError: The answer is neither.
    """
    try:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_called_text = kind.startswith("text/") or kind.endswith(("json", "xml"))
        is_doubtful = response.status != 200 or is_called_text
        if is_doubtful or (await response.peek(0)).lstrip(_BEFORE_JSON)[:1] in (b"", b"{"):
            body = await response.peek(_MOST_JSON)
            # A page of some gateway is no file either, but bytes that are no text are one.
            if response.status != 200 or not body or _is_object(body) or (is_called_text and _is_text(body)):
                as_it_came = Endpoint(endpoint.method, endpoint.path, manual=endpoint.manual)
                answer = read_reply(as_it_came, response.status, body, secrets=secrets)
                await response.aclose()
                return Download(response.headers, response, answer)
    except BaseException:
        await response.aclose()
        raise
    return Download(response.headers, response)


async def open_url(
    http: HttpClient, endpoint: Endpoint[Any], url: str, seconds: float, *, public_only: bool
) -> Download:
    """
    GET an address that the answer of an endpoint named, following at most three redirects. No token goes there.

    Args:
        http: What to get it over.

        endpoint: The endpoint.

        url: The address.

        seconds: For each stall.

        public_only: Whether to refuse an address in a private network: its host is looked up before the connection is
            made, and what is connected is looked at before anything is sent.

    Raises:
        KfError: It is no address of HTTP, or what is there is no file and no JSON.
    """
    for _ in range(1 + _MAX_REDIRECTS):
        host = _host_of(endpoint, url)
        if public_only and not await is_public(host):
            raise _private(endpoint)
        try:
            response = await http.open(get_request(url, public_only=public_only), seconds)
        except PrivateAddress:
            raise _private(endpoint) from None
        target = response.headers.get("location")
        if response.status not in _REDIRECTS or not target:
            try:
                return await json_or_file(endpoint, response, secrets=())
            except KfError as error:
                error.effect = "none"
                raise
        await response.aclose()
        url = urljoin(url, target)
    raise _wrong_url(endpoint, f"The answer names an address that redirects more than {_MAX_REDIRECTS} times.")


def _host_of(endpoint: Endpoint[Any], url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and "@" not in parts.netloc:
            return parts.hostname
    except ValueError:
        pass
    raise _wrong_url(endpoint, "The answer names an address that is not one of HTTP.")


def _private(endpoint: Endpoint[Any]) -> ReplyError:
    return _wrong_url(endpoint, "The answer names an address in a private network.")


def _wrong_url(endpoint: Endpoint[Any], problem: str) -> ReplyError:
    return ReplyError(problem, where="$.video_url", effect="none", endpoint=endpoint.path)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(read_json(body), dict)
    except ValueError:
        return False


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
