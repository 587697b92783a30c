"""
An endpoint of the manual and a call to it, as values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

import attrs

from .._redact import redact
from .multipart import FilePart

__all__ = [
    "Call",
    "Endpoint",
    "TokenName",
]

T = TypeVar("T")

TokenName: TypeAlias = Literal["access_token", "component_access_token"] | None
"""
What the token is called in the query; None: the call takes no token.
"""


def _check_method(_: object, __: attrs.Attribute[str], value: str) -> None:
    if value not in ("GET", "POST"):
        raise ValueError(f"method must be 'GET' or 'POST', not {value!r}")


def _check_path(_: object, __: attrs.Attribute[str], value: Any) -> None:
    # Without the slash it would go on with the host's name, and the token to another host.
    if not isinstance(value, str) or not re.fullmatch(r"/[!\"$-;=@-~]*", value):
        raise ValueError(f"path must begin with a slash and hold neither blanks nor a query, not {value!r}")


def _check_token_name(_: object, __: attrs.Attribute[TokenName], value: object) -> None:
    if value not in ("access_token", "component_access_token", None):
        raise ValueError(f"token must be 'access_token', 'component_access_token' or None, not {value!r}")


def _redacted_repr(value: object) -> str:
    return redact(repr(value))


@attrs.frozen(init=False)
class Endpoint(Generic[T]):
    """
    One row of the manual.

    Attributes:
        method: ``GET`` or ``POST``.

        path: The path, exactly; nothing is normalised.

        reply: The attrs class that the answer is read into; by default ``dict``, the answer as it came.

        manual: The official page.

        repeatable: Whether the call is safe to send again after a broken connection.

        reads: Whether the call changes nothing: it is repeatable, and has no effect if it fails.

        token: What the token is called in the query; None: the call takes none.
    """

    method: str = attrs.field(validator=_check_method)
    path: str = attrs.field(validator=_check_path)
    reply: type[T]
    manual: str = attrs.field(kw_only=True)
    repeatable: bool = attrs.field(kw_only=True)
    reads: bool = attrs.field(kw_only=True)
    token: TokenName = attrs.field(kw_only=True, validator=_check_token_name)

    # Written out, since a bare ``dict`` would leave type checkers without the types of its keys and values.
    @overload
    def __init__(
        self: Endpoint[dict[str, Any]],
        method: str,
        path: str,
        reply: type[dict[str, Any]] = ...,
        *,
        manual: str = ...,
        repeatable: bool = ...,
        reads: bool = ...,
        token: TokenName = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        method: str,
        path: str,
        reply: type[T],
        *,
        manual: str = ...,
        repeatable: bool = ...,
        reads: bool = ...,
        token: TokenName = ...,
    ) -> None: ...

    def __init__(
        self,
        method: str,
        path: str,
        reply: Any = dict,
        *,
        manual: str = "",
        repeatable: bool = False,
        reads: bool = False,
        token: TokenName = "access_token",  # noqa: S107 - a name, not a token
    ) -> None:
        # attrs makes it, of which pyright knows nothing.
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            method, path, reply, manual=manual, repeatable=repeatable or reads, reads=reads, token=token
        )


@attrs.frozen
class Call(Generic[T]):
    """
    One call to an endpoint: its query without the token, and its body. Its repr hides credentials.

    Attributes:
        endpoint: The row.

        query: Parameters besides ``access_token``.

        json: The JSON body, or None for none.

        file: The file part of an upload, or None.

        url: An address that WeChat named, asked for in the endpoint's place and without a token; None for the endpoint.

        secrets: Credentials in the query or the body, to be hidden in what is told of the call.
    """

    endpoint: Endpoint[T]
    query: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=_redacted_repr)
    json: Mapping[str, Any] | None = attrs.field(default=None, repr=_redacted_repr)
    file: FilePart | None = None
    url: str | None = attrs.field(default=None, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
