"""
What who has captured pushes can do with them: send them again, and move their parts about.
"""

from __future__ import annotations

import traceback

import pytest

from wechat_kf import SignatureError, WebhookError
from wechat_kf.webhook import TextMessage, Webhook
from wechat_kf.webhook.crypto import Cryptor, signature
from wechat_kf.webhook.xml import read_xml, render_xml

from .sending import APPID, CRYPTOR, KEY, NOW, TEXT, TOKEN, clock_at, sealed, signed

XML = render_xml(TEXT)
# A nonce of WeChat's, which is a date to come.
NONCE = "1893456789"


def captured(message: bytes = XML) -> tuple[dict[str, str], bytes]:
    """
    Return a push that was sent with that nonce.
    """
    return sealed(message, nonce=NONCE)


def safe(now: float | str, max_age: float | None = 300.0) -> Webhook:
    """
    Return a webhook with a key, whose clock stands still.
    """
    return Webhook(TOKEN, KEY, APPID, max_age=max_age, clock=clock_at(now))


def test_again_within_the_window() -> None:
    """
    A push that is sent again within five minutes is what WeChat's own repetition is: it has the same key.
    """
    query, body = captured()

    assert safe(NOW).unwrap(query, body).dedupe_key == safe(NOW + 299).unwrap(query, body).dedupe_key
    with pytest.raises(SignatureError, match="too old"):
        safe(NOW + 301).unwrap(query, body)


def test_under_its_nonce() -> None:
    """
    Timestamp and nonce may change places in a signature: on the date that the nonce spells, the old push is refused.
    """
    query, body = captured()
    swapped = query | {"timestamp": query["nonce"], "nonce": query["timestamp"]}

    assert swapped["signature"] == signature(TOKEN, swapped["timestamp"], swapped["nonce"])
    with pytest.raises(SignatureError, match="made too long ago"):
        safe(NONCE).unwrap(swapped, body)
    assert isinstance(safe(NONCE, max_age=None).unwrap(swapped, body), TextMessage)


@pytest.mark.parametrize("cut", range(1, 20))
def test_digits_moved_between_timestamp_and_nonce(cut: int) -> None:
    """
    Nor does any other cut of their digits make an old push a new one.
    """
    query, body = captured()
    digits = "".join(sorted((query["timestamp"], query["nonce"])))
    for timestamp, nonce in ((digits[:cut], digits[cut:]), (digits[cut:], digits[:cut])):
        moved = query | {"timestamp": timestamp, "nonce": nonce}
        if int(timestamp) > NOW + 3600:
            with pytest.raises(SignatureError):
                safe(min(float(timestamp), 2e11)).unwrap(moved, body)


@pytest.mark.parametrize(("late", "is_read"), [(0, True), (3600, True), (3601, False)])
def test_what_wechat_delivers_late(late: int, is_read: bool) -> None:
    """
    A push that was made up to an hour before it is sent may be WeChat's own delay.
    """
    query, body = sealed(render_xml(TEXT | {"CreateTime": NOW - late}))

    if is_read:
        assert isinstance(safe(NOW).unwrap(query, body), TextMessage)
    else:
        with pytest.raises(SignatureError, match="made too long ago"):
            safe(NOW).unwrap(query, body)


def test_a_longer_window_allows_a_longer_delay() -> None:
    """
    Who allows pushes of two hours allows that of their own time, too.
    """
    query, body = sealed(render_xml(TEXT | {"CreateTime": NOW - 7000}))

    assert isinstance(safe(NOW, max_age=7200).unwrap(query, body), TextMessage)


@pytest.mark.parametrize("made", [None, "", "now", 0, 10**20])
def test_push_without_a_time_of_its_own(made: object) -> None:
    """
    A push that does not say when it was made is taken for made when it was sent.
    """
    fields = {name: value for name, value in (TEXT | {"CreateTime": made}).items() if value is not None}
    push = safe(NOW + 10).unwrap(*sealed(render_xml(fields)))

    assert isinstance(push, TextMessage)
    assert push.create_time.timestamp() == NOW


def test_plain_pushes_may_be_old() -> None:
    """
    In plain mode anybody could write the time, so that it proves nothing and is not looked at.
    """
    hook = Webhook(TOKEN, clock=clock_at(NOW))

    assert hook.unwrap(signed(), render_xml(TEXT | {"CreateTime": 1})).create_time.timestamp() == 1


def test_blocks_moved_into_the_nonce() -> None:
    """
    The beginning of a ciphertext cannot be moved to the end of the nonce, which would make what follows the message.
    """
    # Of some ciphertexts the first letters sort after the nonce and before the token, so that both forms sign alike.
    while True:
        encrypted = CRYPTOR.encrypt(XML)
        if encrypted[0] < "A":
            break
    timestamp = str(NOW)
    moved, left = NONCE + encrypted[:64], encrypted[64:]
    query = signed(nonce=moved) | {"msg_signature": signature(TOKEN, timestamp, moved, left)}

    with pytest.raises(SignatureError, match="nonce is too long"):
        safe(NOW).unwrap(query, render_xml({"Encrypt": left}))


def test_another_message_in_the_same_envelope() -> None:
    """
    A ciphertext that was exchanged, cut, or cut together is refused.
    """
    query, body = captured()
    other = read_xml(sealed(render_xml(TEXT | {"Content": "转账"}))[1])["Encrypt"]
    encrypted = read_xml(body)["Encrypt"]

    for forged in (other, encrypted[64:], encrypted[:64] + other[64:], "", encrypted.lower()):
        with pytest.raises(WebhookError):
            safe(NOW).unwrap(query, render_xml({"Encrypt": forged}))


def test_doubled_ciphertext() -> None:
    """
    Of two ciphertexts the last is what is verified and what is read.
    """
    query, body = captured()
    good = read_xml(body)["Encrypt"]
    evil = Cryptor(KEY, APPID).encrypt(render_xml(TEXT | {"Content": "evil"}))
    before = f"<xml><Encrypt>{evil}</Encrypt><Encrypt>{good}</Encrypt></xml>".encode()
    after = f"<xml><Encrypt>{good}</Encrypt><Encrypt>{evil}</Encrypt></xml>".encode()

    assert safe(NOW).unwrap(query, before).raw["Content"] == "你好"
    with pytest.raises(SignatureError):
        safe(NOW).unwrap(query, after)


def test_no_frame_of_an_error_holds_a_secret() -> None:
    """
    What an error tracker keeps of the frames of a refusal shows neither token nor key.
    """
    token, key = "a-token-that-is-long", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    hook = Webhook([token, token + "2"], [key, "B" * 43], APPID, clock=clock_at(NOW))
    refused = (
        signed(),
        signed(token=token),
        signed(token=token, nonce="9" * 100),
        sealed(XML, token=token)[0] | {"timestamp": "1"},
    )
    for query in refused:
        for body in (XML, sealed(XML, token=token)[1]):
            with pytest.raises(WebhookError) as caught:
                hook.unwrap(query, body)
            shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            # The first frame is this test's own.
            frames = "".join(str(frame.locals) for frame in shown.stack[1:])
            assert frames
            assert token not in frames
            assert key not in frames
