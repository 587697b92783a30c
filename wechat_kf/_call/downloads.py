"""
What the answer to a download is: a file, or JSON with an error or with a video's address.
"""

from __future__ import annotations

from typing import Any, Final

from .._http.response import StreamedResponse
from .._wire.download import Download
from .._wire.endpoint import Endpoint
from .._wire.json import read_json
from .._wire.reply import read_reply

__all__ = ["json_or_file"]

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
