"""
The client, its methods, messages, tokens and errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, assert_type

import attrs
import httpx
import httpx2

import wechat_kf
from wechat_kf import (
    Ack,
    Article,
    AsyncKfClient,
    Call,
    DailyQuota,
    Endpoint,
    Image,
    KfAccount,
    KfList,
    KfSession,
    KfSessionList,
    KfStatus,
    Link,
    MediaDownload,
    MemoryTokenStore,
    MenuItem,
    Message,
    MiniProgramPage,
    MpNews,
    MpNewsArticle,
    MsgList,
    MsgMenu,
    MsgRecord,
    Music,
    News,
    NoToken,
    OnlineKf,
    OnlineKfList,
    OpenSession,
    OperCode,
    Outcome,
    Quota,
    RateLimit,
    Raw,
    RenewingToken,
    RidInfo,
    StaticToken,
    SystemClock,
    TempMedia,
    Text,
    Token,
    TokenProvider,
    TokenStore,
    Video,
    Voice,
    WaitCase,
    WaitCaseList,
    WxCard,
    split_text,
)


class CentralService:
    """
    A token provider of the user's own.
    """

    async def get(self) -> str:
        return "token"

    async def invalidate(self, value: str) -> None: ...


class OwnStore:
    """
    A token store of the user's own.
    """

    async def load(self, appid: str) -> Token | None:
        return Token("token", datetime.now(UTC))

    async def save(self, appid: str, token: Token) -> None: ...

    @asynccontextmanager
    async def lock(self, appid: str) -> AsyncGenerator[None]:
        yield


provider: TokenProvider = CentralService()
static: TokenProvider = StaticToken("token")
stores: list[TokenStore] = [MemoryTokenStore(), OwnStore()]


class LikeAClient:
    """
    A class of the user's own that has what the client uses of an HTTP client.
    """

    is_closed: bool = False

    async def send(
        self, request: Any, *, stream: bool = False, auth: Any = None, follow_redirects: Any = None
    ) -> Any: ...

    async def aclose(self) -> None: ...


async def fetch_token() -> Token:
    return Token("token", datetime.now(UTC))


async def making_clients() -> None:
    AsyncKfClient("appid", "secret")
    AsyncKfClient("appid", "secret", token_api="classic", token_store=OwnStore())
    AsyncKfClient(token="token")
    AsyncKfClient(token=CentralService())
    AsyncKfClient("appid", "secret", base_url=["https://api.weixin.qq.com", "https://api2.weixin.qq.com"])
    AsyncKfClient("appid", "secret", timeout=5, max_retries=0, max_connections=8, clock=SystemClock())
    AsyncKfClient("appid", "secret", http=httpx.AsyncClient())
    AsyncKfClient("appid", "secret", token_api="stale")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncKfClient("appid", "secret", timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    AsyncKfClient("appid", "secret", http=LikeAClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncKfClient("appid", "secret", http=httpx2.AsyncClient())
    AsyncKfClient(token=RenewingToken(fetch_token, store=OwnStore(), key="central"))

    kf = AsyncKfClient.from_env()
    assert_type(kf, AsyncKfClient)
    AsyncKfClient.from_env(token_store=MemoryTokenStore(), timeout=3, base_url="https://api.weixin.qq.com")
    AsyncKfClient.from_env(tokn_store=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AsyncKfClient.from_env(timeout="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    kf.with_options(timeout="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(AsyncKfClient.from_env(max_retries=0), AsyncKfClient)
    assert_type(kf.with_options(timeout=30.0), AsyncKfClient)
    assert_type(kf.with_options(max_retries=0), AsyncKfClient)
    assert_type(kf.for_account("appid", "secret"), AsyncKfClient)
    assert_type(kf.for_account("appid", token=NoToken()), AsyncKfClient)
    kf.for_account("appid", timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    async with kf as entered:
        assert_type(entered, AsyncKfClient)
    await kf.aclose()


class OwnClient(AsyncKfClient):
    """
    A client of the user's own.
    """


async def subclassing() -> None:
    assert_type(OwnClient.from_env(), OwnClient)
    assert_type(OwnClient("appid", "secret").with_options(timeout=1), OwnClient)
    assert_type(OwnClient("appid", "secret").for_account("appid", "secret"), OwnClient)
    async with OwnClient("appid", "secret") as own:
        assert_type(own, OwnClient)


async def accounts(kf: AsyncKfClient) -> None:
    assert_type(await kf.add_kf_account("lin@shop", "Lin"), Ack)
    assert_type(await kf.add_kf_account("lin@shop", "Lin", business_id="1"), Ack)
    assert_type(await kf.update_kf_account("lin@shop", nickname="Lin"), Ack)
    assert_type(await kf.del_kf_account("lin@shop", business_id=None), Ack)
    assert_type(await kf.invite_kf_worker("lin@shop", "lin_wx"), Ack)
    assert_type(await kf.upload_kf_head_img("lin@shop", b"", filename="a.jpg", content_type="image/jpeg"), Ack)

    listed = await kf.get_kf_list()
    assert_type(listed, KfList)
    assert_type(listed.kf_list, tuple[KfAccount, ...])
    assert_type(len(listed), int)
    for account in listed:
        assert_type(account.kf_account, str | None)
        assert_type(account.invite_expire_time, datetime | None)

    online = await kf.get_online_kf_list(business_id="1")
    assert_type(online, OnlineKfList)
    assert_type(online.kf_online_list, tuple[OnlineKf, ...])
    assert_type(online.kf_online_list[0].kf_id, str | None)
    for agent in online:
        assert_type(agent.status, KfStatus | None)

    await kf.add_kf_account("lin@shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await kf.add_kf_account("lin@shop", "Lin", "1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    listed.kf_list = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def sessions(kf: AsyncKfClient) -> None:
    assert_type(await kf.create_kf_session("lin@shop", "OPENID"), Ack)
    assert_type(await kf.close_session("lin@shop", openid="OPENID"), Ack)

    session = await kf.get_kf_session("OPENID")
    assert_type(session, KfSession)
    assert_type(session.kf_account, str | None)
    assert_type(session.createtime, datetime | None)

    assert_type(await kf.get_kf_session_list("lin@shop"), KfSessionList)
    assert_type((await kf.get_kf_session_list("lin@shop")).sessionlist, tuple[OpenSession, ...])

    assert_type([each.openid for each in await kf.get_kf_session_list("lin@shop")], list[str])

    waiting = await kf.get_wait_case()
    assert_type([case.openid for case in waiting], list[str])
    assert_type(waiting, WaitCaseList)
    assert_type(waiting.count, int)
    assert_type(waiting.waitcaselist, tuple[WaitCase, ...])


async def records(kf: AsyncKfClient) -> None:
    page = await kf.get_msg_list(datetime.now(UTC), 1_700_000_000, msgid=1, number=10)
    assert_type(page, MsgList)
    assert_type(page.recordlist, tuple[MsgRecord, ...])
    assert_type((page.number, page.msgid), tuple[int, int])
    assert_type([record.opercode for record in page], list[OperCode])

    async for record in kf.iter_msg_records(1_700_000_000, datetime.now(UTC)):
        assert_type(record, MsgRecord)
        assert_type(record.time, datetime | None)
        assert_type((record.openid, record.opercode, record.text), tuple[str, OperCode, str])

    await kf.get_msg_list("2026-01-01", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def messages(kf: AsyncKfClient) -> None:
    every_kind: list[Message] = [
        Text("你好"),
        Image("media_id"),
        Voice("media_id"),
        Video("media_id", "thumb_media_id"),
        Video("media_id", "thumb_media_id", "title", "description"),
        Music("title", "description", "https://example.com/a.mp3", thumb_media_id="thumb_media_id"),
        News(Article("title", "description", "https://example.com", "https://example.com/a.jpg")),
        News([Article("title", "description", "https://example.com", "https://example.com/a.jpg")]),
        MpNews("media_id"),
        MpNewsArticle("article_id"),
        MsgMenu([MenuItem("1", "yes"), MenuItem("2", "no")], "Solved?", "Thank you."),
        MsgMenu(list=(MenuItem("1", "yes"),)),
        WxCard("card_id"),
        MiniProgramPage("title", "appid", "pages/index", "thumb_media_id"),
        Link("title", "description", "https://example.com", "https://example.com/a.jpg"),
        Raw("text", {"content": "你好"}),
    ]
    for message in every_kind:
        assert_type(message.msgtype, str)
        assert_type(await kf.send_custom_message("OPENID", message), Ack)
    assert_type(await kf.send_custom_message("OPENID", Text("hi"), kf_account="lin@shop", is_ai_msg=True), Ack)
    assert_type(await kf.send_custom_message("OPENID", "hi", businessid="7", extra={"newcontext": {"new": 1}}), Ack)
    assert_type(await kf.typing("OPENID", businessid="7", extra={"new": 1}), Ack)
    assert_type(await kf.send_custom_message("OPENID", "hi"), Ack)
    assert_type(Text("hi").content, str)
    assert_type(Video("media_id", "thumb_media_id").title, str | None)
    assert_type(MsgMenu([MenuItem("1", "yes")]).list, tuple[MenuItem, ...])
    assert_type(attrs.evolve(Text("hi"), content="ho"), Text)

    assert_type(await kf.typing("OPENID"), Ack)
    assert_type(await kf.typing("OPENID", "CancelTyping"), Ack)
    indicator: AbstractAsyncContextManager[None] = kf.typing_indicator("OPENID", businessid="7")
    async with indicator:
        await asyncio.sleep(1)

    assert_type(split_text("你好"), list[str])
    assert_type(split_text("你好", limit=600), list[str])

    async for outcome in kf.send_each([("OPENID", Text("hi"))], concurrency=10):
        assert_type(outcome, Outcome)
        assert_type((outcome.index, outcome.touser), tuple[int, str])
        assert_type(outcome.error, wechat_kf.KfError | None)

    Text()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Text(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Link("title", "description", "url")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await kf.send_custom_message("OPENID", b"hi")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await kf.typing("OPENID", "Stop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def chunks() -> Iterator[bytes]:
    yield b""


async def async_chunks() -> AsyncIterator[bytes]:
    yield b""


async def media(kf: AsyncKfClient) -> None:
    uploaded = await kf.upload_temp_media("image", Path("a.jpg"))
    assert_type(uploaded, TempMedia)
    assert_type((uploaded.type, uploaded.media_id), tuple[str, str])
    assert_type(uploaded.created_at, datetime | None)
    await kf.upload_temp_media("voice", "a.amr", filename="b.amr")
    await kf.upload_temp_media("video", b"", content_type="video/mp4")
    await kf.upload_temp_media("thumb", BytesIO())
    await kf.upload_temp_media("image", chunks())
    await kf.upload_temp_media("image", async_chunks())
    with Path("a.jpg").open("rb") as file:
        await kf.upload_temp_media("image", file)

    opening: AbstractAsyncContextManager[MediaDownload] = kf.download_temp_media("media_id")
    async with opening as download:
        assert_type(download, MediaDownload)
        assert_type((download.content_type, download.filename), tuple[str | None, str | None])
        async for chunk in download:
            assert_type(chunk, bytes)
        assert_type(await download.read(), bytes)
        await download.save("a.jpg")
        await download.save(Path("a.jpg"))

    await kf.upload_temp_media("film", b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await kf.upload_temp_media("image", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def quota(kf: AsyncKfClient) -> None:
    assert_type(await kf.clear_quota(), Ack)

    left = await kf.get_quota("/cgi-bin/message/custom/send")
    assert_type(left, Quota)
    assert_type(left.quota, DailyQuota)
    assert_type(left.rate_limit, RateLimit | None)

    failed = await kf.get_rid_info("61725984-6126f6f9-040f19c4")
    assert_type(failed, RidInfo)
    assert_type(failed.invoke_time, datetime | None)
    assert_type(failed.cost_in_ms, int)

    assert_type(await kf.get_callback_ip(), tuple[str, ...])
    assert_type(await kf.get_api_domain_ip(), tuple[str, ...])


@attrs.frozen
class Menu:
    """
    An answer of an endpoint that this library does not know.
    """

    is_menu_open: int


async def anything_else(kf: AsyncKfClient) -> None:
    typed = Endpoint("GET", "/cgi-bin/get_current_selfmenu_info", Menu, manual="", repeatable=True)
    assert_type(typed, Endpoint[Menu])
    assert_type(Call(typed), Call[Menu])
    assert_type(await kf.request(Call(typed, {"lang": "zh_CN"})), Menu)
    assert_type((await kf.request(Call(typed, query={}, json={"a": [1]}))).is_menu_open, int)

    as_it_came = Endpoint("GET", "/cgi-bin/get_current_selfmenu_info")
    assert_type(as_it_came, Endpoint[dict[str, Any]])
    assert_type(Endpoint("GET", "/cgi-bin/get_current_selfmenu_info", dict), Endpoint[dict[str, Any]])
    assert_type(await kf.request(Call(as_it_came)), dict[str, Any])


async def failures(kf: AsyncKfClient) -> None:
    try:
        await kf.get_kf_list()
    except wechat_kf.RateLimited as error:
        assert_type(error.retry_after, float)
    except wechat_kf.ReplyLimitReached as error:
        window: wechat_kf.DeliveryWindowClosed = error
        assert_type(window.rid, str | None)
    except wechat_kf.ApiError as error:
        assert_type((error.errcode, error.errmsg), tuple[int, str])
        assert_type((error.hint, error.rid), tuple[str | None, str | None])
    except wechat_kf.ReplyError as error:
        assert_type((error.where, error.status, error.body), tuple[str, int, bytes])
    except (wechat_kf.NotSent, wechat_kf.DeliveryUncertain) as error:
        transport: wechat_kf.TransportError = error
        assert_type(transport.__cause__, BaseException | None)
    except wechat_kf.KfError as error:
        assert_type(error.effect, Literal["none", "unknown"])
        assert_type(error.endpoint, str | None)
