"""
One request on its way: how far it has got, as the transport's trace tells, and what a failure means then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._errors import DeliveryUncertain, KfError, NotSent, ReplyError
from .._wire.request import Request
from .library import Library
from .public_hosts import check_peer

__all__ = ["Attempt"]


class Attempt:
    """
    One request over one HTTP library. It is the trace hook of httpx, too.

    Attributes:
        library: The library.

        request: What is sent.

        seconds: How long it may take, or stall.

        is_bounded: Whether `seconds` are for all of it, or for each stall.

        unsent: Whether certainly nothing of it was written.

        begun: Whether writing it began, as far as was told.

        connecting: Whether a connection was tried for it.
    """

    __slots__ = (
        "_host",
        "_is_direct",
        "_peer",
        "begun",
        "connecting",
        "is_bounded",
        "library",
        "request",
        "seconds",
        "unsent",
    )

    def __init__(self, library: Library, request: Request, seconds: float, *, is_bounded: bool) -> None:
        self.library = library
        self.request = request
        self.seconds = seconds
        self.is_bounded = is_bounded
        self.unsent = True
        self.connecting = False
        self.begun = False
        self._host = ""
        self._is_direct = False
        self._peer: Any = None

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        """
        Record how far the request got (httpx's trace hook).
        """
        if event.endswith(".connect_tcp.started"):
            self.connecting = True
            # A proxy looks the host up by itself.
            self._is_direct = info.get("host") == self._host
        elif event.endswith(".connect_tcp.complete"):
            self._peer = info.get("return_value") if self._is_direct else None
        elif event.endswith(".send_request_headers.started"):
            if self.request.public_only and self._peer is not None:
                check_peer(self._peer)
            # The request to a proxy to let one through is not ours.
            self.begun = self.begun or getattr(info.get("request"), "method", None) != b"CONNECT"
        elif event.endswith((".receive_response_headers.complete", ".failed")):
            # httpcore's DEBUG lines show what its trace has been told; a response may be an echo of the request.
            info.update({key: self._censored(value) for key, value in info.items()})
        self.unsent = not self.begun

    def outgoing(self) -> Any:
        """
        Make the library's own request.
        """
        made = self.library.request(self.request, self, self.seconds, None if self.is_bounded else self.seconds)
        self._host = made.url.raw_host.decode("ascii")
        return made

    def late(self) -> Exception:
        """
        Make the library's exception for an attempt that took too long, by what it was waiting for.
        """
        module = self.library.module
        if not self.unsent:
            kind = module.ReadTimeout
        else:
            kind = module.ConnectTimeout if self.connecting else module.PoolTimeout
        error: Exception = kind(f"It took longer than {self.seconds:g} seconds.")
        return error

    def failure(self, error: Exception) -> KfError:
        """
        Tell what an exception of the HTTP library means for delivery, and take the credentials out of it.
        """
        self._censor(error)
        failure = self._meaning(error, self.request.redact(str(error)) or type(error).__name__)
        if self.request.reads:
            failure.effect = "none"
        return failure

    def made_no_connection(self, error: Exception) -> bool:  # noqa: ARG002 - others have to ask it
        """
        Tell whether it failed because no connection could be made.
        """
        return self.unsent

    def _meaning(self, error: Exception, text: str) -> KfError:
        module, endpoint = self.library.module, self.request.endpoint
        if isinstance(error, module.DecodingError):
            return ReplyError(f"The answer cannot be decoded: {text}", endpoint=endpoint)
        if not self.begun:
            if isinstance(error, module.PoolTimeout):
                return NotSent("No connection was free in time.", endpoint=endpoint)
            if self.made_no_connection(error):
                failure = NotSent(f"No connection could be made: {text}", endpoint=endpoint)
                failure.host_unreachable = True
                return failure
        return DeliveryUncertain(
            f"The connection broke or took too long after sending had begun: {text}", endpoint=endpoint
        )

    def _censor(self, error: Exception) -> None:
        """
        Take the credentials out of an exception and all it came from: texts, the request, and the frames below.

        What an error tracker shows of those frames are variables: URLs, headers, bytes read and written.
        """
        module, request = self.library.module, self.request
        for each in _chain(error):
            each.__traceback__ = None
            each.args = tuple(map(self._censored, each.args))
            if isinstance(each, module.HTTPError):
                url = request.redact(f"{request.address}?{request.query}")
                each.request = module.Request(request.method, url)
                if hasattr(each, "response"):
                    each.response.request = each.request

    def _censored(self, argument: object) -> object:
        text = argument if isinstance(argument, str) else repr(argument)
        redacted = self.request.redact(text)
        return argument if redacted == text else redacted


def _chain(error: BaseException) -> Iterator[Any]:
    found: list[BaseException] = [error]
    for each in found:
        yield each
        found += [below for below in (each.__cause__, each.__context__) if below is not None and below not in found]
