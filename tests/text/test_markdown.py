"""
Markdown as language models write it, made text that WeChat can show.
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncGenerator, Callable

import pytest

from wechat_kf.text import _markdown, markdown_to_text, pack, stream_markdown

# What models write, and what a customer reads.
ANSWERS: dict[str, tuple[str, str]] = {
    "plain": ("您好，\n请问需要什么帮助？", "您好，\n请问需要什么帮助？"),
    "headings": (
        "# 退货\n请看说明。\n\n### 第一步 ###\n\n寄回\n\n说明\n---\n完",
        "退货\n请看说明。\n\n第一步\n\n寄回\n\n说明\n完",
    ),
    "emphasis": ("**七天**内*可以*退，***务必***保留 __发票__ 和 _小票_。", "七天内*可以*退，务必保留 发票 和 小票。"),
    "emphasis beside punctuation": (
        "**“引号”**后，前**“引号”**，**重点：**内容，**说明（必读）**如下。他说**“好”**；**完成！**OK",
        "“引号”后，前“引号”，重点：内容，说明（必读）如下。他说“好”；完成！OK",
    ),
    "emphasis of a link": ("**[官网](https://a.cn)**的说明", '<a href="https://a.cn">官网</a>的说明'),
    "emphasis that is none": (
        "2*3*4，长*宽*高，5 * 6，snake_case_name，**未完",
        "2*3*4，长*宽*高，5 * 6，snake_case_name，**未完",
    ),
    "list": ("材料：\n- 发票\n* 保修卡\n+ 原包装", "材料：\n• 发票\n• 保修卡\n• 原包装"),
    "nested list": (
        "1. **打开**设置\n   - 选择“账号”\n     1. 点击\n   - 保存\n2. 退出",
        "1. 打开设置\n   • 选择“账号”\n     1. 点击\n   • 保存\n2. 退出",
    ),
    "loose list": ("1. 一\n\n   补充\n\n2. 二\n\n3. 三", "1. 一\n\n   补充\n\n2. 二\n\n3. 三"),
    "list that starts late": ("5. 五\n6. 六\n\n7) 七", "5. 五\n6. 六\n\n7) 七"),
    "list of ones": ("1. 一\n1. 二\n\n1. 三", "1. 一\n2. 二\n\n3. 三"),
    "list with code": ("- 运行\n  ```sh\n  ls *.py\n\n  cd\n  ```\n- 完成", "• 运行\n  ls *.py\n\n  cd\n• 完成"),
    "empty item": ("-\n- a\n- ", "•\n• a\n•"),
    "tasks": ("- [ ] 付款\n- [x] 下单\n- [X] 选货\n- [y] 无", "☐ 付款\n☑ 下单\n☑ 选货\n• [y] 无"),
    "table": (
        "| 套餐 | 价格 | 备注 |\n|:--|--:|--|\n| **基础** | `99` | |\n| 高级<br>版 | ~~2~~ 1 | [详情](https://a.cn) |",
        '套餐 | 价格 | 备注\n基础 | 99 |\n高级 版 | ~~2~~ 1 | <a href="https://a.cn">详情</a>',
    ),
    "code": (
        "运行：\n```python\nprint('**a**')\n\nx = 1  # y\n```\n即可",
        "运行：\nprint('**a**')\n\nx = 1  # y\n即可",
    ),
    "code that does not end": ("```python\nx = [1]\n\ny", "x = [1]\n\ny"),
    "no code": ("```\n```\n完", "完"),
    "indented code": ("看：\n\n    a *b* c\n\n完", "看：\n\na *b* c\n\n完"),
    "code in a line": ("用 `a*b*c` 和 ``x`y``", "用 a*b*c 和 x`y"),
    "links": (
        '[官网](https://a.cn/?x=1&y=2 "标题")、<https://b.cn>、https://c.cn/a_b_c、[](https://d.cn)、[https://e.cn](https://e.cn)',
        '<a href="https://a.cn/?x=1&y=2">官网</a>、https://b.cn、https://c.cn/a_b_c、https://d.cn、https://e.cn',
    ),
    "other targets": (
        "[邮箱](mailto:a@b.cn)、[10086](tel:10086)、[目录](#top)、[文档](/doc)、[坏](javascript:alert(1))、[菜单](weixin://dl/chat)",
        '邮箱 (a@b.cn)、10086、目录、文档、[坏](javascript:alert(1))、<a href="weixin://dl/chat">菜单</a>',
    ),
    "reference": ("见[说明][1]。\n\n[1]: https://a.cn", '见<a href="https://a.cn">说明</a>。'),
    "quotes in a target": ('[x](https://a.cn/"b)', '<a href="https://a.cn/%22b">x</a>'),
    "pictures": (
        "![门店](https://a.cn/1.png)\n![](https://a.cn/2.png)\n[![图](https://a.cn/3.png)](https://b.cn)\n![无](data:image/png;base64,AA)",
        '<a href="https://a.cn/1.png">门店</a>\nhttps://a.cn/2.png\n<a href="https://b.cn">图</a>\n无',
    ),
    "html": (
        "一<br>二<BR/><b>粗</b> <a class=x href='https://a.cn'>去</a>，`List<T>` List<String>，a<b，c<!-- 无 --><?p?>",
        '一\n二\n粗 <a href="https://a.cn">去</a>，List<T> List<String>，a<b，c<?p?>',
    ),
    "links of html": (
        "<a href=\"javascript:x\">坏</a></a><a name=x>名</a> <a href='https://a.cn'>未完",
        "坏名 未完",
    ),
    "blocks of html": ("<details>\n<summary>摘要</summary>\n\n内容\n\n</details>", "摘要\n\n内容"),
    "entities": ("a &lt; b &amp;&nbsp;c \\*x\\*", "a < b &\xa0c *x*"),
    "formulas": (
        "质能 $E=mc^2$，$x*y*z$，\\(a_1*b*c_2\\)，$$a*b*$$，价格$5和$10，$PATH:$HOME，\\$，$ x $",
        "质能 E=mc^2，x*y*z，a_1*b*c_2，a*b*，价格$5和$10，$PATH:$HOME，$，$ x $",
    ),
    "signs within words": ('2**(3)**4\n\na**"b"**c', '2**(3)**4\n\na**"b"**c'),
    "formula in a link": ("[价 $x]*y$ 格](https://a.cn)", '<a href="https://a.cn">价 x]*y 格</a>'),
    "displayed formulas": (
        "解：\n$$\nx = a\n+ b*c*d\n- e\n$$\n即\n\\[ y\n= z \\]\n$$ 未完\n\n完\n\n- $$\n$$",
        "解：\nx = a\n+ b*c*d\n- e\n即\ny\n= z\n$$ 未完\n\n完\n\n•",
    ),
    "formula that closes on its second line": ("\\[ y\n- z \\]", "y\n- z"),
    "formula without a content": ("$$$$\n- a\n$$", "$$$$\n• a\n  $$"),
    "quote": ("> 引用\n> **二**\n>\n> > 深\n\n答", "> 引用\n> 二\n>\n> > 深\n\n答"),
    "rules": ("上\n\n---\n\n***\n下", "上\n\n———\n\n———\n下"),
    "line ends": ("一  \n二\\\n三\r\n\r\n\r\n四", "一\n二\n三\n\n四"),
    "halves of an emoji": ("\ud83d\ude00\ud83d**好**", "😀好"),
    "nothing": ("\n \n<!-- -->\n\n[a]: b\n", ""),
    "much": (
        """\
