"""
A stream of text made a few messages.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat_kf.text import pack


async def stream(pieces: Iterable[str | None]) -> AsyncGenerator[str | None]:
    """
    Yield pieces.
    """
    for piece in pieces:
        yield piece


async def packed(pieces: Iterable[str | None], messages: int = 5, limit: int = 2048) -> tuple[list[str], str]:
    """
    Pack pieces; return the messages, and what did not fit.
    """
    made = pack(stream(pieces), messages=messages, limit=limit)
    return [message async for message in made], made.rest


def pack_at_once(pieces: Iterable[str | None], messages: int = 5, limit: int = 2048) -> tuple[list[str], str]:
    """
    Pack pieces where no event loop runs.
    """
    coroutine = packed(pieces, messages, limit)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: tuple[list[str], str] = stop.value
        return result
    raise AssertionError("it waited")


def same(text: str) -> str:
    """
    Leave the white space out of a text.
    """
    return "".join(text.split())


@pytest.mark.parametrize(
    ("pieces", "messages"),
    [
        ([], []),
        ([""], []),
        ([None, " ", "\n\n \n"], []),
        (["你", None, "好"], ["你好"]),
        (["你好\n", "\n世界"], ["你好", "世界"]),
        (["你好\r", "\n\r\n世界\r"], ["你好", "世界"]),
        (["你好\n \t\n\n\n  世界"], ["你好", "  世界"]),
        (["\n\n你好\n\n\n"], ["你好"]),
        (["一\n二\n三"], ["一\n二\n三"]),
        (["\ud83d", "\ude00\n\n\ud83d"], ["😀"]),
        (["a\x1db\x00"], ["ab"]),
        (["\ud83d", "x"], ["x"]),
    ],
)
async def test_paragraphs(pieces: list[str | None], messages: list[str]) -> None:
    """
    A message ends at a blank line; blank messages, and what WeChat cannot be sent, are left out.
    """
    assert await packed(pieces) == (messages, "")


async def test_first_paragraph_leaves_at_once() -> None:
    """
    A message is there as soon as its last piece is, while the stream goes on.
    """
    got: list[str] = []

    async def think() -> AsyncGenerator[str]:
        yield "马上"
        yield "为您查询。\n\n"
        assert got == ["马上为您查询。"]
        yield "找" * 200
        assert len(got) == 1
        yield "\n\n"
        assert len(got) == 2
        yield "还有"

    async for message in pack(think()):
        got.append(message)  # noqa: PERF401 - the stream looks at it

    assert got == ["马上为您查询。", "找" * 200, "还有"]


async def test_short_paragraphs_do_not_use_up_the_messages() -> None:
    """
    An answer in many short paragraphs leaves in messages of several, and none of it is lost.
    """
    paragraphs = [f"{number}. 第{number}步，请看说明书。" for number in range(1, 120)]
    messages, rest = await packed("\n\n".join(paragraphs))

    assert rest == ""
    assert messages[0] == paragraphs[0]
    assert "\n\n".join(messages) == "\n\n".join(paragraphs)
    assert [len(message.encode()) > least for message, least in zip(messages, (0, 400, 900, 1400, 0), strict=True)] == [
        True
    ] * 5


async def test_what_does_not_fit() -> None:
    """
    The last message ends in "…", before the stream has ended; what is missing is there when it has.
    """
    lines = [f"第{number}行，请看说明书。\n" for number in range(1000)]
    seen: list[str] = []

    async def think() -> AsyncGenerator[str]:
        for line in lines:
            yield line
        assert len(seen) == 2

    made = pack(think(), messages=2)
    async for message in made:
        seen.append(message)  # noqa: PERF401 - the stream looks at it

    assert [message[-1] for message in seen] == ["。", "…"]
    assert all(2000 < len(message.encode()) <= 2048 for message in seen)
    assert same("".join(seen).removesuffix("…") + made.rest) == same("".join(lines))


@given(
    st.lists(st.text(st.sampled_from("a你😀 \n\r，<>👨\u200d️\ud83d\ude00"), max_size=40), max_size=30),
    st.integers(1, 6),
    st.integers(7, 80),
)
def test_limits(pieces: list[str], most: int, limit: int) -> None:
    """
    There are never more messages than allowed, none longer than the limit or blank, and nothing else is lost.
    """
    messages, rest = pack_at_once(pieces, most, limit)
    text = "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")

    assert len(messages) <= most
    assert all(message.strip() and len(message.encode()) <= limit for message in messages)
    assert same("".join(messages).removesuffix("…" if rest else "") + rest) == same(text)
    if len(text.encode()) <= most * limit // 2:
        assert rest == ""


@given(st.text(st.sampled_from("a你😀 \n，"), max_size=400), st.integers(1, 5), st.integers(20, 100), st.data())
def test_pieces_do_not_matter(text: str, most: int, limit: int, data: st.DataObject) -> None:
    """
    However a stream is divided into pieces, the messages are the same.
    """
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert pack_at_once(pieces, most, limit) == pack_at_once(text, most, limit)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("before", ["请看" * 10, "see " * 20])
async def test_links_stay_whole(before: str, *, streamed: bool) -> None:
    """
    No message ends within a link, also where its end has not come yet.
    """
    link = '<a href="https://example.com/returns">退货说明</a>'
    text = before + link + "，谢谢。" * 20
    messages, _ = await packed(text if streamed else [text], limit=100)

    assert [message for message in messages if link in message]
    assert messages[0].rstrip() == before.rstrip()


@pytest.mark.parametrize("pieces", [" " * 2_000_000, "\n" * 300_000, "a" + " " * 300_000 + "b"], ids=len)
async def test_white_space_without_end(pieces: str) -> None:
    """
    A stream of white space takes neither memory nor messages.
    """
    begin = time.process_time()
    messages, rest = await packed([pieces])
    await packed(pieces[:20_000])

    assert (same("".join(messages)), len(messages) <= 2, rest) == (same(pieces), True, "")
    assert time.process_time() - begin < 5


async def test_much_at_once() -> None:
    """
    A megabyte in one piece, or in many, is quick.
    """
    begin = time.process_time()
    text = "很长的回答。\n\n" * 50_000
    whole = await packed([text])
    pieces = await packed(text[at : at + 4] for at in range(0, len(text), 4))

    assert whole == pieces
    assert time.process_time() - begin < 10


async def test_closing_closes_the_stream() -> None:
    """
    What is left early closes the stream, begun or not; a stream that cannot be closed is let be.
    """
    closed: list[str] = []

    class Model:
        def __init__(self, name: str) -> None:
            self._name = name

        def __aiter__(self) -> Model:
            return self

        async def __anext__(self) -> str:
            return "text\n\n"

        async def aclose(self) -> None:
            closed.append(self._name)

    class Uncloseable:
        def __aiter__(self) -> Uncloseable:
            return self

        async def __anext__(self) -> str:
            return "text\n\n"

    new, begun = pack(Model("new")), pack(Model("begun"))
    first = await anext(begun)
    for each in (new, begun, pack(Uncloseable())):
        await each.aclose()
    left = [[message async for message in each] for each in (new, begun)]

    assert first == "text"
    assert closed == ["new", "begun"]
    assert left == [[], []]


async def test_failing_stream() -> None:
    """
    If the stream fails, so does the iteration, and then it is over.
    """

    async def think() -> AsyncGenerator[str]:
        yield "one\n\ntwo"
        raise LookupError

    made = pack(think())
    first = await anext(made)
    with pytest.raises(LookupError):
        await anext(made)

    assert first == "one"
    assert [message async for message in made] == []


async def test_cancelled() -> None:
    """
    A cancelled wait for the next message cancels the stream.
    """
    ended: list[bool] = []

    async def think() -> AsyncGenerator[str]:
        try:
            yield "one\n\n"
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    made = pack(think())
    await anext(made)
    with anyio.move_on_after(0.01):
        await anext(made)

    assert ended == [True]
    assert [message async for message in made] == []


@pytest.mark.parametrize(("options", "said"), [({"messages": 0}, "messages"), ({"limit": 6}, "limit")])
def test_numbers_out_of_range(options: dict[str, int], said: str) -> None:
    """
    What no message can keep to is refused at once.
    """
    with pytest.raises(ValueError, match=said):
        pack(stream([]), **options)


def test_what_is_no_stream() -> None:
    """
    What cannot be iterated over asynchronously is refused at once.
    """
    pieces: AsyncIterable[str] = ["text"]  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    with pytest.raises(TypeError, match="async"):
        pack(pieces)
