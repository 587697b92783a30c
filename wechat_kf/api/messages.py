"""
Messages to customers: the envelope they travel in, and the calls that send and show typing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from .._wire.arguments import required
from .._wire.endpoint import Call, Endpoint
from .._wire.tolerant import Ack
from .chapter import Chapter
from .message_kinds import Message, Raw, Text, payload

__all__ = ["SEND_CUSTOM_MESSAGE", "TYPING", "MessageCalls", "msgtype_and_body"]

SEND_CUSTOM_MESSAGE: Final = Endpoint(
    "POST",
    "/cgi-bin/message/custom/send",
    Ack,
    manual="https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html",
)
TYPING: Final = Endpoint(
    "POST",
    "/cgi-bin/message/custom/typing",
    Ack,
    manual="https://developers.weixin.qq.com/doc/service/api/customer/message/api_typing.html",
)


def msgtype_and_body(message: Message | str) -> tuple[str, object]:
    """
    Write a message: its msgtype and the body that goes by that name.

    Raises:
        TypeError: It is no message.
    """
    given: object = Text(message) if isinstance(message, str) else message
    # The common base is none, and neither is a class of the caller's without a msgtype.
    if not isinstance(given, Message) or not hasattr(given, "msgtype"):
        raise TypeError(f"message must be a str or a message such as Image(…), not {type(message).__name__}")
    body = dict(given.body) if isinstance(given, Raw) else payload(given)
    return given.msgtype, body


def _with_extra(envelope: dict[str, Any], businessid: str | None, extra: Mapping[str, object] | None) -> dict[str, Any]:
    if businessid is not None:
        envelope["businessid"] = required("businessid", businessid)
    if extra is not None:
        for name, value in extra.items():
            if required("a field of extra", name) in envelope:
                raise ValueError(f"extra must not hold {name!r}, which is written already")
            envelope[name] = value
    return envelope


class MessageCalls(Chapter):
    """
    The chapter on messages.
    """

    async def send_custom_message(
        self,
        touser: str,
        message: Message | str,
        *,
        kf_account: str | None = None,
        is_ai_msg: bool | None = None,
        businessid: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Ack:
        """
        Send a customer one message. It is never sent twice.

        The customer must have acted recently: 5 messages within 48 hours after they wrote, 3 within 1 minute after they
        followed, scanned or tapped the menu.

        Args:
            touser: The customer's openid.

            message: What to send; a ``str`` is a `Text`. Control characters and lone halves of an emoji, which WeChat
                does not take, are left out.

            kf_account: Speak as this agent, with their name and picture.

            is_ai_msg: True adds the grey line that the content comes from an AI.

            businessid: The sub-merchant, where the account has some.

            extra: Further fields of the request beside ``touser`` and ``msgtype``, such as WeChat may add; not those
                that this call writes.

        Raises:
            DeliveryUncertain: It may or may not have arrived; see `KfError.effect`.

            DeliveryWindowClosed: The customer acted too long ago, unfollowed or muted the account (45015, 43004,
                48002).

            ReplyLimitReached: The messages allowed are used up (45047).

            ContentRejected: Too long or not allowed (45002 to 45006, 45008, 45166, 70000).

            InvalidArgument: No such customer of this account (40003).

            NotFound: No such media (40007) or agent (65401).

            PermissionDenied: The account may not send messages, or none of this kind (48001, 48008).

            QuotaExceeded: The day's messages are used up (45009).

            RateLimited: Too many this minute (45011).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html
        """
        msgtype, body = msgtype_and_body(message)
        envelope: dict[str, Any] = {"touser": required("touser", touser), "msgtype": msgtype, msgtype: body}
        if kf_account is not None:
            envelope["customservice"] = {"kf_account": required("kf_account", kf_account)}
        if is_ai_msg is not None:
            if is_ai_msg not in (0, 1):
                raise ValueError("is_ai_msg must be True, False or None")
            envelope["aimsgcontext"] = {"is_ai_msg": int(is_ai_msg)}
        return await self.request(Call(SEND_CUSTOM_MESSAGE, json=_with_extra(envelope, businessid, extra)))

    async def typing(
        self,
        touser: str,
        command: Literal["Typing", "CancelTyping"] = "Typing",
        *,
        businessid: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Ack:
        """
        Show the customer that somebody is typing, or stop showing it.

        It lasts 15 seconds, cannot be renewed while it lasts, ends with the next message, and needs a message in
        either direction within the last 30 seconds. `typing_indicator` keeps these rules for you.

        Args:
            touser: The customer's openid.

            command: ``Typing`` or ``CancelTyping``.

            businessid: The sub-merchant, where the account has some.

            extra: Further fields of the request; not those that this call writes.

        Raises:
            DeliveryWindowClosed: No message in the last 30 seconds (45080).

            Conflict: Shown already (45081).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_typing.html
        """
        if command not in ("Typing", "CancelTyping"):
            raise ValueError(f"command must be 'Typing' or 'CancelTyping', not {command!r}")
        envelope = {"touser": required("touser", touser), "command": command}
        return await self.request(Call(TYPING, json=_with_extra(envelope, businessid, extra)))
