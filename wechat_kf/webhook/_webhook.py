"""
The webhook as three pure functions of one account's secrets: verify a URL, unwrap a push, wrap a reply.

A push is believed in this order: its signature and its age, then its ciphertext, then its fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from .._errors import DecryptError, ParseError, SignatureError
from .._wire.json import encode, read_json
from ._push import Push
from ._read import read_push
from ._replies import Reply
from .crypto import Cryptor, same, signature
from .xml import MAX_DEPTH, read_xml, render_xml

__all__ = ["MAX_PUSH", "Webhook"]

MAX_PUSH: Final = 256 * 1024
"""
The largest body of a push that is read, in bytes; WeChat's own are a few thousand.
"""

_BOM: Final = b"\xef\xbb\xbf"


class Webhook:
    """
    One account's end of the push interface.

    Args:
        token: The token typed into the console.

        encoding_aes_key: The console's EncodingAESKey. With it every push must be encrypted, and plaintext is refused;
            needs the extra ``webhook``.

        appid: The account's appid (a third-party platform's own); needed with a key.

        max_age: Seconds that a push's timestamp may differ from the clock, either way; None takes any.

        clock: Unix seconds now.

    Raises:
        ValueError: The token is empty, or the key is not 43 characters of Base64.

        TypeError: A key without an appid.

        ImportError: A key, but the package cryptography is missing.
    """

    def __init__(
        self,
        token: str,
        encoding_aes_key: str | None = None,
        appid: str | None = None,
        *,
        max_age: float | None = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not token:
            raise ValueError("token must not be empty: anybody could sign with it")
        if encoding_aes_key is not None and not appid:
            raise TypeError("encoding_aes_key needs the appid")
        self._token = token
        self._cryptor = None if encoding_aes_key is None else Cryptor(encoding_aes_key, cast("str", appid))
        self._max_age = max_age
        self._clock = clock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'plain' if self._cryptor is None else 'encrypted'}>"

    def verify_url(self, query: Mapping[str, str]) -> str:
        """
        Answer the GET request by which WeChat checks the URL, in every mode.

        Args:
            query: The parameters of the request.

        Returns:
            The text to answer, and nothing else: no quotes, no line break.

        Raises:
            SignatureError: Not signed with this token, or too old.

            ParseError: There is no ``echostr``.
        """
        self._verify(query, "signature")
        echostr = query.get("echostr")
        if echostr is None:
            raise ParseError("The request has no echostr.")
        return echostr

    def unwrap(self, query: Mapping[str, str], body: bytes) -> Push:
        """
        Verify, decrypt and read a push, whether XML or JSON.

        Args:
            query: The parameters of the request.

            body: Its body.

        Raises:
            SignatureError: Not signed with this token, too old, or plaintext although there is a key.

            DecryptError: Encrypted for somebody else, or damaged.

            ParseError: Not a push.
        """
        if len(body) > MAX_PUSH:
            raise ParseError(f"The push is larger than {MAX_PUSH} bytes.")
        if self._cryptor is None:
            self._verify(query, "signature")
            fields, is_json = _read(body)
            if "Encrypt" in fields and "MsgType" not in fields:
                raise DecryptError("The push is encrypted, and the webhook has no encoding_aes_key.")
        else:
            encrypted = _read(body)[0].get("Encrypt")
            if type(encrypted) is not str:
                raise SignatureError("The push is not encrypted, and the webhook has an encoding_aes_key.")
            self._verify(query, "msg_signature", encrypted)
            fields, is_json = _read(self._cryptor.decrypt(encrypted))
        return read_push(fields, is_json=is_json)

    def wrap(self, reply: Reply | None, push: Push, query: Mapping[str, str]) -> bytes:
        """
        Write the answer to a push as the push came: XML or JSON, encrypted if there is a key.

        Args:
            reply: The reply; None is ``success``, which says that nothing or something later is answered.

            push: What is answered.

            query: The parameters of the push's request.
        """
        if reply is None:
            return b"success"
        now = int(self._clock())
        fields = {
            "ToUserName": push.from_user_name,
            "FromUserName": push.to_user_name,
            "CreateTime": now,
            "MsgType": reply.msgtype,
            **reply.fields(),
        }
        render = encode if push.is_json else render_xml
        if self._cryptor is None:
            return render(fields)
        encrypted = self._cryptor.encrypt(render(fields))
        nonce = query.get("nonce", "")
        sealed = {
            "Encrypt": encrypted,
            "MsgSignature": signature(self._token, str(now), nonce, encrypted),
            "TimeStamp": now,
            "Nonce": nonce,
        }
        return render(sealed)

    def _verify(self, query: Mapping[str, str], name: str, *more: str) -> None:
        given, timestamp, nonce = query.get(name, ""), query.get("timestamp", ""), query.get("nonce", "")
        if not same(signature(self._token, timestamp, nonce, *more), given):
            raise SignatureError(f"The {name} is missing or wrong.")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise SignatureError("The timestamp is not a number.")
        if self._max_age is not None and not abs(self._clock() - int(timestamp)) <= self._max_age:
            raise SignatureError("The timestamp is too old or in the future.")


def _read(body: bytes) -> tuple[dict[str, Any], bool]:
    """
    Read a body by what it is, whatever its Content-Type: its fields, and whether it was JSON.
    """
    body = body.removeprefix(_BOM).lstrip()
    if not body.startswith(b"{"):
        return read_xml(body), False
    try:
        fields = read_json(body)
    except ValueError as error:
        raise ParseError("The push is not JSON.") from error
    _limit_depth(fields, MAX_DEPTH)
    return fields, True


def _limit_depth(value: dict[str, Any] | list[Any], depth: int) -> None:
    if not depth:
        raise ParseError("The push is nested too deeply.")
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (dict, list)):
            _limit_depth(cast("dict[str, Any] | list[Any]", each), depth - 1)
