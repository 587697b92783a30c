"""
Who may use the controls and the page, where others can reach the stand-in: those who know its token.
"""

from __future__ import annotations

from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, unquote

from ..machine.request import Request
from ..machine.response import Response

__all__ = ["Access"]

_COOKIE: Final = "stand-in"


class Access:
    """
    Asks for a token, as ``Authorization: Bearer``, or as a cookie that the page's address with ``?token=`` sets.

    Args:
        token: The token.

        page: The path of the page.
    """

    def __init__(self, token: str, page: str) -> None:
        if not token:
            raise ValueError("the page's token must not be empty")
        self._token = token
        self._page = page

    def refuse(self, request: Request) -> Response | None:
        """
        Answer a request that may not pass, or bring a browser to the page; None: it may pass.
        """
        if request.path == self._page and self._is_right(request.query.get("token", "")):
            # From here on without the token in the address, which browsers remember and show.
            cookie = f"{_COOKIE}={quote(self._token, safe='')}; Path={self._page}; HttpOnly; SameSite=Strict"
            return Response(303, "text/plain", b"", {"location": self._page, "set-cookie": cookie})
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and self._is_right(bearer.strip())) or self._is_right(_cookie_of(request)):
            return None
        text = f"Not allowed: open {self._page}?token=... in a browser, or send the header Authorization: Bearer ..."
        return Response(401, "text/plain; charset=utf-8", text.encode(), {"www-authenticate": "Bearer"})

    def _is_right(self, token: str) -> bool:
        return compare_digest(token.encode("utf-8", "replace"), self._token.encode("utf-8", "replace"))


def _cookie_of(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else unquote(morsel.value)
