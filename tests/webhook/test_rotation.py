"""
Tokens and keys: from the environment, and several while they are changed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from wechat_kf import DecryptError, SignatureError, SystemClock
from wechat_kf.webhook import TextMessage, TextReply, Webhook
from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import read_xml, render_xml

from .sending import APPID, CLOCK, KEY, NOW, TEXT, TOKEN, sealed, signed

OLD_TOKEN, OLD_KEY = "OLDTOKEN", "B" * 43
CRYPTORS = {KEY: Cryptor(KEY, APPID), OLD_KEY: Cryptor(OLD_KEY, APPID)}
XML, JSON = render_xml(TEXT), json.dumps(TEXT).encode()
BOTH = Webhook([TOKEN, OLD_TOKEN], (KEY, OLD_KEY), APPID, clock=CLOCK)


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize("body", [XML, JSON], ids=["XML", "JSON"])
def test_either_token_and_key(token: str, key: str, body: bytes) -> None:
    """
    While both are changed, a push with either of each is read, and answered with the same.
    """
    push_query, push_body = sealed(body, token=token, cryptor=CRYPTORS[key])
    push = BOTH.unwrap(push_query, push_body)
    answer = BOTH.wrap(TextReply("您好"), push, push_query)
    read: Any = json.loads if body is JSON else read_xml
    fields = read(answer)
    parts = (str(fields["TimeStamp"]), fields["Nonce"], fields["Encrypt"])

    assert isinstance(push, TextMessage)
    assert fields["MsgSignature"] == signature(token, *parts)
    assert read(CRYPTORS[key].decrypt(fields["Encrypt"]))["Content"] == "您好"


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
def test_either_token_without_a_key(token: str) -> None:
    """
    In plain mode, and to verify the URL, either token is good, and no other.
    """
    hook = Webhook((TOKEN, OLD_TOKEN), clock=CLOCK)

    assert hook.unwrap(signed(token=token), XML).openid == TEXT["FromUserName"]
    assert hook.verify_url(signed(token=token, echostr="1")) == "1"
    hook.verify_query(signed(token=token))
    query = signed(token="OTHER", echostr="1")
    with pytest.raises(SignatureError):
        hook.unwrap(query, XML)
    with pytest.raises(SignatureError):
        hook.verify_url(query)
    with pytest.raises(SignatureError):
        hook.verify_query(query)


def test_no_other_token_or_key() -> None:
    """
    What is signed or sealed with a third is refused.
    """
    with pytest.raises(SignatureError):
        BOTH.unwrap(*sealed(XML, token="OTHER"))
    with pytest.raises(DecryptError) as caught:
        BOTH.unwrap(*sealed(XML, cryptor=Cryptor("C" * 43, APPID)))

    assert caught.value.__cause__ is None


def test_push_from_elsewhere_is_answered_with_the_newest() -> None:
    """
    A push that another webhook read, with more keys, is answered with what there is.
    """
    push_query, push_body = sealed(XML, token=OLD_TOKEN, cryptor=CRYPTORS[OLD_KEY])
    answer = read_xml(
        Webhook(TOKEN, KEY, APPID, clock=CLOCK).wrap(TextReply("1"), BOTH.unwrap(push_query, push_body), {})
    )

    assert answer["MsgSignature"] == signature(TOKEN, answer["TimeStamp"], "", answer["Encrypt"])
    assert CRYPTORS[KEY].decrypt(answer["Encrypt"])


WRONG: dict[str, tuple[tuple[Any, ...], type[Exception], str]] = {
    "an empty token": (("",), ValueError, "token must not be empty"),
    "no token": (([],), ValueError, "token must not be empty"),
    "an empty token among others": ((["a", ""],), ValueError, "token must not be empty"),
    "a token of bytes": ((b"token",), TypeError, "token must be a str"),
    "nothing": ((None,), TypeError, "plain mode the token"),
    "None among others": ((["a", None],), TypeError, "token must be a str"),
    "a blank before the token": ((" token",), ValueError, "token has blanks around it"),
    "a line break after the token": (("token\n",), ValueError, "token has blanks around it"),
    "an empty key": ((TOKEN, "", APPID), ValueError, "encoding_aes_key must not be empty"),
    "no key": ((TOKEN, [], APPID), ValueError, "encoding_aes_key must not be empty"),
    "a short key": ((TOKEN, "A" * 42, APPID), ValueError, "encoding_aes_key must be 43"),
    "a blank after the key": ((TOKEN, KEY + " ", APPID), ValueError, "encoding_aes_key has blanks around it"),
    "a key without an appid": ((TOKEN, KEY), TypeError, "encoding_aes_key needs the appid"),
    "an empty appid": ((TOKEN, KEY, ""), ValueError, "appid must not be empty"),
    "a blank before the appid": ((TOKEN, KEY, " wx1"), ValueError, "appid has blanks around it"),
}


@pytest.mark.parametrize(("arguments", "error", "match"), WRONG.values(), ids=WRONG)
def test_wrong_construction(arguments: tuple[Any, ...], error: type[Exception], match: str) -> None:
    """
    What cannot be right is refused at once, by name.
    """
    with pytest.raises(error, match=match):
        Webhook(*arguments)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """
    Set all variables.
    """
    monkeypatch.setenv("WECHAT_TOKEN", TOKEN)
    monkeypatch.setenv("WECHAT_ENCODING_AES_KEY", KEY)
    monkeypatch.setenv("WECHAT_APPID", APPID)
    return monkeypatch


def test_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    """
    All three variables make a webhook of safe mode; several of one are separated by commas.
    """
    assert isinstance(Webhook.from_env(clock=CLOCK).unwrap(*sealed(XML)), TextMessage)
    with pytest.raises(SignatureError):
        Webhook.from_env(clock=CLOCK).unwrap(signed(), XML)

    environment.setenv("WECHAT_TOKEN", f"NEW,{TOKEN}")
    environment.setenv("WECHAT_ENCODING_AES_KEY", f"{OLD_KEY},{KEY}")
    assert isinstance(Webhook.from_env(clock=CLOCK).unwrap(*sealed(XML)), TextMessage)


@pytest.mark.parametrize("name", ["WECHAT_TOKEN", "WECHAT_ENCODING_AES_KEY", "WECHAT_APPID"])
def test_missing_variable_is_no_weaker_mode(name: str, environment: pytest.MonkeyPatch) -> None:
    """
    A variable that is missing or empty is an error that names it; plain mode has to be asked for.
    """
    environment.delenv(name)
    with pytest.raises(ValueError, match=f"{name} is not set"):
        Webhook.from_env()
    environment.setenv(name, "")
    with pytest.raises(ValueError, match=f"{name} is not set"):
        Webhook.from_env()

    if name == "WECHAT_TOKEN":
        with pytest.raises(ValueError, match=f"{name} is not set"):
            Webhook.from_env(mode="plain")
    else:
        assert repr(Webhook.from_env(mode="plain")) == "<Webhook plain>"


def test_plain_mode_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    """
    Plain mode that is asked for reads the token only, and another mode is refused.
    """
    anything: Any = "compatible"

    assert isinstance(Webhook.from_env(mode="plain", clock=CLOCK).unwrap(signed(), XML), TextMessage)
    with pytest.raises(ValueError, match="mode must be 'safe', 'plain' or 'cloud-run'"):
        Webhook.from_env(mode=anything)
    environment.setenv("WECHAT_TOKEN", f"{TOKEN}, OLD")
    with pytest.raises(ValueError, match="token has blanks"):
        Webhook.from_env()


def test_default_clock() -> None:
    """
    Without a clock the machine's own counts.
    """
    now = str(int(SystemClock().now().timestamp()))

    assert Webhook(TOKEN).verify_url(signed(at=now, echostr="1")) == "1"
    with pytest.raises(SignatureError, match="too old"):
        Webhook(TOKEN).verify_url(signed(at=str(NOW), echostr="1"))
