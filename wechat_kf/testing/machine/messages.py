"""
Sending messages to customers, and showing them that somebody types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .accounts import Accounts
from .customers import Customers
from .json_values import list_of, object_of, text_of
from .limits import Limits
from .request import Request
from .response import OK, Refusal, Result

__all__ = ["THUMBS", "Messages"]

# The strings each kind must have, and which of them are media_ids of which types.
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "text": ("content",),
    "image": ("media_id",),
    "voice": ("media_id",),
    "video": ("media_id", "thumb_media_id"),
    "music": ("title", "description", "musicurl", "thumb_media_id"),
    "news": (),
    "mpnews": ("media_id",),
    "mpnewsarticle": ("article_id",),
    "msgmenu": (),
    "wxcard": ("card_id",),
    "miniprogrampage": ("title", "appid", "pagepath", "thumb_media_id"),
}
THUMBS: Final = ("thumb", "image")
"""
The types of file that can stand for another.
"""

# Of mini-programs only.
_NOT_OURS: Final = frozenset({"link"})


class Messages:
    """
    The send and the typing call.

    Args:
        check_media: Refuses a media_id that is unknown, expired or of another type.

        show: Shows a customer a message: openid, payload, agent, Unix seconds.
    """

    def __init__(
        self,
        limits: Limits,
        accounts: Accounts,
        customers: Customers,
        check_media: Callable[[str, tuple[str, ...], float], None],
        show: Callable[[str, dict[str, Any], str | None, float], None],
    ) -> None:
        self._limits = limits
        self._accounts = accounts
        self._customers = customers
        self._check_media = check_media
        self._show = show

    def send(self, request: Request) -> Result:
        """
        Answer ``message/custom/send``.
        """
        body = request.json()
        customer = self._customers.find(body.get("touser"))
        self._check_content(body, request.at)
        kf_account = self._check_speaker(body)
        customer.check_window(request.at)
        if customer.left < 1:
            raise Refusal(45047)
        customer.left -= 1
        customer.last_exchange = request.at
        customer.typing_until = request.at
        self._show(customer.openid, body, kf_account, request.at)
        return OK

    def typing(self, request: Request) -> Result:
        """
        Answer ``message/custom/typing``.
        """
        body = request.json()
        customer = self._customers.find(body.get("touser"))
        command = body.get("command")
        if command not in ("Typing", "CancelTyping"):
            raise Refusal(45072)
        customer.check_window(request.at)
        if command == "CancelTyping":
            customer.typing_until = request.at
            return OK
        if request.at - customer.last_exchange > self._limits.typing_after:
            raise Refusal(45080)
        if request.at < customer.typing_until:
            raise Refusal(45081)
        customer.typing_until = request.at + self._limits.typing
        return OK

    def _check_speaker(self, body: Mapping[str, Any]) -> str | None:
        if body.get("customservice") is None:
            return None
        speaker = object_of(body["customservice"])
        if speaker is None:
            raise Refusal(47001)
        return self._accounts.find(speaker.get("kf_account")).kf_account

    def _check_content(self, body: Mapping[str, Any], at: float) -> None:
        msgtype = text_of(body, "msgtype")
        if msgtype in _NOT_OURS:
            raise Refusal(48008)
        content = object_of(body.get(msgtype))
        if msgtype not in _FIELDS or content is None:
            raise Refusal(40008)
        if msgtype == "text" and not text_of(content, "content"):
            raise Refusal(44004)
        for name in _FIELDS[msgtype]:
            if name == "media_id":
                self._check_media(text_of(content, name), (msgtype,), at)
            elif name == "thumb_media_id":
                self._check_media(text_of(content, name), THUMBS, at)
            elif not text_of(content, name):
                raise Refusal(40097)
        if msgtype == "text" and len(content["content"].encode()) > self._limits.text:
            raise Refusal(45002)
        if msgtype == "news":
            self._check_articles(list_of(content.get("articles")))
        if msgtype == "msgmenu":
            _check_strings(list_of(content.get("list")), ("id", "content"))
        context = body.get("aimsgcontext")
        if context is not None and (object_of(context) or {}).get("is_ai_msg") not in (0, 1):
            raise Refusal(40097)

    def _check_articles(self, articles: list[Any]) -> None:
        if not articles:
            raise Refusal(44003)
        if len(articles) > self._limits.articles:
            raise Refusal(45008)
        _check_strings(articles, ("title", "description", "url", "picurl"))


def _check_strings(values: list[Any], names: tuple[str, ...]) -> None:
    if not values:
        raise Refusal(40097)
    for value in values:
        fields = object_of(value)
        if fields is None or not all(isinstance(fields.get(name), str) for name in names):
            raise Refusal(40097)
