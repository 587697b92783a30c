"""
What hooks are told holds nothing that must stay here.
"""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import pytest

from wechat_kf import AsyncKfClient, KfError, Text, instrumentation
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.bot import Answer, Bot
from wechat_kf.instrumentation import Hook
from wechat_kf.testing import DropAfter, Errcode, FakeWeChat
from wechat_kf.tokens import STABLE_TOKEN
from wechat_kf.webhook import TextMessage

from ..bot.stage import ALICE, TOKEN, Stage
from ..recorder import Recorder, recording

CLASSES = [
    each
    for name in instrumentation.__all__
    if isinstance(each := getattr(instrumentation, name), type) and each is not Hook
]
WORDS = "一句谁也不该看到的话"


@pytest.mark.parametrize("cls", CLASSES)
def test_details_are_frozen(cls: type[attrs.AttrsInstance]) -> None:
    """
    Every class of details is frozen, and its fields are plain values.
    """
    plain = {"str", "int", "float", "bool", "None", "str | None", "int | None", "float | None"}
    words = {"CallEffect", "PushOutcome", "Mapping[str, str]"}

    assert cls.__setattr__ is not object.__setattr__
    assert [
        field.name
        for field in attrs.fields(cls)
        if field.type not in plain | words and not str(field.type).startswith("Literal[")
    ] == []


async def make_all_happen(hook: Recorder) -> set[str]:
    """
    Make calls that succeed and fail, and pushes that are answered in every way; return what must not be told.
    """
    stage = Stage(hooks=[hook])
    fake = stage.fake
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[hook], clock=stage.clock)
    bot = Bot(stage.hook, kf, clock=stage.clock, drain=0)

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> Any:
        if "bad" in push.content:
            raise LookupError(WORDS)
        if "late" in push.content:
            await stage.clock.sleep(6)
        return Answer(WORDS, passive=push.content != "sent")

    async def say(text: str) -> None:
        await stage.request("POST", stage.signed(openid=ALICE), stage.text(WORDS + text), app=bot)

    async def push_all() -> None:
        async with bot, anyio.create_task_group() as tasks:
            for text in ("reply", "sent", "bad"):
                await say(text)
            tasks.start_soon(say, "late")
            await stage.advance(5)
            await stage.advance(1)
            await stage.request("GET", {"signature": "1", "echostr": WORDS}, app=bot)

    for fault in (Errcode(45015), DropAfter()):
        fake.fault(SEND_CUSTOM_MESSAGE, fault)
        with pytest.raises(KfError):
            await kf.send_custom_message(ALICE, Text(WORDS))
    fake.revoke_tokens()
    await kf.send_custom_message(ALICE, Text(WORDS))
    await push_all()
    fake.fault(STABLE_TOKEN, Errcode(40125))
    fake.revoke_tokens()
    with pytest.raises(KfError):
        await kf.get_kf_session(ALICE)
    tokens = {call.query["access_token"] for call in fake.calls if "access_token" in call.query}
    return {*tokens, fake.secret, ALICE, WORDS, TOKEN, fake.appid}


async def test_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """
    Whatever happens, no detail holds a token, a secret, an openid, a signature or a text; nor does a line at DEBUG.
    """
    hook = recording()
    secrets = await make_all_happen(hook)
    told = repr([attrs.asdict(each) for each in hook.told])
    lines = [record for record in caplog.records if "wechat_kf" in vars(record)]
    logged = repr([(record.getMessage(), vars(record)["wechat_kf"]) for record in lines])

    assert {type(each) for each in hook.told} == set(CLASSES)
    assert [secret for secret in secrets if secret in told or secret in logged] == []
    assert len(lines) > 10
    assert "signature" not in told + logged


async def test_a_hook_without_methods_changes_nothing() -> None:
    """
    A hook that defines no method may be given, too.
    """
    fake = FakeWeChat()
    async with AsyncKfClient(fake.appid, fake.secret, http=fake.client(), hooks=[Hook()]) as kf:
        await kf.get_kf_list()

    assert [call.path for call in fake.calls] == [STABLE_TOKEN.path, GET_KF_LIST.path]
