"""
The hosts of the API: which one a call goes to, and which could not be reached lately.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from .._clock import Clock
from .._redact import get_logger

__all__ = ["Hosts"]

_log = get_logger("wechat_kf.call")


class Hosts:
    """
    The base URLs in order of preference.

    Args:
        base_url: One or several.

        clock: The clock.

    Raises:
        ValueError: There is none, or one is not a URL of a host.
    """

    _SKIP_SECONDS: Final = 30.0
    _WECHAT: Final = "weixin.qq.com"

    def __init__(self, base_url: str | Sequence[str], clock: Clock) -> None:
        urls = (base_url,) if isinstance(base_url, str) else tuple(base_url)
        if not urls:
            raise ValueError("base_url must name at least one host")
        for url in urls:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
            if scheme not in ("https", "http") or not host or port == 0 or parts.query or parts.fragment:
                raise ValueError("base_url must be https://host or http://host, with a port or a path prefix at most")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._clock = clock
        self._skip_until: dict[str, float] = {}

    @property
    def are_for_tokens(self) -> bool:
        """
        Whether a token may go to all of them: WeChat's own without TLS are for cloud-run, where there is none.
        """
        parts = [urlsplit(url) for url in self._urls]
        plain = [(each.hostname or "").rstrip(".") for each in parts if each.scheme == "http"]
        return not any(f".{host}".endswith(f".{self._WECHAT}") for host in plain)

    def pick(self, tried: Sequence[str] = ()) -> str:
        """
        Choose where to send: the first that is not known to be unreachable and was not tried by this call.
        """
        if not self._skip_until and not tried:
            return self._urls[0]
        now = self._clock.monotonic()
        # Prefer untried, then reachable hosts; ties keep the given order.
        url = min(self._urls, key=lambda url: (url in tried, self._skip_until.get(url, now) > now))
        if url in self._skip_until:
            # This call finds out whether it is back; the others do not wait for that.
            self._skip_until[url] = now + self._SKIP_SECONDS
        return url

    def has_untried(self, tried: Sequence[str]) -> bool:
        """
        Whether there is another host to turn to.
        """
        return any(url not in tried for url in self._urls)

    def down(self) -> list[str]:
        """
        List the hosts that could not be reached and have not answered since.
        """
        return list(self._skip_until)

    def mark_unreachable(self, url: str) -> None:
        """
        Mark the host unreachable; skip it for 30 seconds.
        """
        if url not in self._skip_until:
            _log.info("%s cannot be reached; it is skipped for 30 seconds if there is another host", url)
        self._skip_until[url] = self._clock.monotonic() + self._SKIP_SECONDS

    def mark_reached(self, url: str) -> None:
        """
        Mark the host reachable again.
        """
        if self._skip_until.pop(url, None) is not None:
            _log.info("%s can be reached again", url)
