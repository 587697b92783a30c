"""
What can go wrong on the way: faults, queued for each path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Protocol

import attrs
from attrs.validators import ge, gt, instance_of, le

from .machine.request import Request
from .machine.response import PlannedResponse, Response

__all__ = [
    "ClockSkew",
    "Delay",
    "Drip",
    "DropAfter",
    "DropBefore",
    "Errcode",
    "Fault",
    "Faults",
    "Garble",
    "Server",
    "Status",
    "Truncate",
]


# A fault is refused where it is made: in the middle of an answer it would end more than that.
_NUMBER: Final[Any] = instance_of((int, float))
_INTEGER: Final[Any] = instance_of(int)


class Server(Protocol):
    """
    What a fault may do with the request it meets.
    """

    def handle(self, request: Request) -> Response:
        """
        Answer it properly.
        """
        ...

    def refuse(self, request: Request, errcode: int, errmsg: str | None) -> Response:
        """
        Refuse it.
        """
        ...


class Fault(ABC):
    """
    Something that goes wrong with one call.
    """

    @abstractmethod
    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Decide what becomes of the call.
        """


@attrs.frozen
class Errcode(Fault):
    """
    WeChat refuses; the call has no effect.

    Attributes:
        errcode: WeChat's number.

        errmsg: The text before the tail; None: WeChat's.
    """

    errcode: int = attrs.field(validator=_INTEGER)
    errmsg: str | None = None

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Refuse.
        """
        return PlannedResponse(server.refuse(request, self.errcode, self.errmsg))


@attrs.frozen
class Delay(Fault):
    """
    The call takes effect at once, but the answer comes late.
    """

    seconds: float = attrs.field(validator=[_NUMBER, ge(0)])

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Answer late.
        """
        return PlannedResponse(server.handle(request), delay=self.seconds)


@attrs.frozen
class DropBefore(Fault):
    """
    The connection breaks before the call takes effect.
    """

    def meet(self, request: Request, server: Server) -> PlannedResponse:  # noqa: ARG002 - nothing is done with them
        """
        Drop the connection.
        """
        return PlannedResponse(None)


@attrs.frozen
class DropAfter(Fault):
    """
    The call takes effect, then the connection breaks before the answer.
    """

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Act, then drop the connection.
        """
        server.handle(request)
        return PlannedResponse(None)


@attrs.frozen
class Drip(Fault):
    """
    The answer's body comes in drops.
    """

    bytes_per_second: float = attrs.field(validator=[_NUMBER, gt(0)])

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Answer slowly.
        """
        return PlannedResponse(server.handle(request), bytes_per_second=self.bytes_per_second)


@attrs.frozen
class Truncate(Fault):
    """
    The call takes effect, but the connection breaks after so many bytes of the answer's body.
    """

    keep: int = attrs.field(validator=[_INTEGER, ge(0)])

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Answer in part.
        """
        return PlannedResponse(server.handle(request), keep=self.keep)


@attrs.frozen
class Garble(Fault):
    """
    The call takes effect, but the answer's body is this one.
    """

    body: bytes = attrs.field(validator=instance_of(bytes))

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Answer with something else.
        """
        return PlannedResponse(attrs.evolve(server.handle(request), body=self.body))


@attrs.frozen
class Status(Fault):
    """
    A gateway answers in WeChat's place, in HTML; the call has no effect.
    """

    status: int = attrs.field(validator=[_INTEGER, ge(200), le(599)])
    body: bytes = attrs.field(default=b"<html><body><h1>Bad Gateway</h1></body></html>", validator=instance_of(bytes))

    def meet(self, request: Request, server: Server) -> PlannedResponse:  # noqa: ARG002 - nothing is done with them
        """
        Answer for WeChat.
        """
        return PlannedResponse(Response(self.status, "text/html", self.body))


@attrs.frozen
class ClockSkew(Fault):
    """
    WeChat's clock is ahead by so many seconds, or behind, while it handles the call.
    """

    seconds: float = attrs.field(validator=_NUMBER)

    def meet(self, request: Request, server: Server) -> PlannedResponse:
        """
        Answer at another time.
        """
        return PlannedResponse(server.handle(attrs.evolve(request, at=request.at + self.seconds)))


@attrs.define
class _Queued:
    fault: Fault
    times: int
    after: int


class Faults:
    """
    The faults that wait for calls, in order for each path.
    """

    def __init__(self) -> None:
        self._queues: dict[str, list[_Queued]] = {}

    def add(self, path: str, fault: Fault, times: int, after: int) -> None:
        """
        Queue a fault.
        """
        if times < 1 or after < 0:
            raise ValueError("times must be at least 1, after at least 0")
        self._queues.setdefault(path, []).append(_Queued(fault, times, after))

    def take(self, path: str) -> Fault | None:
        """
        Find what befalls the next call of a path.
        """
        queue = self._queues.get(path)
        if not queue:
            return None
        first = queue[0]
        if first.after:
            first.after -= 1
            return None
        first.times -= 1
        if not first.times:
            del queue[0]
        return first.fault
