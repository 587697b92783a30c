"""
Encryption and signatures, against the vendor's samples and against tampering.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechat_kf import _errors
from wechat_kf.webhook import crypto

from .sending import APPID, CRYPTOR, KEY

SAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "samples" / "vectors.json").read_text(encoding="utf-8")
)["webhook_crypto"]
SAMPLE = {sample["kind"]: sample for sample in SAMPLES}


@pytest.mark.parametrize("kind", ["url_verification", "plain_push"])
def test_signs_as_the_vendor_does(kind: str) -> None:
    """
    The vendor's plain signatures come out.
    """
    sample = SAMPLE[kind]

    assert crypto.signature(sample["token"], sample["timestamp"], sample["nonce"]) == sample["signature"]


def test_decrypts_the_vendors_push() -> None:
    """
    The vendor's encrypted push is signed as stated, and decrypts to the stated text.
    """
    sample = SAMPLE["safe_push"]
    query, encrypted = sample["query"], sample["body"]["Encrypt"]
    signed = crypto.signature(sample["token"], query["timestamp"], query["nonce"], encrypted)
    cryptor = crypto.Cryptor(sample["encoding_aes_key"], sample["appid"])

    assert signed == query["msg_signature"]
    assert cryptor.decrypt(encrypted) == sample["plaintext"].encode()
    assert cryptor.encrypt(sample["plaintext"].encode(), random16=sample["random16"].encode()) == encrypted


def test_encrypts_the_vendors_reply() -> None:
    """
    The vendor's reply comes out byte for byte, given its 16 random bytes.
    """
    sample = SAMPLE["safe_reply"]
    reply = sample["reply"]
    cryptor = crypto.Cryptor(sample["encoding_aes_key"], sample["appid"])
    encrypted = cryptor.encrypt(sample["plaintext"].encode(), random16=sample["random16"].encode())
    signed = crypto.signature(sample["token"], str(reply["TimeStamp"]), reply["Nonce"], encrypted)

    assert encrypted == reply["Encrypt"]
    assert signed == reply["MsgSignature"]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_decrypts_what_it_encrypted(message: bytes) -> None:
    """
    Every message of every length, so with every padding from 1 to 32, comes back.
    """
    assert CRYPTOR.decrypt(CRYPTOR.encrypt(message)) == message


def test_does_not_repeat_itself() -> None:
    """
    The same message encrypts differently each time.
    """
    assert CRYPTOR.encrypt(b"hello") != CRYPTOR.encrypt(b"hello")


def seal(plain: bytes) -> str:
    """
    Encrypt a plaintext as it stands, with nothing added.
    """
    encryptor = CRYPTOR._cipher.encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def framed(message: bytes, *, length: int | None = None, appid: str = APPID, pad: bytes | None = None) -> bytes:
    """
    Build a plaintext by hand, with what is wrong about it.
    """
    plain = b"r" * 16 + (len(message) if length is None else length).to_bytes(4, "big") + message + appid.encode()
    size = 32 - len(plain) % 32
    return plain + (bytes([size]) * size if pad is None else pad)


# 16 + 4 + 10 + 18 bytes are 48, so 16 bytes of padding complete them.
DAMAGED = {
    "empty": "",
    "not Base64": "A",
    "not ASCII": "啊",
    "not whole blocks": base64.b64encode(b"x" * 17).decode(),
    "noise": base64.b64encode(b"x" * 64).decode(),
    "only padding": seal(bytes([16]) * 16),
    "padding of 0": seal(framed(b"0123456789", pad=b"\x00" * 16)),
    "padding of 33": seal(framed(b"0123456789", pad=b"!" * 48)),
    "padding that is not all the same": seal(framed(b"0123456789", pad=b"\x0f" * 15 + b"\x10")),
    "padding longer than all": seal(b"\x20" * 16),
    "length too large": seal(framed(b"0123456789", length=11)),
    "length too small": seal(framed(b"0123456789", length=9)),
    "length enormous": seal(framed(b"0123456789", length=2**32 - 1)),
    "another appid": seal(framed(b"0123456789", appid="wx0000000000000000")),
    "no appid": seal(framed(b"0123456789", appid="")),
    "an appid too long": seal(framed(b"0123456789", appid=APPID + "0")),
}


def test_framed_by_hand_is_right() -> None:
    """
    Without a fault, the plaintext built by hand decrypts.
    """
    assert CRYPTOR.decrypt(seal(framed(b"0123456789"))) == b"0123456789"


@pytest.mark.parametrize("encrypted", DAMAGED.values(), ids=DAMAGED)
def test_every_damage_is_one_error(encrypted: str) -> None:
    """
    Whatever is wrong, the error is the same to the letter, so that it helps no forger.
    """
    with pytest.raises(_errors.DecryptError) as caught:
        CRYPTOR.decrypt(encrypted)

    assert str(caught.value) == "The push cannot be decrypted with this encoding_aes_key for this appid."
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_message_or_the_error(encrypted: str) -> None:
    """
    No text makes decryption fail in another way.
    """
    with pytest.raises(_errors.DecryptError):
        CRYPTOR.decrypt(encrypted)


def test_key_may_have_spare_bits() -> None:
    """
    A key whose last character carries spare bits is the key without them.
    """
    key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

    assert crypto.decode_key(key) == crypto.decode_key(key[:-1] + "E")
    assert len(crypto.decode_key(key)) == 32


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + " ", "A" * 42 + "啊"])
def test_wrong_key_is_refused(key: str) -> None:
    """
    A key that is not 43 characters of Base64 is refused, and the message does not show it.
    """
    with pytest.raises(ValueError, match="43") as caught:
        crypto.Cryptor(key, APPID)

    assert not key or key not in str(caught.value)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the package cryptography, the error says what to install.
    """
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)

    with pytest.raises(ImportError, match=r"wechat-kf\[webhook\]"):
        crypto.Cryptor(KEY, APPID)


@settings(deadline=None)
@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_compares_any_texts(one: str, other: str) -> None:
    """
    Comparison takes any characters, lone surrogates too, and is equality.
    """
    assert crypto.same(one, one)
    assert crypto.same(one, other) == (one == other)
    assert len(crypto.signature(one, other)) == 40
