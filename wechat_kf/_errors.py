"""
Everything that can go wrong, by what the caller must do next.

::

    KfError
    ├─ TransportError             the exchange did not complete
    │  ├─ NotSent                 certainly no effect: safe to repeat
    │  └─ DeliveryUncertain       the request may have had its effect
    ├─ ReplyError                 an answer came, but not in the documented shape
    ├─ ApiError                   WeChat refused, with an errcode
    │  ├─ AuthError               the token or the credentials
    │  ├─ PermissionDenied        this account, caller or address may not do this
    │  ├─ QuotaExceeded           an allowance of the account is used up
    │  ├─ RateLimited             too many calls this minute
    │  ├─ SystemBusy              WeChat's own failure
    │  ├─ InvalidArgument         the request is wrong
    │  ├─ NotFound                no such account, session, person or file
    │  ├─ Conflict                not possible in the present state
    │  ├─ DeliveryWindowClosed    this customer cannot be written to now
    │  │  └─ ReplyLimitReached    the messages allowed after their last action are used up
    │  └─ ContentRejected         the content of the message
    ├─ JournalError               a broadcast's journal cannot be used, so nothing more is sent
    └─ WebhookError               a push that must not be trusted or cannot be read
       ├─ SignatureError          not signed by WeChat, or too old
       ├─ DecryptError            cannot be decrypted
       └─ ParseError              not a push
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, cast

from ._errcodes import Family, errcode_of
from ._redact import redact

__all__ = [
    "ApiError",
    "AuthError",
    "Conflict",
    "ContentRejected",
    "DecryptError",
    "DeliveryUncertain",
    "DeliveryWindowClosed",
    "Effect",
    "InvalidArgument",
    "JournalError",
    "KfError",
    "NotFound",
    "NotSent",
    "ParseError",
    "PermissionDenied",
    "QuotaExceeded",
    "RateLimited",
    "ReplyError",
    "ReplyLimitReached",
    "SignatureError",
    "SystemBusy",
    "TransportError",
    "WebhookError",
    "api_error",
]

Effect = Literal["none", "unknown"]

_EFFECT: Final[dict[str, str]] = {
    "none": "The call had no effect.",
    "unknown": "The call may have taken effect.",
}


class KfError(Exception):
    """
    Any failure of this library; `effect` says whether the call may have taken effect.

    Attributes:
        effect: ``"none"``: it certainly had no effect, so it may be repeated. ``"unknown"``: it may have had.

        endpoint: The path of the endpoint, where a call is concerned.
    """

    effect: Effect = "unknown"
    endpoint: str | None = None

    def __init__(self, message: str = "", *, effect: Effect | None = None, endpoint: str | None = None) -> None:
        super().__init__(message)
        if effect is not None:
            self.effect = effect
        if endpoint is not None:
            self.endpoint = endpoint

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses have signatures of their own; the default would call them with `args`.
        return type(self).__new__, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        path = f"{self.endpoint}: " if self.endpoint else ""
        return path + " ".join(filter(None, self._sentences()))

    def _sentences(self) -> list[str]:
        return [_sentence(self), _EFFECT[self.effect]]


def _sentence(error: KfError) -> str:
    text = "".join(map(str, error.args[:1])).strip()
    return f"{text}." if text and text[-1] not in ".!?。！？" else text


class TransportError(KfError):
    """
    The exchange did not complete; ``__cause__`` is the HTTP library's error.
    """


class NotSent(TransportError):
    """
    Nothing was sent: no connection, none free in time, no such host, or no token. Safe to repeat.

    Attributes:
        host_unreachable: Whether it was because no connection to the host could be made.

        is_lasting: Whether it will not pass by itself: a setting has to be changed. It is not tried again.
    """

    effect: Effect = "none"
    host_unreachable: bool = False
    is_lasting: bool = False


class DeliveryUncertain(TransportError):
    """
    The connection broke, time ran out, or a gateway answered 5xx after writing had begun.

    WeChat may or may not have acted on the request. A message is never sent again by this library.
    """


class ReplyError(KfError):
    """
    An answer came that is not in the documented shape.

    Attributes:
        where: The place in the answer, such as ``$.recordlist[3].time``; ``$`` for the whole.

        status: The HTTP status.

        body: The first bytes of the answer, redacted.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "$",
        status: int = 200,
        body: bytes = b"",
        effect: Effect | None = None,
        endpoint: str | None = None,
    ) -> None:
        super().__init__(message, effect=effect, endpoint=endpoint)
        self.where = where
        self.status = status
        self.body = body

    def _sentences(self) -> list[str]:
        place = f"HTTP {self.status}." if self.where == "$" else f"At {self.where}, HTTP {self.status}."
        start = self.body.decode("utf-8", "replace")[:100]
        return [_sentence(self), place, _EFFECT[self.effect], f"The answer begins {start!r}." if start else ""]


