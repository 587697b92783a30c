"""
The page in a browser: what people do with it, and what they see.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from importlib.resources import files
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from wechat_kf.testing import FakeWeChat

from .stage import Visitor, served_bot, started_browser

pytestmark = pytest.mark.browser

# A busy machine needs several times as long.
expect.set_options(timeout=30_000)

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001"
    "f61738550000000049454e44ae426082"
)
TWO_DAYS = "+48 小时"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Give a stand-in on the real clock, as the command has it.
    """
    return FakeWeChat()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """
    Run on asyncio, which Playwright needs.
    """
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[Browser]:
    """
    Start a browser.
    """
    async with started_browser() as browser:
        yield browser


@pytest.fixture
async def visitor(browser: Browser) -> AsyncGenerator[Visitor]:
    """
    Give somebody who opens pages; no page may complain of anything.
    """
    visitor = Visitor(browser)
    yield visitor
    await visitor.leave()

    assert visitor.complaints == []


@pytest.fixture
async def address(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve a stand-in with a bot.
    """
    async with served_bot(fake) as address:
        yield address


async def say(page: Page, text: str) -> None:
    """
    Write as the customer.
    """
    await page.locator("#phone-text").fill(text)
    await page.locator("#phone-text").press("Enter")


def phone(page: Page, text: str) -> Locator:
    """
    Find something in the phone's conversation.
    """
    return page.locator("#phone-thread .item", has_text=text)


async def test_a_conversation(visitor: Visitor, address: str, fake: FakeWeChat) -> None:
    """
    A typed message reaches the bot, and its answer appears, with what may still be sent and what went over the wire.
    """
    page = await visitor.visit(address)
    await expect(page.locator("#allowance")).to_contain_text("窗口已关闭")
    await say(page, "你好")
    await expect(phone(page, "您说：你好")).to_be_visible()
    await expect(page.locator("#allowance")).to_contain_text("还可下发 5 条，剩余 4")
    await say(page, "AI")
    await expect(phone(page, "由模型写成")).to_contain_text("内容由第三方AI生成")
    await say(page, "链接")
    link = page.get_by_role("link", name="说明")
    await expect(link).to_have_attribute("href", "https://example.com/a?b=1&c=2")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    await page.locator("#rows .row", has_text="custom/send").click()
    await expect(page.locator("#details")).to_contain_text('"content": "由模型写成"')
    await page.locator("#rows .row", has_text="你好").click()
    await expect(page.locator("#details")).to_contain_text("<Content><![CDATA[您说：你好]]></Content>")
    await page.locator("#find").fill("由模型写成")
    await expect(page.locator("#rows .row")).to_have_count(1)

    assert [shown.text for shown in fake.shown_to("customer-1")][1:2] == ["由模型写成"]


async def test_markup_is_text(visitor: Visitor, address: str) -> None:
    """
    What is written is shown as it is, whatever it looks like.
    """
    page = await visitor.visit(address)
    markup = '<img src=x onerror="alert(1)"><script>alert(1)</script><a href="javascript:alert(1)">x</a>'
    await say(page, markup)
    await expect(phone(page, "您说：")).to_contain_text('<img src=x onerror="alert(1)"><script>alert(1)</script>x')

    assert await page.locator("#phone-thread img, #phone-thread a").count() == 0


async def test_pictures_and_menus(visitor: Visitor, address: str, fake: FakeWeChat) -> None:
    """
    A picture goes to the bot and comes back; a tapped menu entry is what the customer says.
    """
    page = await visitor.visit(address, language="en-US")
    await page.locator("#picture").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PNG})
    pictures = page.get_by_alt_text("Picture")
    await expect(pictures).to_have_count(2)
    await page.wait_for_function("[...document.querySelectorAll('.picture')].every((each) => each.naturalWidth === 1)")
    await say(page, "菜单")
    await page.get_by_role("button", name="不满意").click()
    await expect(phone(page, "您说：不满意")).to_be_visible()
    await page.get_by_text("More", exact=True).click()
    for name in ("Voice", "Video", "File", "Pay"):
        await page.get_by_role("button", name=name, exact=True).click()
        await expect(page.locator("#troubles")).to_be_empty()
    await expect(page.locator("#phone-thread .card")).to_have_count(3)
    await expect(page.locator("#allowance")).to_contain_text("Any number")

    assert fake.pushes[-1].kind == "file"


async def test_the_desk(visitor: Visitor, address: str, fake: FakeWeChat) -> None:
    """
    A customer who asks for a person waits at the desk, is accepted, answered, handed to another agent, and let go.
    """
    page = await visitor.visit(address, language="en-US")
    for name in ("kf1@demo", "kf2@demo"):
        await page.get_by_role("button", name="New agent").click()
        await expect(page.locator("#agent")).to_have_value(name)
    await page.locator("#agent").select_option("kf1@demo")
    await say(page, "我要人工")
    await page.get_by_role("button", name="Accept customer-1").click()
    await expect(page.locator("#session-title")).to_have_text("With customer-1")
    await page.locator("#desk-text").fill("您好，我是小林")
    await page.locator("#desk-text").press("Enter")
    await expect(phone(page, "您好，我是小林")).to_contain_text("Agent kf1@demo")
    await say(page, "订单没有发货")
    await expect(page.locator("#desk-thread .left", has_text="订单没有发货")).to_be_visible()
    await page.locator("#hand-over").select_option("kf2@demo")
    await expect(phone(page, "kf1@demo handed the customer over to kf2@demo")).to_be_visible()
    await expect(page.locator("#session-title")).to_have_text("No session")
    await page.locator("#agent").select_option("kf2@demo")
    await page.get_by_role("button", name="End session").click()
    await expect(phone(page, "kf2@demo ended the session")).to_be_visible()
    await page.locator("#online").uncheck()
    await expect(page.locator("#agent")).to_contain_text("kf2@demo (offline)")
    await page.get_by_role("button", name="Queue the phone's customer").click()
    await expect(page.locator("#queue-count")).to_have_text("1")
    await page.locator("#agent").select_option("kf1@demo")
    await page.locator("#auto-accept").fill("1")
    await page.locator("#auto-accept").press("Tab")
    await expect(page.locator("#session-count")).to_have_text("1")
    await expect(page.locator("#desk-thread")).to_contain_text("订单没有发货")

    assert [each.sessions for each in fake.agents] == [1, 0]


async def test_refusals_are_explained(visitor: Visitor, address: str, fake: FakeWeChat) -> None:
    """
    When the window has closed, a message is refused, and the page says why and what to do; so it does of each trouble.
    """
    page = await visitor.visit(address)
    await say(page, "你好")
    await expect(phone(page, "您说：你好")).to_be_visible()
    await page.get_by_role("button", name=TWO_DAYS).click()
    await page.get_by_role("button", name="+1 分钟").click()
    await expect(page.locator("#allowance")).to_contain_text("窗口已关闭")
    async with fake.client() as http:
        token = await http.post(
            "http://localhost/cgi-bin/stable_token",
            json={"grant_type": "client_credential", "appid": fake.appid, "secret": fake.secret},
        )
        body = {"touser": "customer-1", "msgtype": "text", "text": {"content": "late"}}
        url = "http://localhost/cgi-bin/message/custom/send"
        await http.post(url, params={"access_token": token.json()["access_token"]}, json=body)
    trouble = page.locator("#phone-thread .trouble")
    await expect(trouble).to_contain_text("45015")
    await expect(trouble).to_contain_text("须等客户再次发来消息")
    await trouble.get_by_role("button", name="查看报文").click()
    await expect(page.locator("#details .reason")).to_contain_text("45015: 客户上次互动太久了")
    await page.locator("#fault-kind").select_option("fault_45009")
    await page.get_by_role("button", name="制造故障").click()
    await expect(page.locator("#link")).to_contain_text("下一次发送将按所选方式失败")
    await say(page, "AI")
    await expect(trouble.last).to_contain_text("当天的配额已用完")
    await expect(page.locator("#link")).to_have_text("实时")
    await page.locator("#kinds").select_option("refused")
    await expect(page.locator("#rows .outcome")).to_have_text(["45009", "45015"])
    await page.locator("#language").click()
    await expect(trouble.last).to_contain_text("The daily quota of this call is used up")


async def test_a_bot_that_does_not_answer(visitor: Visitor, fake: FakeWeChat) -> None:
    """
    A push that is not answered in time, and a reply that WeChat does not take, are shown as what they are.
    """

    async def bot(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if fake.limits.push < 1:
            await anyio.sleep_forever()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<xml>"})

    fake.set_callback(bot, token="TOKEN")
    async with fake.serve() as base_url:
        page = await visitor.visit(base_url, language="en-US")
        await say(page, "hi")
        await expect(phone(page, "The bot's reply was refused: it is no XML")).to_be_visible()
        fake.limits.push = 0.1
        await say(page, "hi")
        await expect(phone(page, "did not answer in time (attempt 4)")).to_be_visible()
        await page.locator("#rows .row", has_text="attempt 4").click()
        await expect(page.locator("#details .reason")).to_contain_text("No answer came in five seconds")


async def test_several_customers(visitor: Visitor, address: str, fake: FakeWeChat) -> None:
    """
    Each customer has a conversation of their own, and what a control refuses is told.
    """
    page = await visitor.visit(address)
    await say(page, "我是甲")
    await expect(phone(page, "您说：我是甲")).to_be_visible()
    await page.get_by_role("button", name="新建客户").click()
    await say(page, "我是乙")
    await expect(phone(page, "您说：我是乙")).to_be_visible()
    await expect(phone(page, "我是甲")).to_have_count(0)
    await page.get_by_text("更多", exact=True).click()
    for name, shown in (("拒收消息", "已拒收"), ("加入黑名单", "在黑名单中"), ("取消关注", "没有关注")):
        await page.get_by_role("button", name=name, exact=True).click()
        await expect(page.locator("#allowance")).to_contain_text(shown)
    await say(page, "还在吗")
    await expect(page.get_by_role("alert")).to_contain_text("does not follow the account")
    await expect(page.locator("#phone-text")).to_have_value("还在吗")
    await page.locator("#scan input").fill("海报")
    await page.get_by_role("button", name="扫码").click()
    await expect(phone(page, "关注了账号")).to_have_count(2)
    await page.locator("#click input").fill("HELP")
    await page.get_by_role("button", name="点击").click()
    await expect(phone(page, "点击了菜单 HELP")).to_be_visible()
    await page.locator("#customer").select_option("customer-1")
    await expect(phone(page, "您说：我是甲")).to_be_visible()

    assert [each.openid for each in fake.customers] == ["customer-1", "customer-2"]


async def test_several_accounts(visitor: Visitor, fake: FakeWeChat) -> None:
    """
    With several accounts the page shows the one that is chosen; without a callback it says how to start a bot.
    """
    fake.add_account("wx2").user_says("other", "另一个账号")
    async with fake.serve() as base_url:
        page = await visitor.visit(base_url)
        await expect(page.locator("#no-callback")).to_contain_text("wechat-kf simulate --bot")
        await page.locator("#appid").select_option("wx2")
        await expect(phone(page, "另一个账号")).to_be_visible()
        await say(page, "在")
        await expect(phone(page, "在")).to_be_visible()

    assert [each.openid for each in fake.accounts[1].customers] == ["other"]
    assert fake.customers == ()


async def test_coming_back_after_a_restart(visitor: Visitor) -> None:
    """
    When the stand-in is started again, the page is live again by itself, and shows the new one.
    """
    first, second = FakeWeChat(), FakeWeChat()
    async with first.serve() as base_url:
        page = await visitor.visit(base_url)
        await say(page, "第一次")
        await expect(phone(page, "第一次")).to_be_visible()
    await expect(page.locator("#link")).to_contain_text("正在重连")
    await say(page, "没有人听到")
    await expect(page.get_by_role("alert")).to_contain_text("连接已断开")
    async with second.serve(port=int(base_url.rpartition(":")[2])):
        await expect(page.locator("#link")).to_have_text("实时")
        await expect(page.locator("#phone-thread")).to_have_text("还没有消息，发一条试试。")
        await say(page, "第二次")
        await expect(phone(page, "第二次")).to_be_visible()
        await page.close()

    assert [each.openid for each in second.customers] == ["customer-1"]


async def test_languages(visitor: Visitor, address: str) -> None:
    """
    The page speaks the browser's language, or the one that was chosen, also when it is loaded again.
    """
    page = await visitor.visit(address, language="zh-TW")
    await expect(page.get_by_role("heading", level=1)).to_have_text("微信客服模拟器")
    await page.locator("#language").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("WeChat KF simulator")
    await page.reload()
    await expect(page.get_by_role("heading", level=2)).to_have_text(["Phone", "Agents' desk", "Wire"])

    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_by_keyboard(visitor: Visitor, address: str) -> None:
    """
    Everything can be done without a mouse, in the order in which it is read.
    """
    page = await visitor.visit(address, language="en-US")
    await page.locator("#new-customer").focus()
    reached: list[str] = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    await page.locator("#phone-text").focus()
    await page.keyboard.type("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await expect(phone(page, "您说：one\ntwo")).to_be_visible()
    await say(page, "three")
    await expect(page.locator("#rows .row")).to_have_count(2)
    await page.locator("#rows .row").first.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#details")).to_contain_text("one")
    await expect(page.locator("#rows .row[aria-pressed=true]")).to_be_focused()

    assert reached == ["phone-thread", "phone-text", "Send", "picture", "more"]


@pytest.mark.parametrize(
    ("width", "language", "colors"),
    [(360, "zh-CN", "light"), (800, "en-US", "dark"), (1440, "zh-CN", "dark"), (1440, "en-US", "light")],
)
async def test_accessibility(
    visitor: Visitor, fake: FakeWeChat, address: str, *, width: int, language: str, colors: str
) -> None:
    """
    axe-core finds no fault with a page that has something of everything on it, and nothing stands out or is cut off.
    """
    fake.agent_online("kf1@demo")
    for openid, text in (("a", "人工"), ("b", "人工"), ("c", "菜单"), ("c", "链接"), ("c", "长" * 500), ("c", "AI")):
        fake.user_says(openid, text)
        await fake.settle()
    fake.agent_accepts("kf1@demo", "a")
    for _ in range(20):
        fake.agent_says("a", "您好")
    fake.user_sends_image("c", PNG)
    fake.user_sends_file("c")
    await fake.settle()
    await fake.client().post("http://localhost/cgi-bin/message/custom/send", json={"touser": "c"})
    page = await visitor.visit(address, language=language, width=width, color_scheme=colors, bypass_csp=True)
    await page.locator("#phone-thread .trouble").wait_for()
    await page.locator("#more").click()
    await page.locator("#rows .outcome.bad").first.click()
    await page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
    sideways = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    desk, thread, form = [
        await page.evaluate(f"document.getElementById('{each}').getBoundingClientRect()")
        for each in ("desk", "desk-thread", "desk-form")
    ]

    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert len(found["passes"]) > 20
    assert sideways == 0
    assert 100 < thread["height"] < 500
    assert form["bottom"] <= desk["bottom"]


async def test_thousands_of_messages(visitor: Visitor, fake: FakeWeChat) -> None:
    """
    However much happens, the page holds no more than can be read, and goes on with what comes.
    """
    async with fake.serve() as base_url:
        page = await visitor.visit(base_url)
        for number in range(3000):
            fake.user_says("customer-1", f"第{number}条")
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
        async with fake.client() as http:
            for number in range(1000):
                await http.post("http://localhost/cgi-bin/message/custom/send", json={"number": number})
        await expect(phone(page, "第2999条")).to_be_visible()
        await expect(page.locator("#rows .row")).to_have_count(200)
        await say(page, "还快吗")
        await expect(phone(page, "还快吗")).to_be_visible()
        nodes = await page.evaluate("document.getElementsByTagName('*').length")
        shown = await page.locator("#phone-thread .item").count()
        await page.locator("#phone-thread").evaluate("(place) => (place.scrollTop = 0)")
        await page.get_by_role("button", name="显示更早的消息").click()
        more = await page.locator("#phone-thread .item").count()

    assert shown == 150
    assert more == 300
    assert nodes < 3000


async def test_with_a_token(visitor: Visitor, fake: FakeWeChat) -> None:
    """
    Where a token is asked for, the page opens with it once, and then lives without it in its address.
    """
    async with fake.serve(page_token="T0K3N") as base_url:
        page = await visitor.visit(f"{base_url}/stand-in/?token=T0K3N")
        await say(page, "你好")
        await expect(phone(page, "你好")).to_be_visible()

    assert page.url == f"{base_url}/stand-in/"