## 退货流程

1. **申请**：在“我的订单”里点击**“退货”**。

   > 七天内有效

2. **寄回**：
   | 地区 | 时间 |
   |---|---|
   | 北京 | 1 天 |

详见[说明](https://a.cn)。

```
订单号
```
祝好！
""",
        """\
退货流程

1. 申请：在“我的订单”里点击“退货”。

   > 七天内有效

2. 寄回：
   地区 | 时间
   北京 | 1 天

详见<a href="https://a.cn">说明</a>。

订单号
祝好！""",
    ),
}


async def stream(text: str, size: int) -> AsyncGenerator[str | None]:
    """
    Yield a text in pieces, and then None.
    """
    for at in range(0, len(text), size):
        yield text[at : at + size]
    yield None


@pytest.mark.parametrize(("markdown", "text"), ANSWERS.values(), ids=ANSWERS)
def test_whole(markdown: str, text: str) -> None:
    """
    A customer reads what the model meant, without its marks.
    """
    assert markdown_to_text(markdown) == text


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "reference"])
async def test_streamed(name: str, size: int) -> None:
    """
    However a stream is divided into pieces, the text is that of the whole.
    """
    markdown, text = ANSWERS[name]
    blocks = [block async for block in stream_markdown(stream(markdown, size))]

    assert "".join(blocks).rstrip() == text
    assert all(block.strip() for block in blocks)


async def test_blocks_that_nobody_writes() -> None:
    """
    Blocks in any order, streamed or whole, give the same text, except in a few odd cases.
    """
    lines = [
        "# 标题",
        "正文 **粗**，",
        "- a",
        "  - b",
        "    c",
        "1. 一",
        "2. 二",
        "   补",
        "```",
        "",
        "",
        "",
        "> 引",
        "> - q",
    ]
    lines += ["| a | b |", "|---|---|", "---", "===", "$$", "* s", "10) x", "~~~", " 1. p", "12", "<b>x</b>"]
    dice = random.Random(1)  # noqa: S311 - the same each time
    different = 0
    for _ in range(500):
        markdown = "\n".join(dice.choices(lines, k=dice.randint(1, 12)))
        blocks = [block async for block in stream_markdown(stream(markdown, dice.choice((1, 3, 100))))]
        different += "".join(blocks).rstrip() != markdown_to_text(markdown).rstrip()

    # Such as code that begins in a list and is ended by what follows the list.
    assert different < 10


async def test_target_that_is_told_before() -> None:
    """
    In a stream a target serves all the links behind it.
    """
    markdown = "[1]: https://a.cn\n\n一\n\n见[说明][1]。"

    assert [block async for block in stream_markdown(stream(markdown, 3))] == [
        "一\n\n",
        '见<a href="https://a.cn">说明</a>。',
    ]


async def test_each_block_as_soon_as_it_is_whole() -> None:
    """
    A block is there when the next one begins, and packed with others it is a message.
    """
    seen: list[str] = []

    async def think() -> AsyncGenerator[str]:
        yield "## 退"
        yield "货\n\n1"
        assert seen == []
        yield ". "
        assert seen == ["退货"]
        yield f"**寄回**{'很长' * 100}\n\n2"
        assert len(seen) == 1
        yield ". 退款"
        assert len(seen) == 2

    async for message in pack(stream_markdown(think())):
        seen.append(message)  # noqa: PERF401 - the stream looks at it

    assert seen == ["退货", f"1. 寄回{'很长' * 100}", "2. 退款"]


async def test_closing_closes_the_stream() -> None:
    """
    What packs a converted stream closes it, and with it the model's.
    """
    closed: list[bool] = []

    async def think() -> AsyncGenerator[str]:
        try:
            yield "一\n\n二\n\n三"
        finally:
            closed.append(True)

    messages = pack(stream_markdown(think()))
    first = await anext(messages)
    await messages.aclose()

    assert first == "一"
    assert closed == [True]


def test_nested_too_deep() -> None:
    """
    What is nested deeper than anybody reads is left as it is; nothing is lost.
    """
    assert markdown_to_text("> " * 100 + "x") == "> " * 100 + "x"
    assert markdown_to_text("- " * 5 + "x") == "• • • • • x"


# Each is repeated. A parser that reads something again for each is here a thousand times as slow.
PATTERNS = [
    *("[", "![[", "[a](", "[a](b '", "*a_ ", "**a *b ", "a**b", "_a__b", "`a", "<", "<a ", "<!--", "<?", "<![CDATA["),
    *("$a", "$$a", "\\(", "\\[", "$$ a\n", "\\[ a\n", "&#x", "|", "a|b\n", "[a]: b\n", "[a]:\n", "# a\n", "a\n="),
    *("> a\n\n", "- a\n\n  b\n\n", "```\n", "~~~a\n\n", "1. a\n\n", "    a\n\n", "\n", " ", "\t", "很长", "很长\n\n"),
    *("> ", "- ", "1. "),
]
HOSTILE = [
    *(pattern * 3000 for pattern in PATTERNS),
    f"|{'a|' * 600}\n|{'-|' * 600}\n" + "|\n" * 600,
    "".join(f"{'  ' * indent}- a\n" for indent in range(100)),
    f"[a]: {'b' * 1000}\n\n" + "[a]" * 3000,
]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_hostile(number: int) -> None:
    """
    What is made to be slow comes out, whole and streamed; were time to grow faster than the text, this would not end.
    """
    whole = markdown_to_text(HOSTILE[number])
    streamed = [piece async for piece in stream_markdown(stream(HOSTILE[number], 4))]

    assert bool(whole.strip()) == bool("".join(streamed).strip())


@pytest.mark.parametrize(
    "call", [lambda: markdown_to_text("x"), lambda: stream_markdown(stream("x", 1))], ids=["whole", "streamed"]
)
def test_without_the_extra(call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the parser the error names the extra, before anything is read of a stream.
    """
    _markdown._parser.cache_clear()
    monkeypatch.delitem(sys.modules, "wechat_kf.text._markdown_parser", raising=False)
    monkeypatch.setitem(sys.modules, "markdown_it", None)

    with pytest.raises(ImportError, match=r"wechat-kf\[markdown\]"):
        call()
