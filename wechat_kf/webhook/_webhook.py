"""
The webhook as pure functions of one account's secrets and a clock: verify a URL, unwrap a push, wrap a reply.

A push is believed in this order: its signature and its age, then its ciphertext, then its fields.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar, cast

import attrs

from .._clock import Clock, SystemClock
from .._errors import DecryptError, ParseError, SignatureError
from .._redact import hides_arguments
from .._wire.json import encode
from .._wire.text import sendable
from ._body import read_body
from ._fields import read_time
from ._push import CheckContainerPathPush, Push
from ._read import read_push
from ._replies import Reply
from .crypto import Cryptor, same, signature
from .xml import render_xml

__all__ = ["MAX_PUSH", "Mode", "Webhook"]

MAX_PUSH: Final = 256 * 1024
"""
The largest body of a push that is read, in bytes; WeChat's own are a few thousand.
"""

Mode: TypeAlias = Literal["safe", "plain", "cloud-run"]
"""
How pushes come, as set in the console: encrypted, or not, or through cloud-run (微信云托管), where nothing is signed.

Compatible mode is read as safe mode with a key.
"""

# Cloud-run sets it, and takes it off what comes from outside.
_SOURCE: Final = "x-wx-source"

# WeChat's are ten digits. The signature covers the parts without what separates them, so that the beginning of a
# ciphertext could pass for the end of the nonce; in whole blocks of AES that is 64 characters at least.
_LONGEST_NONCE: Final = 48

# How long ago WeChat may have made what it delivers now. It repeats a push within a minute.
_MAX_DELAY: Final = 3600.0


_T = TypeVar("_T")


class Webhook:
    """
    One account's end of the push interface.

    While the token or the key is changed, give the new one and the one before as a sequence, the newest first. What
    comes with either is read, and answered as it came.

    In plain mode WeChat's signature covers the time and the nonce, not the body: who has read one query, as in a
    server's access log, can write pushes for five minutes. Use a key where you can, and `RedactingFilter` on the log.

    Through cloud-run, ``Webhook(mode="cloud-run")``, pushes are not signed: one is believed for its header
    ``x-wx-source``, which whoever reaches the container by another way than cloud-run's gateway can write.

    Args:
        token: The token typed into the console.

        encoding_aes_key: The console's EncodingAESKey. With it every push must be encrypted, and plaintext is refused;
            needs the extra ``webhook``.

        appid: The account's appid (a third-party platform's own); needed with a key.

        mode: ``"cloud-run"`` instead of a token and a key; the others follow from these.

        max_age: Seconds that a push's timestamp may differ from the clock, either way; None takes any.

        clock: The clock.

    Raises:
        ValueError: A value is empty or has blanks around it, or a key is not 43 characters of Base64.

        TypeError: A value is no string, or there is a key without an appid.

        ImportError: A key, but the package cryptography is missing.
    """

    @hides_arguments
    def __init__(
        self,
        token: str | Sequence[str] | None = None,
        encoding_aes_key: str | Sequence[str] | None = None,
        appid: str | None = None,
        *,
        mode: Mode | None = None,
        max_age: float | None = 300.0,
        clock: Clock | None = None,
    ) -> None:
        self._is_cloud_run = mode == "cloud-run"
        if (
            self._is_cloud_run == (token is not None)
            or (mode == "safe" and encoding_aes_key is None)
            or (mode != "safe" and mode is not None and encoding_aes_key is not None)
        ):
            raise TypeError("safe mode takes token, encoding_aes_key and appid; plain mode the token; cloud-run none")
        self._tokens = () if token is None else _strings("token", token)
        self._cryptors: tuple[Cryptor, ...] = ()
        if encoding_aes_key is not None:
            if appid is None:
                raise TypeError("encoding_aes_key needs the appid")
            (appid,) = _strings("appid", (appid,))
            self._cryptors = tuple(Cryptor(key, appid) for key in _strings("encoding_aes_key", encoding_aes_key))
        self._max_age = max_age
        self._clock = SystemClock() if clock is None else clock

    @classmethod
    @hides_arguments
    def from_env(cls, *, mode: Mode = "safe", max_age: float | None = 300.0, clock: Clock | None = None) -> Self:
        """
        Make a webhook from ``WECHAT_TOKEN``, ``WECHAT_ENCODING_AES_KEY`` and ``WECHAT_APPID``.

        While tokens or keys are changed a variable has several, by commas, the newest first.

        Args:
            mode: As set in the console. In plain mode only ``WECHAT_TOKEN`` is read; it has to be asked for, so that
                a variable that is missing never means that anything is believed. In cloud-run mode none is read.

            max_age: As of the constructor.

            clock: As of the constructor.

        Raises:
            ValueError: A variable is missing, or its value is refused.
        """
        if mode not in ("safe", "plain", "cloud-run"):
            raise ValueError(f"mode must be 'safe', 'plain' or 'cloud-run', not {mode!r}")
        if mode == "cloud-run":
            return cls(mode=mode, clock=clock)
        tokens = _variable("WECHAT_TOKEN").split(",")
        if mode == "plain":
            return cls(tokens, max_age=max_age, clock=clock)
        keys, appid = _variable("WECHAT_ENCODING_AES_KEY").split(","), _variable("WECHAT_APPID")
        return cls(tokens, keys, appid, max_age=max_age, clock=clock)

    def __repr__(self) -> str:
        kind = "encrypted" if self._cryptors else "cloud-run" if self._is_cloud_run else "plain"
        return f"<{type(self).__name__} {kind}>"

    def is_signed(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """
        Whether `verify_query` can judge a request before its body is read.

        Args:
            query: The parameters of the request.

            headers: Its headers, by lower-case name.
        """
        return _SOURCE in headers if self._is_cloud_run else "signature" in query

    def verify_query(self, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> None:
        """
        Check a request before its body is read; `unwrap` checks all.

        Args:
            query: The parameters of the request.

            headers: Its headers, by lower-case name; in cloud-run mode they alone count.

        Raises:
            SignatureError: Not signed with this token, or too old, or not through cloud-run.
        """
        if self._is_cloud_run:
            _check_source(headers)
            return
        self._verify(query, "signature", self._now())

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
        if self._is_cloud_run:
            raise SignatureError("Cloud-run checks no URL by a GET request.")
        self._verify(query, "signature", self._now())
        echostr = query.get("echostr")
        if echostr is None:
            raise ParseError("The request has no echostr.")
        return echostr

    def unwrap(self, query: Mapping[str, str], body: bytes, headers: Mapping[str, str] | None = None) -> Push:
        """
        Verify, decrypt and read a push, whether XML or JSON.

        What is verified and well-formed is a push, an `UnknownPush` at worst.

        Args:
            query: The parameters of the request.

            body: Its body.

            headers: Its headers, by lower-case name; needed in cloud-run mode.

        Raises:
            SignatureError: Not signed with this token, too old, or plaintext although there is a key; in cloud-run
                mode, without the header ``x-wx-source``.

            DecryptError: Encrypted for somebody else, or damaged.

            ParseError: Neither XML nor JSON, or empty, or too large.
        """
        if len(body) > MAX_PUSH:
            raise ParseError(f"The push is larger than {MAX_PUSH} bytes.")
        now = self._now()
        if self._is_cloud_run:
            return self._read_unsigned(body, headers)
        if self._cryptors:
            return self._open(query, body, now)
        sealed_by = self._verify(query, "signature", now), 0
        fields, is_json = read_body(body)
        if "Encrypt" in fields and not fields.keys() & {"MsgType", "InfoType"}:
            raise DecryptError("The push is encrypted, and the webhook has no encoding_aes_key.")
        return self._complete(read_push(fields, is_json=is_json), query["timestamp"], sealed_by, now)

    def wrap(self, reply: Reply | None, push: Push, query: Mapping[str, str]) -> bytes:
        r"""
        Write the answer to a push as the push came: XML or JSON, encrypted if there is a key.

        In texts ``\r\n`` becomes ``\n``; control characters and lone halves of an emoji are dropped.

        Args:
            reply: The reply; None is ``success``, which says that nothing or something later is answered.

            push: What is answered.

            query: The parameters of the push's request.
        """
        if reply is None:
            return b"success"
        now = int(self._now())
        fields = {
            "ToUserName": push.from_user_name,
            "FromUserName": push.to_user_name,
            "CreateTime": now,
            "MsgType": reply.msgtype,
            **_sendable(reply.fields()),
        }
        render = encode if push.is_json else render_xml
        if not self._cryptors:
            return render(fields)
        # A push that was not unwrapped here may name what this webhook does not have.
        token, cryptor = (_one_of(self._tokens, push.sealed_by[0]), _one_of(self._cryptors, push.sealed_by[1]))
        encrypted = cryptor.encrypt(render(fields))
        nonce = query.get("nonce", "")
        sealed = {
            "Encrypt": encrypted,
            "MsgSignature": signature(token, str(now), nonce, encrypted),
            "TimeStamp": now,
            "Nonce": nonce,
        }
        return render(sealed)

    def _read_unsigned(self, body: bytes, headers: Mapping[str, str] | None) -> Push:
        fields, is_json = read_body(body)
        now = self._clock.now()
        if fields.get("action") == "CheckContainerPath":
            return CheckContainerPathPush(create_time=now, raw=fields, is_json=is_json)
        _check_source(headers)
        push = read_push(fields, is_json=is_json)
        return push if push.create_time.timestamp() else attrs.evolve(push, create_time=now)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _verify(self, query: Mapping[str, str], name: str, now: float, *more: str) -> int:
        """
        Check signature and age; return which of the tokens it is signed with.
        """
        given, timestamp, nonce = query.get(name, ""), query.get("timestamp", ""), query.get("nonce", "")
        # By index, so that no frame of an error holds a token.
        for index in range(len(self._tokens)):
            if same(signature(self._tokens[index], timestamp, nonce, *more), given):
                break
        else:
            raise SignatureError(f"The {name} is missing or wrong.")
        if len(nonce) > _LONGEST_NONCE:
            raise SignatureError("The nonce is too long.")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise SignatureError("The timestamp is not a number.")
        if self._max_age is not None and not abs(now - int(timestamp)) <= self._max_age:
            raise SignatureError("The timestamp is too old or in the future.")
        return index

    def _open(self, query: Mapping[str, str], body: bytes, now: float) -> Push:
        encrypted: object = read_body(body)[0].get("Encrypt")
        if type(encrypted) is list:
            # Of elements that occur twice the last counts.
            encrypted = cast("list[object]", encrypted)[-1]
        if type(encrypted) is not str:
            raise SignatureError("The push is not encrypted, and the webhook has an encoding_aes_key.")
        token = self._verify(query, "msg_signature", now, encrypted)
        message, key = self._decrypt(encrypted)
        fields, is_json = read_body(message)
        return self._complete(read_push(fields, is_json=is_json), query["timestamp"], (token, key), now)

    def _decrypt(self, encrypted: str) -> tuple[bytes, int]:
        last = len(self._cryptors) - 1
        for index in range(last):
            try:
                return self._cryptors[index].decrypt(encrypted), index
            except DecryptError:
                pass
        return self._cryptors[last].decrypt(encrypted), last

    def _complete(self, push: Push, timestamp: str, sealed_by: tuple[int, int], now: float) -> Push:
        """
        Add to a push what its request tells of it, and look at its own time if that was encrypted.

        Timestamp and nonce may change places in a signature, and WeChat's nonces are numbers that are dates to come:
        what was captured long ago would pass on such a date. The time that is encrypted cannot be changed.
        """
        made = push.create_time.timestamp()
        if not made:
            push = attrs.evolve(push, create_time=read_time(timestamp))
        elif self._cryptors and self._max_age is not None and now - made > max(_MAX_DELAY, self._max_age):
            raise SignatureError("The push was made too long ago.")
        return push if sealed_by == (0, 0) else attrs.evolve(push, sealed_by=sealed_by)


def _check_source(headers: Mapping[str, str] | None) -> None:
    if headers is None or _SOURCE not in headers:
        raise SignatureError(f"The header {_SOURCE} is missing: the request did not come through cloud-run.")


def _one_of(values: Sequence[_T], index: int) -> _T:
    return values[index] if index < len(values) else values[0]


def _strings(name: str, value: str | Sequence[str]) -> tuple[str, ...]:
    """
    Take one string or several; each must hold something, and no blanks around it.
    """
    values: tuple[object, ...] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not values:
        raise ValueError(f"{name} must not be empty")
    for each in values:
        if not isinstance(each, str):
            raise TypeError(f"{name} must be a str or a sequence of them, not {type(each).__name__}")
        if not each:
            raise ValueError(f"{name} must not be empty")
        if each != each.strip():
            raise ValueError(f"{name} has blanks around it")
    return cast("tuple[str, ...]", values)


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        hint = '; for pushes without encryption, say mode="plain"' if name != "WECHAT_TOKEN" else ""
        raise ValueError(f"the environment variable {name} is not set{hint}")
    return value


def _sendable(value: object) -> Any:
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, Mapping):
        return {name: _sendable(each) for name, each in cast("Mapping[str, object]", value).items()}
    if isinstance(value, Sequence):
        return [_sendable(each) for each in cast("Sequence[object]", value)]
    return value
