"""
Cutting a long text into parts: nothing is lost, nothing is too long, and nothing is torn that could stay whole.
"""

from __future__ import annotations

from itertools import accumulate, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf.text import _split, split_text

# What a reader sees as one character. None of them joins the next, whichever that is.
CHARACTERS = [
    "a",
    "é",
    "e\u0301",
    "g\u0308\u0323",
    "\r\n",
    "\n",
    " ",
    "中",
    "。",
    "か\u3099",
    "한",
    "\u1112\u1161\u11ab",
    "\u1112\u1161",
    "\uac00\u11a8",
    "\uac1c\u1161\u11a8",
    "\uac01\u11a8",
    "กำ",
    "நி",
    "क्षि",
    "क्\u200dष",
    "1\ufe0f\u20e3",
    "❤\ufe0f",
    "👍🏽",
    "👩\u200d🚀",
    "👨\u200d👩\u200d👧\u200d👦",
    "👩🏾\u200d❤\ufe0f\u200d💋\u200d👨🏻",
    "🏳\ufe0f\u200d🌈",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "🙂\u200d\u2194\ufe0f",
    "🇨🇳",
    "🇩🇪",
    # The edges of ranges, and what lies just outside.
    "\u1100\u1160\u11a8",
    "\u115f\u11a7\u11ff",
    "\ua960\ud7b0\ud7cb",
    "\ua97c\ud7c6\ud7fb",
    "\ua95f",
    "\ua97d",
    "\ud7ca",
    "\ud7fc",
    "ກ\u0eb3",
    "ｶ\uff9e",
    "ﾊ\uff9f",
    "🇦🇿",
    "👍🏻",
    "👍🏿",
    "🏺",
    "🐀",
    "\U0001f000",
]
LINKS = [
    '<a href="https://example.com/?a=1&b=2">看 这里。</a>',
    "<A HREF='x'>\nhere\n</A >",
    "<a>x</a>",
]

characters = st.sampled_from(CHARACTERS)
pieces = st.lists(characters | st.sampled_from(LINKS), max_size=120)


def size(text: str) -> int:
    """
    Count the bytes of a text.
    """
    return len(text.encode())


def cuts(parts: list[str]) -> set[int]:
    """
    Tell where a text was cut.
    """
    return set(accumulate(map(len, parts[:-1])))


@given(
    st.text() | st.lists(st.sampled_from(["<a ", ">", "</a>", "a", "中", "\u0301", "\n", " "])).map("".join), st.data()
)
def test_nothing_is_lost_and_nothing_too_long(content: str, data: st.DataObject) -> None:
    """
    Whatever the text, its parts joined are the text, and none is empty or longer than the limit.
    """
    limit = data.draw(st.integers(4, max(4, size(content) + 1)))
    parts = split_text(content, limit)

    assert "".join(parts) == content
    assert all(0 < size(part) <= limit for part in parts)


@given(pieces, st.integers(70, 200))
def test_characters_and_links_stay_whole(whole: list[str], limit: int) -> None:
    """
    A cut is never inside of a character as a reader sees it, nor of a link.
    """
    parts = split_text("".join(whole), limit)

    assert "".join(parts) == "".join(whole)
    assert cuts(parts) <= cuts([*whole, ""])


@given(st.lists(characters, max_size=60), st.integers(4, 24))
def test_only_a_character_that_does_not_fit_is_torn(whole: list[str], limit: int) -> None:
    """
    Under a small limit, too, a character that fits stays whole, wherever it stands.
    """
    torn = cuts(split_text("".join(whole), limit)) - cuts([*whole, ""])
    begins = [0, *accumulate(map(len, whole))]

    for begin, piece in zip(begins, whole, strict=False):
        if size(piece) <= limit:
            assert not any(begin < cut < begin + len(piece) for cut in torn)


def test_any_two_characters_are_parted_between_them() -> None:
    """
    Where two characters are one too many, the cut is between them; so it is where another stands before them.
    """
    torn: list[tuple[str, list[str]]] = []
    for first, second in product(CHARACTERS, repeat=2):
        for before in ("", "中"):
            limit = max(size(before + first), size(second), 4)
            parts = split_text(before + first + second, limit)
            if size(before + first + second) > limit and parts != [before + first, second]:
                torn.append((first + second, parts))

    assert torn == []


@given(pieces)
def test_a_text_that_fits_is_one_part(whole: list[str]) -> None:
    """
    What fits is not cut; an empty text has no parts.
    """
    content = "".join(whole)

    assert split_text(content, max(4, size(content))) == ([content] if content else [])


@pytest.mark.parametrize(
    ("content", "limit", "parts"),
    [
        ("one two\nthree four\nfive", 20, ["one two\nthree four\n", "five"]),
        ("one\r\ntwo\r\n", 9, ["one\r\n", "two\r\n"]),
        ("one\ntwo three", 12, ["one\n", "two three"]),
        ("one two three", 10, ["one two ", "three"]),
        ("one  two", 5, ["one  ", "two"]),
        ("one\u3000two", 7, ["one\u3000", "two"]),
        ("a b\xa0c d", 6, ["a ", "b\xa0c d"]),
        ("abcdefgh", 4, ["abcd", "efgh"]),
        ("你好，世界。再见", 18, ["你好，世界。", "再见"]),
        ("你好，世界再见", 18, ["你好，", "世界再见"]),
        ("你好世界", 7, ["你好", "世界"]),
        ("你好世界", 4, ["你", "好", "世", "界"]),
        ("\n\n\n\n\n", 4, ["\n\n\n\n", "\n"]),
        ("a\nb cdefgh", 8, ["a\n", "b cdefgh"]),
        ("a\nb cdefghi", 8, ["a\n", "b ", "cdefghi"]),
        ("🇨🇳🇩🇪🇫🇷", 16, ["🇨🇳🇩🇪", "🇫🇷"]),
        # After the cut at the line's end the rest is still too long.
        ("\nabcdefghijklmno😀pqr", 16, ["\n", "abcdefghijklmno", "😀pqr"]),
    ],
)
def test_lines_then_words_then_characters(content: str, limit: int, parts: list[str]) -> None:
    """
    A part ends after a line if it can, else after a word or Chinese punctuation, else after a character.
    """
    assert split_text(content, limit) == parts


