"""
Everything that can go wrong, by what the caller must do next, and the table of WeChat's error codes.

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
    └─ WebhookError               a push that must not be trusted or cannot be read
       ├─ SignatureError          not signed by WeChat, or too old
       ├─ DecryptError            cannot be decrypted
       └─ ParseError              not a push
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Literal, NamedTuple, cast

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
    """

    effect: Effect = "none"


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
    _remedy: ClassVar[str] = "Look the code up in the manual."

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
        row = _CODES.get(self.errcode, _UNKNOWN)
        return [
            _sentence(self),
            row.meaning and f"Meaning: {row.meaning}.",
            row.remedy or self._remedy,
            _EFFECT[self.effect],
            f"rid: {self.rid}." if self.rid else "",
            f"hint: {self.hint}." if self.hint else "",
            f"Manual: {self.manual}" if self.manual else "",
        ]


class AuthError(ApiError):
    """
    The token was refused, or the credentials were.
    """

    _remedy = "Check the appid and the secret in the console, and that nothing else renews this account's token."


class PermissionDenied(ApiError):
    """
    This account, this caller or this address may not do this.
    """

    _remedy = "Check the account's permissions in the console."


class QuotaExceeded(ApiError):
    """
    An allowance of the account is used up; repeating does not help.
    """

    _remedy = "Wait for the allowance to renew, or make room."


class RateLimited(ApiError):
    """
    Too many calls in this minute.

    Attributes:
        retry_after: Seconds to wait before the next call.
    """

    retry_after: float = 60.0
    _remedy = "Wait a minute, then call more slowly."


class SystemBusy(ApiError):
    """
    A failure of WeChat's own; whether the call took effect is not known.
    """

    effect: Effect = "unknown"
    _remedy = "Try again later."


class InvalidArgument(ApiError):
    """
    The request is wrong; the same request will be refused again.
    """

    _remedy = "Correct the request."


class NotFound(ApiError):
    """
    No such account, session, person or file.
    """

    _remedy = "Check the identifier."


class Conflict(ApiError):
    """
    Not possible in the present state of the account, person or session.
    """

    _remedy = "Look at the present state, then decide."


class DeliveryWindowClosed(ApiError):
    """
    This customer cannot be written to now.
    """

    _remedy = "Wait until the customer writes again."


class ReplyLimitReached(DeliveryWindowClosed):
    """
    The messages allowed after the customer's last action are used up.
    """


class ContentRejected(ApiError):
    """
    The content of the message is too long or not allowed.
    """

    _remedy = "Change the content."


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


class _Row(NamedTuple):
    family: type[ApiError]
    meaning: str = ""
    remedy: str = ""


# Remedies that several codes share.
_ADMINISTRATOR: Final = "Have the account's administrator confirm it in WeChat."
_INVITED: Final = "Wait until it is accepted or expires; see get_kf_list."
_SIGNATURE: Final = "See to the keys and headers of API security, or turn it off in the console."
_WEB_LOGIN: Final = "Let the user log in again; the account's own token is not concerned."

