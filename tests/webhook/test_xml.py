"""
XML that strangers send, and XML that nobody breaks out of.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wechat_kf._errors import ParseError
from wechat_kf.webhook.xml import MAX_DEPTH, read_xml, render_xml

BILLION_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">
<!ENTITY lol1 "&lol;&lol;&lol;&lol;">]><xml><Content>&lol1;</Content></xml>"""
FILE = b'<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]><xml><Content>&xxe;</Content></xml>'

READ: dict[str, tuple[bytes, dict[str, Any]]] = {
    "text, CDATA, empty": (
        b"<xml><A>1</A><B><![CDATA[ <b> ]]></B><C/><D></D></xml>",
        {"A": "1", "B": " <b> ", "C": "", "D": ""},
    ),
    "nested, with blanks": (b"<xml>\n <A>\n  <B>1</B> x\n </A>\n</xml>", {"A": {"B": "1"}}),
    "siblings": (b"<xml><L><i>1</i><i>2</i><i>3</i></L></xml>", {"L": {"i": ["1", "2", "3"]}}),
    "attributes": (b'<xml a="1"><A b="2">3</A></xml>', {"A": "3"}),
    "references": (b"<xml><A>&lt;&#20320;&#x597d;&amp;</A></xml>", {"A": "<你好&"}),
    "two sections": (b"<xml><A><![CDATA[x]]]]><![CDATA[>y]]></A></xml>", {"A": "x]]>y"}),
    "declaration of another encoding": (
        '<?xml version="1.0" encoding="gbk"?><xml><A>你好</A></xml>'.encode(),
        {"A": "你好"},
    ),
    "long text": (b"<xml><A>" + b"x" * 50_000 + b"</A></xml>", {"A": "x" * 50_000}),
    "control character": (b"<xml><A>one\x1dtwo\x00</A></xml>", {"A": "onetwo"}),
    "control character in CDATA": (b"<xml><A><![CDATA[one\x1dtwo]]></A></xml>", {"A": "onetwo"}),
    "noncharacter": ("<xml><A>one\ufffetwo</A></xml>".encode(), {"A": "onetwo"}),
    "reference to a control character": (b"<xml><A>one&#29;&#x1D;&#x000;two&#33;</A></xml>", {"A": "onetwo!"}),
    "reference beyond Unicode": (b"<xml><A>one&#x110000;&#99999999999;two</A></xml>", {"A": "onetwo"}),
    "reference to a surrogate": (b"<xml><A>one&#xD83D;two</A></xml>", {"A": "onetwo"}),
    "what looks like a reference in CDATA": (b"<xml><A><![CDATA[&#29;]]>\x1d</A></xml>", {"A": "&#29;"}),
    "broken UTF-8": (b"<xml><A>one\xfftwo</A></xml>", {"A": "one\ufffdtwo"}),
    "surrogate in UTF-8": (b"<xml><A>\xed\xa0\xbd</A></xml>", {"A": "\ufffd\ufffd\ufffd"}),
    "DOCTYPE in CDATA": (b"<xml><A><![CDATA[<!DOCTYPE html>]]></A></xml>", {"A": "<!DOCTYPE html>"}),
    "blanks beside sections": (
        b"<xml>\n\t<A>\n<![CDATA[ x\n]]>\r\n</A><B> <![CDATA[y]]></B><C><![CDATA[z]]>\n</C></xml>",
        {"A": " x\n", "B": "y", "C": "z"},
    ),
    "blanks beside sections, deep": (
        b"<xml><L>\n<i>\n<A>\n<![CDATA[1]]>\n</A>\n</i>\n<i> <A> <![CDATA[2]]></A></i>\n</L></xml>",
        {"L": {"i": [{"A": "1"}, {"A": "2"}]}},
    ),
    "blanks beside an empty section": (b"<xml><A> <![CDATA[]]></A><B><![CDATA[]]>\n</B></xml>", {"A": "", "B": ""}),
    "blanks between two sections": (b"<xml><A>\n<![CDATA[x]]> \n <![CDATA[y]]>\n</A></xml>", {"A": "xy"}),
    "blanks and a comment beside a section": (b"<xml><A> <!-- c --> <![CDATA[x]]> <!-- --></A></xml>", {"A": "x"}),
    "text beside a section": (b"<xml><A> a <![CDATA[ x ]]> b </A></xml>", {"A": " a  x  b "}),
    "ideographic space beside a section": ("<xml><A>\u3000<![CDATA[x]]></A></xml>".encode(), {"A": "\u3000x"}),
    "blanks without a section": (b"<xml><A> x </A><B>\n</B></xml>", {"A": " x ", "B": "\n"}),
    "blanks beside a section and a control character": (b"<xml><A> <![CDATA[x\x1d]]> </A></xml>", {"A": "x"}),
    "a section in a section's text": (
        b"<xml><A><![CDATA[ <![CDATA[ ]]]]><![CDATA[> ]]></A></xml>",
        {"A": " <![CDATA[ ]]> "},
    ),
    "an emoji in two references": (b"<xml><A>&#55357;&#xDE00;</A></xml>", {"A": "😀"}),
    "an emoji in two halves of UTF-8": (b"<xml><A>\xed\xa0\xbd\xed\xb8\x80</A></xml>", {"A": "😀"}),
    "a processing instruction and a comment": (b"<?x y?><xml><!-- z --><A>1</A></xml>", {"A": "1"}),
}