def test_the_limit_counts_bytes() -> None:
    """
    A message carries 2048 bytes: 682 Chinese characters.
    """
    parts = split_text("中" * 1000)

    assert [len(part) for part in parts] == [682, 318]


def test_a_link_moves_whole_into_the_next_part() -> None:
    """
    A link that does not fit any more begins the next part, although it holds spaces and lines.
    """
    link = '<a href="https://example.com">one\ntwo three</a>'

    assert split_text(f"See {link} now", 50) == ["See ", f"{link} ", "now"]


def test_a_link_that_fits_into_no_part_is_cut_between_characters() -> None:
    """
    A link longer than the limit begins a part and is cut, but no character in it is.
    """
    text = "👩\u200d🚀" * 3
    parts = split_text(f'See <a href="x">{text}</a> now', 24)

    assert parts == ["See ", '<a href="x">👩\u200d🚀', "👩\u200d🚀👩\u200d🚀</", "a> now"]


def test_a_link_that_fits_into_no_part_is_not_cut_before_a_mark() -> None:
    """
    In such a link a letter keeps its marks, even where a cut between code points would fill the part.
    """
    link = "<a>" + "e\u0301" * 5 + "</a>"

    assert split_text(link, 8) == ["<a>e\u0301", "e\u0301e\u0301", "e\u0301e\u0301</", "a>"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("<a b c d e f g", ["<a b c ", "d e f g"]),
        ("x b c d</a> e f", ["x b c ", "d</a> e ", "f"]),
        ("<abbr>b c</abbr>", ["<abbr>b ", "c</abbr>"]),
        ("<a <a>b</a>", ["<a ", "<a>b</a>"]),
    ],
)
def test_what_is_no_link_is_cut_as_text(content: str, parts: list[str]) -> None:
    """
    A tag that is not closed or not opened, or of another name, protects nothing; an inner one begins anew.
    """
    assert split_text(content, 8) == parts


def test_a_character_that_fits_into_no_part_is_cut_between_code_points() -> None:
    """
    Letters under piles of marks are cut as a last resort.
    """
    assert split_text("ab" + "\u0301" * 4, 5) == ["a", "b\u0301\u0301", "\u0301\u0301"]
    assert split_text("क" + "्" * 3, 6) == ["क्", "््"]


def test_an_odd_flag_stands_alone() -> None:
    """
    Regional indicators pair from the left; the odd one is the last.
    """
    assert split_text("🇨🇳🇩", 8) == ["🇨🇳", "🇩"]


def test_what_does_not_join_is_not_kept_together() -> None:
    """
    A joiner joins only pictographs, and ZWNJ keeps consonants apart.
    """
    assert split_text("ab\u200dcd", 5) == ["ab\u200d", "cd"]
    assert split_text("abcक्\u200cष", 12) == ["abcक्\u200c", "ष"]


@pytest.mark.parametrize("limit", [3, 0, -1])
def test_a_limit_below_one_code_point_is_refused(limit: int) -> None:
    """
    A limit that some code point exceeds is refused, whatever the text.
    """
    with pytest.raises(ValueError, match="at least 4"):
        split_text("", limit)


def test_a_lone_surrogate_is_refused() -> None:
    """
    What UTF-8 cannot carry is refused, and the message does not repeat the text.
    """
    with pytest.raises(ValueError, match="lone surrogate") as refusal:
        split_text("private \ud800")

    assert "private" not in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        "x" * 100_000,
        "中" * 100_000,
        "a\n" + "b" * 100_000,
        "a\nb c" * 50_000,
        "<a " * 35_000,
        "</a" * 35_000,
        "</a" + " " * 100_000,
        "<a" + "\n" * 100_000 + "</a>",
        "<a></a>" * 30_000,
        "\u0301" * 100_000,
        "क" + "्" * 100_000,
        "क्" * 100_000,
        "क\u0301" * 100_000,
        "👩" + "\ufe0f" * 100_000,
        "👩\u200d" * 100_000,
        "🇨" * 100_000,
        "\u1100" * 100_000,
        "\uac00\u1161" * 100_000,
        "\u11a8" * 100_000,
    ],
    ids=lambda content: ascii(content[:8]),
)
def test_every_code_point_is_looked_at_once(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The effort grows with the text alone: one step for each code point, also where nothing fits and nothing closes.
    """
    steps = 0
    width = _split._width

    def counted(char: str) -> int:
        nonlocal steps
        steps += 1
        return width(char)

    monkeypatch.setattr(_split, "_width", counted)
    parts = split_text(content)

    assert steps == len(content)
    assert "".join(parts) == content
    assert max(map(size, parts)) <= 2048