class ApiError(KfError):
    """
    WeChat answered with an errcode. A code nobody knows is this class itself.

    Attributes:
        errcode: WeChat's number.

        errmsg: WeChat's text without its tail.

        hint: The tail's hint, for WeChat's support.

        rid: The request id; `get_rid_info` finds it for 7 days.
    """

    effect: Effect = "none"

    def __init__(
        self,
        errcode: int,
        errmsg: str = "",
        *,
        hint: str | None = None,
        rid: str | None = None,
        manual: str = "",
        effect: Effect | None = None,
        endpoint: str | None = None,
    ) -> None:
        super().__init__(f"{errcode} {errmsg}".rstrip(), effect=effect, endpoint=endpoint)
        self.errcode = errcode
        self.errmsg = errmsg
        self.hint = hint
        self.rid = rid
        self.manual = manual

    def _sentences(self) -> list[str]:
        known = errcode_of(self.errcode, self.endpoint)
        return [
            _sentence(self),
            known.meaning and f"Meaning: {known.meaning}.",
            known.remedy,
            _EFFECT[self.effect],
            f"rid: {self.rid}." if self.rid else "",
            f"hint: {self.hint}." if self.hint else "",
            f"Manual: {self.manual}" if self.manual else "",
        ]


class AuthError(ApiError):
    """
    The token was refused, or the credentials were.
    """


class PermissionDenied(ApiError):
    """
    This account, this caller or this address may not do this.
    """


class QuotaExceeded(ApiError):
    """
    An allowance of the account is used up; repeating does not help.
    """


class RateLimited(ApiError):
    """
    Too many calls in this minute.

    Attributes:
        retry_after: Seconds to wait before the next call.
    """

    retry_after: float = 60.0


class SystemBusy(ApiError):
    """
    A failure of WeChat's own; whether the call took effect is not known.
    """

    effect: Effect = "unknown"


class InvalidArgument(ApiError):
    """
    The request is wrong; the same request will be refused again.
    """


class NotFound(ApiError):
    """
    No such account, session, person or file.
    """


class Conflict(ApiError):
    """
    Not possible in the present state of the account, person or session.
    """


class DeliveryWindowClosed(ApiError):
    """
    This customer cannot be written to now.
    """


class ReplyLimitReached(DeliveryWindowClosed):
    """
    The messages allowed after the customer's last action are used up.
    """


class ContentRejected(ApiError):
    """
    The content of the message is too long or not allowed.
    """


class JournalError(KfError):
    """
    The journal of a broadcast cannot be used: another run has it, it is of another list, or it cannot be written.

    Nothing was sent that is not in the journal.
    """

    effect: Effect = "none"

    def _sentences(self) -> list[str]:
        return [_sentence(self)]


class WebhookError(KfError):
    """
    A push that must not be trusted or cannot be read. Nothing was handled.
    """

    effect: Effect = "none"

    def _sentences(self) -> list[str]:
        return [_sentence(self)]


class SignatureError(WebhookError):
    """
    The push is not signed with this account's token, or it is too old.
    """


class DecryptError(WebhookError):
    """
    The push cannot be decrypted; the reason is not told, so that it helps no attacker.
    """


class ParseError(WebhookError):
    """
    The push is not in a documented form.
    """


_FAMILIES: Final[dict[Family, type[ApiError]]] = {
    "ApiError": ApiError,
    "AuthError": AuthError,
    "Conflict": Conflict,
    "ContentRejected": ContentRejected,
    "DeliveryWindowClosed": DeliveryWindowClosed,
    "InvalidArgument": InvalidArgument,
    "NotFound": NotFound,
    "PermissionDenied": PermissionDenied,
    "QuotaExceeded": QuotaExceeded,
    "RateLimited": RateLimited,
    "ReplyLimitReached": ReplyLimitReached,
    "SystemBusy": SystemBusy,
}

# The tail as seen: "hint: [x]", "hints: [x]", "hint:[x]", then "rid: 5f2a4bac-4d28a81c-07840f46"; a comma may lead. It
# begins with a word and its bracket cannot hold another, so that looking for it in a long text takes linear time.
_TAIL: Final = re.compile(
    r"""
    (?: hints? : \s* \[ (?P<hint> [^\[\]]*) \] [,\s]* )?
    (?: rid: \s* (?P<rid> [0-9a-fx]+ - [0-9a-fx]+ - [0-9a-fx]+ ) )?
    \Z
    """,
    re.VERBOSE,
)


def api_error(
    errcode: int, errmsg: str, *, endpoint: str | None = None, manual: str = "", secrets: tuple[str, ...] = ()
) -> ApiError:
    """
    Make the error of the right family from WeChat's answer, its tail taken apart.
    """
    text = errmsg.strip()
    # It matches at the very end if nowhere before.
    tail = cast("re.Match[str]", _TAIL.search(text))
    text = redact(text[: tail.start()].rstrip(" ,"), *secrets)
    hint = tail["hint"] and redact(tail["hint"], *secrets)
    family = _FAMILIES[errcode_of(errcode, endpoint).family]
    return family(errcode, text, hint=hint, rid=tail["rid"], endpoint=endpoint, manual=manual)