@pytest.mark.parametrize(("body", "fields"), READ.values(), ids=READ)
def test_reads(body: bytes, fields: dict[str, Any]) -> None:
    """
    What stands in the document is read, without what XML forbids.
    """
    assert read_xml(body) == fields


REFUSED = {
    "nothing": b"",
    "no XML": b"hello",
    "no children": b"<xml>hello</xml>",
    "cut off": b"<xml><A>1</A>",
    "crossed": b"<xml><A><B></A></B></xml>",
    "two roots": b"<xml><A>1</A></xml><xml/>",
    "unknown entity": b"<xml><A>&nbsp;</A></xml>",
    "sections never closed": b"<xml>\x1d" + b"<![CDATA[" * 20_000,
    "a doctype": b"<!DOCTYPE html><xml><A>1</A></xml>",
    "a doctype and a control character": b"<!DOCTYPE html><xml><A>\x1d</A></xml>",
    "billion laughs": BILLION_LAUGHS,
    "a file": FILE,
    "deep": b"<a>" * 10_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refuses(body: bytes) -> None:
    """
    What is no XML, or more than XML's elements and texts, is refused.
    """
    with pytest.raises(ParseError) as caught:
        read_xml(body)

    assert "passwd" not in str(caught.value)


def test_depth_has_a_limit() -> None:
    """
    The deepest nesting allowed is read, one more is refused.
    """
    deepest = b"<x>" * MAX_DEPTH + b"1" + b"</x>" * MAX_DEPTH

    assert read_xml(deepest)
    with pytest.raises(ParseError, match="deep"):
        read_xml(b"<x>" + deepest + b"</x>")


def test_writes() -> None:
    """
    Texts stand in CDATA, numbers plain, mappings nested, and lists as items.
    """
    fields = {"A": "你好", "N": 1, "M": {"B": ""}, "L": [{"C": "1"}, {"C": "2"}]}

    assert render_xml(fields).decode() == (
        "<xml><A><![CDATA[你好]]></A><N>1</N><M><B><![CDATA[]]></B></M>"
        "<L><item><C><![CDATA[1]]></C></item><item><C><![CDATA[2]]></C></item></L></xml>"
    )


@pytest.mark.parametrize("value", [None, Exception("<x/>")])
def test_writes_no_objects(value: object) -> None:
    """
    What is no text is not written as if its markup were ours.
    """
    with pytest.raises(TypeError, match=r"Title cannot be a (NoneType|Exception)"):
        render_xml({"Title": value})


@settings(deadline=None)
@given(st.lists(st.sampled_from([" ", "\n", "\r", "\t"])).map("".join), st.lists(st.text("ab \n<&]>")))
def test_blanks_never_count(blanks: str, texts: list[str]) -> None:
    """
    Whatever texts stand in sections, blanks about the sections change nothing.
    """
    plain = render_xml({"A": {"T": texts}, "B": "x"})
    spaced = plain.replace(b"<![CDATA[", blanks.encode() + b"<![CDATA[")
    # Sections of one text are joined without what stands between them, so that they may be spaced too.
    spaced = spaced.replace(b"]]></", b"]]>" + blanks.encode() + b"</")

    assert read_xml(spaced) == read_xml(plain)


LEGAL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@settings(deadline=None)
@given(st.lists(st.one_of(st.just("]]>"), st.just("<![CDATA["), st.just("]"), LEGAL)).map("".join))
def test_nothing_breaks_out(text: str) -> None:
    """
    Any text comes back as one text, whatever markup it holds.
    """
    assert read_xml(render_xml({"A": text, "MsgType": "text"})) == {"A": text, "MsgType": "text"}


@settings(deadline=None)
@given(st.text(st.characters()))
def test_illegal_characters_are_dropped(text: str) -> None:
    """
    Any text can be written, and what is written is well-formed: only what XML forbids is missing.
    """
    (read,) = read_xml(render_xml({"A": text})).values()
    kept = iter(text.replace("\r\n", "\n").replace("\r", "\n"))

    assert all(each in kept for each in read)
