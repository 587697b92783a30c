"""
WeChat's message encryption and signatures, in both directions: to read pushes, and to make them.

AES-256-CBC whose IV is the start of the key, PKCS#7 with a block of 32 bytes, and inside: 16 random bytes, the length
of the message in 4 bytes (big-endian), the message, the appid.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import string
from typing import Final

from .._errors import DecryptError

__all__ = ["Cryptor", "decode_key", "same", "signature"]

_BLOCK: Final = 32  # of the padding; the cipher's own is 16
_KEY_ALPHABET: Final = frozenset(string.ascii_letters + string.digits + "+/")


def signature(*parts: str) -> str:
    """
    Sign as WeChat does: SHA-1 over the sorted parts (token, timestamp, nonce and, if encrypted, the ciphertext).
    """
    # Lone surrogates can stand in a query; they are to be refused by the comparison, not to raise.
    encoded = sorted([part.encode("utf-8", "surrogatepass") for part in parts])
    return hashlib.sha1(b"".join(encoded), usedforsecurity=False).hexdigest()


def same(expected: str, given: str) -> bool:
    """
    Compare in constant time, whatever characters the stranger's text holds.
    """
    return hmac.compare_digest(expected.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))


def decode_key(encoding_aes_key: str) -> bytes:
    """
    Decode an EncodingAESKey, 43 characters of Base64 without padding, to 32 bytes.

    Its last character often carries spare bits that are not zero; they are ignored.

    Raises:
        ValueError: It is not 43 characters of Base64.
    """
    if len(encoding_aes_key) != 43 or not _KEY_ALPHABET.issuperset(encoding_aes_key):
        raise ValueError(
            f"encoding_aes_key must be 43 letters and digits, as the console shows it; got {len(encoding_aes_key)} "
            "characters"
        )
    return binascii.a2b_base64(encoding_aes_key + "=")


class Cryptor:
    """
    Encrypt and decrypt with one EncodingAESKey for one appid.
    """

    __slots__ = ("_appid", "_cipher")

    def __init__(self, encoding_aes_key: str, appid: str) -> None:
        key = decode_key(encoding_aes_key)
        try:
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError("encrypted pushes need the package cryptography: install wechat-kf[webhook]") from error
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._appid = appid.encode()

    def encrypt(self, message: bytes, *, random16: bytes | None = None) -> str:
        """
        Encrypt a message into Base64.

        Args:
            message: What to encrypt.

            random16: 16 bytes to begin with, for tests; random by default.
        """
        random16 = os.urandom(16) if random16 is None else random16
        plain = b"".join((random16, len(message).to_bytes(4, "big"), message, self._appid))
        pad = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher.encryptor()
        sealed = encryptor.update(plain + bytes((pad,)) * pad) + encryptor.finalize()
        return binascii.b2a_base64(sealed, newline=False).decode("ascii")

    def decrypt(self, encrypted: str) -> bytes:
        """
        Decrypt a message from Base64 and check whom it is for.

        Raises:
            DecryptError: Anything is wrong. Always the same text: which of the checks failed would help a forger.
        """
        try:
            decryptor = self._cipher.decryptor()
            plain = decryptor.update(binascii.a2b_base64(encrypted)) + decryptor.finalize()
        except ValueError:
            plain = b""
        pad = plain[-1] if plain else 0
        end = len(plain) - pad
        length = int.from_bytes(plain[16:20], "big")
        if (
            1 <= pad <= _BLOCK
            and end - 20 - len(self._appid) == length
            and plain.endswith(bytes((pad,)) * pad)
            and hmac.compare_digest(plain[20 + length : end], self._appid)
        ):
            return plain[20 : 20 + length]
        raise DecryptError("The push cannot be decrypted with this encoding_aes_key for this appid.") from None
