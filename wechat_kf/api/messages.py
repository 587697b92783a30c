"""
Messages to customers: the envelope they travel in, and the calls that send and show typing.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from .._wire.arguments import required
from .._wire.endpoint import Call, Endpoint
from .._wire.tolerant import Ack
from .chapter import Chapter
from .message_kinds import Message, Raw, Text, payload

__all__ = ["SEND_CUSTOM_MESSAGE", "TYPING", "MessageCalls"]

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


def _envelope(touser: str, message: Message | str, kf_account: str | None, is_ai_msg: bool | None) -> dict[str, Any]:
    given: object = Text(message) if isinstance(message, str) else message
    # The common base is none, and neither is a class of the caller's without a msgtype.
    if not isinstance(given, Message) or not hasattr(given, "msgtype"):
        raise TypeError(f"message must be a str or a message such as Image(…), not {type(message).__name__}")
    body = dict(given.body) if isinstance(given, Raw) else payload(given)
    envelope: dict[str, Any] = {"touser": required("touser", touser), "msgtype": given.msgtype, given.msgtype: body}
    if kf_account is not None:
        envelope["customservice"] = {"kf_account": required("kf_account", kf_account)}
    if is_ai_msg is not None:
        if is_ai_msg not in (0, 1):
            raise ValueError("is_ai_msg must be True, False or None")
        envelope["aimsgcontext"] = {"is_ai_msg": int(is_ai_msg)}
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
        return await self.request(
            Call(SEND_CUSTOM_MESSAGE, json=_envelope(touser, message, kf_account, is_ai_msg)),
        )

    async def typing(self, touser: str, command: Literal["Typing", "CancelTyping"] = "Typing") -> Ack:
        """
        Show the customer that somebody is typing, or stop showing it.

        It lasts 15 seconds, cannot be renewed while it lasts, ends with the next message, and needs a message in
        either direction within the last 30 seconds. `typing_indicator` keeps these rules for you.

        Args:
            touser: The customer's openid.

            command: ``Typing`` or ``CancelTyping``.

        Raises:
            DeliveryWindowClosed: No message in the last 30 seconds (45080).

            Conflict: Shown already (45081).

        Manual: https://developers.weixin.qq.com/doc/service/api/customer/message/api_typing.html
        """
        if command not in ("Typing", "CancelTyping"):
            raise ValueError(f"command must be 'Typing' or 'CancelTyping', not {command!r}")
        return await self.request(Call(TYPING, json={"touser": required("touser", touser), "command": command}))
