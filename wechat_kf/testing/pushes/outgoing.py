"""
What is pushed to the account's server, and reading what it answers. No IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from ..._errors import KfError
from ..._wire.json import encode, read_json
from ...webhook.crypto import Cryptor, signature
from ...webhook.xml import read_xml, render_xml
from ..machine.json_values import object_of, text_of
from .replies import ReplyMistake, read_reply

__all__ = ["Format", "Mode", "OutgoingPush", "Seal"]

Mode: TypeAlias = Literal["plain", "compatible", "safe"]
Format: TypeAlias = Literal["xml", "json"]


@attrs.frozen
class OutgoingPush:
    """
    Something to tell the account's server: the wire's fields but for the names of the two sides.
    """

    openid: str
    fields: Mapping[str, Any]
    at: float

    @property
    def is_message(self) -> bool:
        """
        Whether a customer wrote it.
        """
        return bool(self.fields["MsgType"] != "event")


@attrs.frozen(kw_only=True)
class Seal:
    """
    How pushes are written and signed, as set in the console.

    Attributes:
        token: What pushes are signed with.

        encoding_aes_key: What they are encrypted with; None in plain mode.

        appid: The account.

        original_id: The account's name in pushes, ``gh_…``.

        mode: Plain text, encrypted, or both.

        format: XML or JSON.
    """

    token: str
    encoding_aes_key: str | None
    appid: str
    original_id: str
    mode: Mode
    format: Format

    def __attrs_post_init__(self) -> None:
        if not self.token:
            raise ValueError("the token must not be empty")
        if self.mode != "plain" and self.encoding_aes_key is None:
            raise ValueError(f"{self.mode} mode needs an encoding_aes_key")
        if self.mode != "plain":
            # A wrong key is refused here, not at the first push.
            self._cryptor()

    def check(self, echostr: str, at: float, random: Random) -> dict[str, str]:
        """
        Write the query by which WeChat checks the URL.
        """
        return {**self._sign(at, random), "echostr": echostr}

    def write(self, push: OutgoingPush, at: float, random: Random) -> tuple[dict[str, str], bytes]:
        """
        Write a push: its query and its body.
        """
        plain = {
            "ToUserName": self.original_id,
            "FromUserName": push.openid,
            "CreateTime": int(push.at),
            **push.fields,
        }
        query = {**self._sign(at, random), "openid": push.openid}
        if self.mode == "plain":
            return query, self._render(plain)
        encrypted = self._cryptor().encrypt(self._render(plain))
        query["encrypt_type"] = "aes"
        query["msg_signature"] = signature(self.token, query["timestamp"], query["nonce"], encrypted)
        shown = plain if self.mode == "compatible" else {"ToUserName": self.original_id}
        return query, self._render({**shown, "Encrypt": encrypted})

    def read(self, push: OutgoingPush, query: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
        """
        Read the answer to a push as a message like those sent with the API.

        A transfer to an agent has the msgtype ``transfer_customer_service``.

        Returns:
            The message, or None for ``success`` and for nothing.

        Raises:
            ReplyMistake: WeChat does not take it.
        """
        if body in (b"", b"success"):
            return None
        try:
            fields = self._open(query, body)
        except (KfError, ValueError) as error:
            raise ReplyMistake(str(error)) from error
        if fields.get("ToUserName") != push.openid or fields.get("FromUserName") != self.original_id:
            raise ReplyMistake("the reply is to or from somebody else")
        return read_reply(fields, to_message=push.is_message)

    def _sign(self, at: float, random: Random) -> dict[str, str]:
        timestamp, nonce = str(int(at)), str(random.randrange(10**8, 10**10))
        return {"signature": signature(self.token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}

    def _open(self, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        fields = self._parse(body)
        if self.mode == "plain":
            return fields
        encrypted, timestamp, nonce = text_of(fields, "Encrypt"), str(fields.get("TimeStamp")), text_of(fields, "Nonce")
        if nonce != query["nonce"]:
            raise ReplyMistake("the Nonce is not the push's")
        if fields.get("MsgSignature") != signature(self.token, timestamp, nonce, encrypted):
            raise ReplyMistake("the MsgSignature is wrong")
        return self._parse(self._cryptor().decrypt(encrypted))

    def _cryptor(self) -> Cryptor:
        return Cryptor(self.encoding_aes_key or "", self.appid)

    def _render(self, fields: Mapping[str, Any]) -> bytes:
        return encode(fields) if self.format == "json" else render_xml(fields)

    def _parse(self, body: bytes) -> dict[str, Any]:
        if self.format == "xml":
            return read_xml(body)
        fields = object_of(read_json(body))
        if fields is None:
            raise ReplyMistake("the reply is not an object")
        return fields
