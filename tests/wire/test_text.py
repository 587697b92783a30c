"""
Texts as they are sent: without what WeChat refuses, and with all that a customer can see.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf._wire.json import encode
from wechat_kf._wire.text import hold_back, join_halves, sendable

CASES: dict[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a plain text": ("您好, hello", "您好, hello"),
    "what is kept": (" 您好\n\t👩‍👩‍👧\u3000\u2028x\u00a0", " 您好\n\t👩‍👩‍👧\u3000\u2028x\u00a0"),
    "line ends": ("a\r\nb\rc\n\rd\r\r\n", "a\nb\nc\n\nd\n\n"),
    "control characters": ("铃\x07声\x1b[1m\x00\x0b\x0c\x7f\x85\x9f", "铃声[1m"),
    "noncharacters": ("a\ufffeb\uffffc", "abc"),
    "lone halves": ("a\ud83db\ude00c\ud83d", "abc"),
    "a pair in two": ("a\ud83d\ude00b", "a😀b"),
    "a pair and lone halves": ("\ude00\ud83d\ud83d\ude00\ude00", "😀"),
}


@pytest.mark.parametrize(("text", "sent"), CASES.values(), ids=CASES)
def test_sendable(text: str, sent: str) -> None:
    """
    What WeChat refuses is dropped or rewritten; all else stays.
    """
    assert sendable(text) == sent
    assert sendable(sent) == sent


@given(st.text(st.characters()))
def test_any_text_can_be_sent(text: str) -> None:
    """
    Whatever the text, it can be written as JSON without escapes but those that WeChat takes.
    """
    sent = sendable(text)
    written = encode({"content": sent}).decode()

    assert json.loads(written) == {"content": sent}
    assert r"\u" not in written.replace("\\\\", "")


@given(st.lists(st.text(st.sampled_from("a\r\n\ud83d\ude00")) | st.text(st.characters())))
def test_pieces_of_a_stream(pieces: list[str]) -> None:
    """
    Pieces that are cut anywhere, also within a character or a line end, make the same text as the whole.
    """
    sent, held = "", ""
    for piece in pieces:
        now, held = hold_back(held + piece)
        sent += sendable(now)

    assert sent + sendable(held) == sendable("".join(pieces))


@pytest.mark.parametrize(
    ("body", "joined"),
    [
        (b"a\xed\xa0\xbd\xed\xb8\x80b", "a😀b".encode()),
        (b"\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80", b"\xed\xa0\xbd" + "😀".encode()),
        (b"\xed\xb8\x80\xed\xa0\xbd", b"\xed\xb8\x80\xed\xa0\xbd"),
        ("힣😀".encode(), "힣😀".encode()),
    ],
)
def test_halves_in_utf8(body: bytes, joined: bytes) -> None:
    """
    Two halves of a pair that were encoded by themselves are joined; all else stays.
    """
    assert join_halves(body) == joined
