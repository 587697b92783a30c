"""
What is pushed to the account's server, and reading what it answers. No IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from ..._errors import DecryptError, ParseError
from ..._wire.json import encode, read_json
from ...webhook.crypto import Cryptor, signature
from ...webhook.xml import read_xml, render_xml
from ..machine.json_values import object_of, text_of
from .replies import ReplyMistake, read_reply

__all__ = ["Format", "Mode", "OutgoingPush", "Seal"]

Mode: TypeAlias = Literal["plain", "compatible", "safe", "cloud-run"]
Format: TypeAlias = Literal["xml", "json"]


@attrs.frozen
class OutgoingPush:
    """
    Something to tell the account's server.

    Attributes:
        openid: The customer; None in what concerns the account as a whole.

        fields: The wire's fields, without time and the names of the two sides.

        at: When it happened, in Unix seconds.
    """

    openid: str | None
    fields: Mapping[str, Any]
    at: float

    @property
    def is_message(self) -> bool:
        """
        Whether a customer wrote it.
        """
        return self.fields.get("MsgType") not in (None, "event")

    @property
    def kind(self) -> str:
        """
        Its kind, for log lines: ``text``, ``event CLICK``, ``component_verify_ticket``.
        """
        names = ("MsgType", "Event", "InfoType")
        return " ".join(str(self.fields[name]) for name in names if name in self.fields)


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
        if self.mode == "cloud-run":
            return
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

    @property
    def headers(self) -> dict[str, str]:
        """
        What cloud-run's gateway adds to a push.
        """
        return {"x-wx-source": self.appid} if self.mode == "cloud-run" else {}

    def check_of_path(self) -> bytes:
        """
        Write the body by which cloud-run's console checks the path.
        """
        return self._render({"action": "CheckContainerPath"})

    def write(self, push: OutgoingPush, at: float, random: Random) -> tuple[dict[str, str], bytes]:
        """
        Write a push: its query and its body.
        """
        names: dict[str, str]
        if push.openid is None:
            names, query = {"AppId": self.appid}, self._sign(at, random)
        else:
            names = {"ToUserName": self.original_id, "FromUserName": push.openid}
            query = {**self._sign(at, random), "openid": push.openid}
        plain = {**names, "CreateTime": int(push.at), **push.fields}
        if self.mode == "cloud-run":
            return {}, self._render(plain)
        if self.mode == "plain":
            return query, self._render(plain)
        encrypted = self._cryptor().encrypt(self._render(plain))
        query["encrypt_type"] = "aes"
        query["msg_signature"] = signature(self.token, query["timestamp"], query["nonce"], encrypted)
        whom = dict(list(names.items())[:1])
        shown = plain if self.mode == "compatible" else whom
        return query, self._render({**shown, "Encrypt": encrypted})

    def read(self, push: OutgoingPush, body: bytes) -> dict[str, Any] | None:
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
        fields = self._open(body)
        for name, expected in (("ToUserName", push.openid), ("FromUserName", self.original_id)):
            if expected is not None and fields.get(name) != expected:
                raise ReplyMistake(f"its {name} must be {expected!r}, not {fields.get(name)!r}")
        return read_reply(fields, to_message=push.is_message)

    def _sign(self, at: float, random: Random) -> dict[str, str]:
        timestamp, nonce = str(int(at)), str(random.randrange(10**8, 10**10))
        return {"signature": signature(self.token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}

    def _open(self, body: bytes) -> dict[str, Any]:
        fields = self._parse(body)
        if "Encrypt" not in fields:
            if self.mode == "safe":
                raise ReplyMistake("in safe mode it must be encrypted")
            return fields
        if self.mode in ("plain", "cloud-run"):
            raise ReplyMistake("it is encrypted, though pushes are plain")
        encrypted = text_of(fields, "Encrypt")
        # Its nonce and time may be the replier's own.
        timestamp, nonce = str(fields.get("TimeStamp", "")), str(fields.get("Nonce", ""))
        if fields.get("MsgSignature") != signature(self.token, timestamp, nonce, encrypted):
            raise ReplyMistake("its MsgSignature is not that of the token and its own TimeStamp, Nonce and Encrypt")
        try:
            return self._parse(self._cryptor().decrypt(encrypted))
        except DecryptError:
            raise ReplyMistake("it cannot be decrypted with the callback's key for this appid") from None

    def _cryptor(self) -> Cryptor:
        return Cryptor(self.encoding_aes_key or "", self.appid)

    def _render(self, fields: Mapping[str, Any]) -> bytes:
        return encode(fields) if self.format == "json" else render_xml(fields)

    def _parse(self, body: bytes) -> dict[str, Any]:
        try:
            fields = read_xml(body) if self.format == "xml" else object_of(read_json(body))
        except (ParseError, ValueError) as error:
            other = {"xml": b"{", "json": b"<"}[self.format]
            if body.lstrip().startswith(other):
                raise ReplyMistake(f"it must be {self.format.upper()}, as the pushes are") from None
            # XML is read as pushes are, and errors speak of those.
            reason = str(error).removeprefix("The push is ").rstrip(".")
            raise ReplyMistake(f"it is no {self.format.upper()} that WeChat reads: {reason}") from None
        if fields is None:
            raise ReplyMistake("it is not a JSON object")
        return fields