_UNKNOWN: Final = _Row(ApiError)
_CODES: Final[dict[int, _Row]] = {
    -1: _Row(SystemBusy, "the system is busy"),
    -1000: _Row(SystemBusy, "system error"),
    40001: _Row(AuthError, "the token is invalid or no longer the latest, or the secret is wrong"),
    40002: _Row(InvalidArgument, "wrong grant_type"),
    40003: _Row(
        InvalidArgument,
        "the openid is not a user of this account",
        "Use an openid of this very account, of a user who still follows it.",
    ),
    40004: _Row(InvalidArgument, "wrong media type"),
    40005: _Row(InvalidArgument, "wrong file type", "Send a file of an allowed type under a name with its extension."),
    40006: _Row(InvalidArgument, "wrong file size"),
    40007: _Row(NotFound, "the media_id is wrong or has expired", "Upload the file again; a media_id lives 3 days."),
    40008: _Row(InvalidArgument, "wrong message type"),
    40009: _Row(InvalidArgument, "the image is too large"),
    40010: _Row(InvalidArgument, "the voice file is too large"),
    40011: _Row(InvalidArgument, "the video is too large"),
    40012: _Row(InvalidArgument, "the thumbnail is too large"),
    40013: _Row(AuthError, "wrong appid", "Check the account's appid, and that of a mini-program in the message."),
    40014: _Row(AuthError, "the token is malformed or of another account"),
    40033: _Row(InvalidArgument, r"the body holds \uXXXX escapes"),
    40035: _Row(InvalidArgument, "wrong parameter"),
    40038: _Row(InvalidArgument, "wrong request format"),
    40039: _Row(InvalidArgument, "a URL is too long"),
    40048: _Row(InvalidArgument, "a URL's domain is not allowed"),
    40066: _Row(InvalidArgument, "no such path", "Check the path and the base_url."),
    40097: _Row(InvalidArgument, "wrong arguments"),
    40101: _Row(InvalidArgument, "a parameter is missing, or the path is of another product"),
    40118: _Row(InvalidArgument, "wrong media_id size"),
    40121: _Row(InvalidArgument, "wrong media_id type"),
    40125: _Row(AuthError, "wrong secret"),
    40132: _Row(InvalidArgument, "wrong WeChat id"),
    40137: _Row(InvalidArgument, "image format not supported"),
    40164: _Row(
        PermissionDenied,
        "the caller's IP address is not on the account's allow-list",
        "Add the address named in the text to the IP allow-list in the console.",
    ),
    40200: _Row(PermissionDenied, "the account is of the wrong kind for this call"),
    40201: _Row(InvalidArgument, "no callback URL is set"),
    40202: _Row(InvalidArgument, "wrong action"),
    40203: _Row(InvalidArgument, "wrong check_operator"),
    40230: _Row(AuthError, "Wechatmp-Serial is missing", _SIGNATURE),
    40231: _Row(AuthError, "Wechatmp-TimeStamp is missing", _SIGNATURE),
    40232: _Row(AuthError, "Wechatmp-Signature is missing", _SIGNATURE),
    40233: _Row(AuthError, "Wechatmp-Appid is missing", _SIGNATURE),
    40234: _Row(AuthError, "wrong API signature", _SIGNATURE),
    40235: _Row(AuthError, "wrong API encryption", _SIGNATURE),
    40236: _Row(AuthError, "wrong Wechatmp-Appid", _SIGNATURE),
    40237: _Row(AuthError, "Wechatmp-Appid does not belong to the token", _SIGNATURE),
    40238: _Row(AuthError, "no symmetric key is set", _SIGNATURE),
    40239: _Row(AuthError, "no public key is set", _SIGNATURE),
    40240: _Row(AuthError, "the API signature is too old", "Set the machine's clock."),
    40243: _Row(AuthError, "the secret is frozen", "Unfreeze the secret in the console; it takes ten minutes."),
    41001: _Row(InvalidArgument, "the token is missing"),
    41002: _Row(InvalidArgument, "the appid is missing"),
    41003: _Row(InvalidArgument, "the refresh_token is missing"),
    41004: _Row(InvalidArgument, "the secret is missing"),
    41005: _Row(InvalidArgument, "the file part is missing"),
    41006: _Row(InvalidArgument, "the media_id is missing"),
    41009: _Row(InvalidArgument, "the openid is missing"),
    42001: _Row(AuthError, "the token has expired"),
    42002: _Row(AuthError, "the refresh_token of a web login has expired", _WEB_LOGIN),
    42003: _Row(AuthError, "the code of a web login has expired", _WEB_LOGIN),
    42007: _Row(AuthError, "the user changed the password, which ended their web logins", _WEB_LOGIN),
    43001: _Row(InvalidArgument, "the call needs GET"),
    43002: _Row(InvalidArgument, "the call needs POST"),
    43003: _Row(InvalidArgument, "the call needs HTTPS"),
    43004: _Row(DeliveryWindowClosed, "the user does not follow the account", "Wait until the user follows it."),
    43005: _Row(DeliveryWindowClosed, "the user is not a friend"),
    43019: _Row(DeliveryWindowClosed, "the user is on the account's blacklist", "Take the user off the blacklist."),
    43101: _Row(DeliveryWindowClosed, "the user refuses these messages"),
    44001: _Row(InvalidArgument, "the file is empty"),
    44002: _Row(InvalidArgument, "the body is empty"),
    44003: _Row(InvalidArgument, "the news message is empty"),
    44004: _Row(InvalidArgument, "the text is empty"),
    45001: _Row(InvalidArgument, "the file is too large"),
    45002: _Row(ContentRejected, "the text is too long", "Split it with split_text."),
    45003: _Row(ContentRejected, "the title is too long"),
    45004: _Row(ContentRejected, "the description is too long"),
    45005: _Row(ContentRejected, "the link is too long"),
    45006: _Row(ContentRejected, "the picture link is too long"),
    45007: _Row(InvalidArgument, "the voice message is too long", "Cut it to 60 seconds."),
    45008: _Row(ContentRejected, "too many articles", "Send one article."),
    45009: _Row(
        QuotaExceeded,
        "the daily quota of this call is used up",
        "Wait until midnight in Beijing, or use clear_quota, ten times a month.",
    ),
    45011: _Row(RateLimited, "too many calls this minute"),
    45015: _Row(
        DeliveryWindowClosed,
        "the customer wrote too long ago (48 hours; 1 minute after a menu, follow or scan), or unfollowed",
    ),
    45047: _Row(ReplyLimitReached, "the messages allowed after the customer's last action are used up"),
    45064: _Row(PermissionDenied, "no permission for this mini-program", "Link the mini-program to the account."),
    45072: _Row(InvalidArgument, "wrong typing command", "Use Typing or CancelTyping."),
    45080: _Row(
        DeliveryWindowClosed,
        "no message passed in the last 30 seconds, which typing needs",
        "Show typing right after a message.",
    ),
    45081: _Row(Conflict, "typing is already shown", "Nothing needs to be done; it lasts 15 seconds."),
    45159: _Row(InvalidArgument, "wrong tag_id"),
    45166: _Row(ContentRejected, "the content holds a forbidden link"),
    46001: _Row(NotFound, "no such media"),
    46004: _Row(NotFound, "no such user"),
    47001: _Row(InvalidArgument, "the body cannot be parsed"),
    48001: _Row(PermissionDenied, "the account may not use this call, or the token is of another account"),
    48002: _Row(DeliveryWindowClosed, "the user has muted the account", "Wait until the user allows messages again."),
    48004: _Row(PermissionDenied, "the call is blocked for violations"),
    48006: _Row(QuotaExceeded, "clear_quota was used ten times this month", "Wait for the next month."),
    48008: _Row(PermissionDenied, "no permission for this kind of message"),
    50001: _Row(PermissionDenied, "the user has not authorised this call"),
    50002: _Row(PermissionDenied, "the account or the user is restricted"),
    50004: _Row(PermissionDenied, "the account may not use the token endpoint"),
    50005: _Row(DeliveryWindowClosed, "the user does not follow the account", "Wait until the user follows it."),
    50007: _Row(PermissionDenied, "the account is frozen"),
    61003: _Row(PermissionDenied, "the third-party platform is not authorised"),
    61004: _Row(
        PermissionDenied,
        "the caller's IP address is not on the allow-list",
        "Add the address to the IP allow-list in the console.",
    ),
    61007: _Row(PermissionDenied, "the account has not authorised the platform for this call"),
    61024: _Row(
        AuthError,
        "the token must come from the third-party platform",
        "Give the client the platform's token for this account.",
    ),
    61450: _Row(
        SystemBusy,
        "system error of customer service, often of a sandbox account or one without a WeChat id",
        "Check that customer service is on and the account has a WeChat id, then try once more.",
    ),
    61451: _Row(InvalidArgument, "wrong parameter"),
    61452: _Row(NotFound, "no such customer-service account"),
    61453: _Row(Conflict, "the customer-service account exists", "Rename it with update_kf_account."),
    61454: _Row(InvalidArgument, "the account's prefix is longer than 10 characters"),
    61455: _Row(InvalidArgument, "the account holds a character that is not allowed"),
    61456: _Row(QuotaExceeded, "too many customer-service accounts", "Delete one first."),
    61457: _Row(InvalidArgument, "wrong avatar file type", "Send a JPEG of 5 MB at most."),
    61500: _Row(InvalidArgument, "wrong date"),
    65400: _Row(
        PermissionDenied,
        "customer service is not enabled, or was enabled a moment ago",
        "Enable it in the console, then wait a while.",
    ),
    65401: _Row(
        NotFound,
        "no such customer-service account",
        "Check the suffix, and that the account was made with add_kf_account.",
    ),
    65402: _Row(Conflict, "no WeChat user is bound to the account", "Invite one with invite_kf_worker."),
    65403: _Row(InvalidArgument, "wrong nickname", "Use 1 to 16 characters."),
    65404: _Row(
        InvalidArgument,
        "wrong name of a customer-service account",
        "Use prefix@suffix with a prefix of 1 to 10 of [A-Za-z0-9_].",
    ),
    65405: _Row(QuotaExceeded, "the number of customer-service accounts reached the limit", "Delete one first."),
    65406: _Row(Conflict, "the customer-service account exists", "Rename it with update_kf_account."),
    65407: _Row(Conflict, "this person is an agent here already", "See the accounts with get_kf_list."),
    65408: _Row(Conflict, "this person is invited already", _INVITED),
    65409: _Row(NotFound, "no such WeChat id"),
    65410: _Row(
        QuotaExceeded,
        "this person is bound to too many customer-service accounts",
        "Invite another person, or delete one of those accounts.",
    ),
    65411: _Row(Conflict, "an invitation for this account is waiting already", _INVITED),
    65412: _Row(Conflict, "a person is bound to this account already", "See who with get_kf_list."),
    65413: _Row(NotFound, "the customer has no open session", "Nothing needs to be closed."),
    65414: _Row(Conflict, "another agent serves this customer", "See who with get_kf_session."),
    65415: _Row(Conflict, "the agent is not online", "See who is with get_online_kf_list."),
    65416: _Row(InvalidArgument, "wrong parameter", "Use Unix seconds, not milliseconds, and a msgid of at least 1."),
    65417: _Row(InvalidArgument, "the time span is longer than 24 hours", "Use iter_msg_records."),
    70000: _Row(ContentRejected, "refused to protect minors"),
    76001: _Row(NotFound, "no such rid"),
    76002: _Row(InvalidArgument, "wrong rid"),
    76003: _Row(PermissionDenied, "the rid is of another account, or the cgi_path is malformed"),
    76004: _Row(NotFound, "the rid is older than 7 days"),
    76021: _Row(NotFound, "no such cgi_path", "Begin it with a slash and leave the host out."),
    76022: _Row(PermissionDenied, "no permission for this cgi_path"),
    89501: _Row(PermissionDenied, "this IP address waits for the administrator's confirmation", _ADMINISTRATOR),
    89503: _Row(PermissionDenied, "this IP address needs the administrator's confirmation", _ADMINISTRATOR),
    89506: _Row(PermissionDenied, "the administrator refused this IP address", "Ask again after 24 hours."),
    89507: _Row(PermissionDenied, "the administrator refused this IP address", "Ask again after an hour."),
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
    family = _CODES.get(errcode, _UNKNOWN).family
    return family(errcode, text, hint=hint, rid=tail["rid"], endpoint=endpoint, manual=manual)
