"""
A whole text made as few messages as there may be.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf.text import split_text
from wechat_kf.text.fit import fit


@pytest.mark.parametrize("content", ["", "  \n", "你好", "你好。\n" * 30])
def test_short_text_is_cut_as_ever(content: str) -> None:
    """
    A text whose parts are few enough is cut as `split_text` does, but for blank parts.
    """
    assert fit(content, 5, 100) == ([part for part in split_text(content, 100) if part.strip()], "")


def test_closer_to_the_limit_where_it_must() -> None:
    """
    Lines that leave much of each message empty are cut elsewhere, if the text fits then.
    """
    content = ("x" * 59 + "\n") * 8
    parts, rest = fit(content, 5, 100)

    assert len(split_text(content, 100)) == 8
    assert ("".join(parts), rest) == (content, "")
    assert len(parts) == 5


def test_what_does_not_fit() -> None:
    """
    The last part ends in "…", and the rest begins where it was cut.
    """
    parts, rest = fit("一二三四。" * 100, 2, 100)

    assert parts[-1].endswith("…")
    assert "".join(parts).removesuffix("…") + rest == "一二三四。" * 100


def test_nothing_may_be_sent() -> None:
    """
    With no part allowed, all is left.
    """
    assert fit("你好", 0) == ([], "你好")


@given(st.text(st.sampled_from("a你😀 \n，"), max_size=500), st.integers(1, 6), st.integers(7, 60))
def test_limits(content: str, messages: int, limit: int) -> None:
    """
    There are never more parts than allowed, none too long or blank, and nothing but white space is lost.
    """
    parts, rest = fit(content, messages, limit)
    said = "".join(parts).removesuffix("…" if rest else "") + rest

    assert len(parts) <= messages
    assert all(part.strip() and len(part.encode()) <= limit for part in parts)
    assert said.split() == content.split() or "".join(said.split()) == "".join(content.split())
    # Some bytes of each part may be too few for the next character.
    if len(content.encode()) <= messages * (limit - 3) - 3:
        assert rest == ""
