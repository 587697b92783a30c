"""
Throw bytes at the webhook: ``python -m tests.webhook.fuzz RUNS``.

Nothing but a push or a `WebhookError` may come of them, and every push must have a key and be answerable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wechat_kf._errors import WebhookError
from wechat_kf.webhook import Push, TextReply, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import render_xml

from .sending import APPID, CLOCK, KEY, TEXT, TOKEN, sealed, signed

_HOOKS = (Webhook(TOKEN, clock=CLOCK), Webhook(TOKEN, KEY, APPID, clock=CLOCK))
_EVENT = {**TEXT, "MsgType": "event", "Event": "scancode_push", "EventKey": "6", "ScanCodeInfo": {"ScanType": "qrcode"}}
_BODIES = [render_xml(TEXT), render_xml(_EVENT), json.dumps(TEXT).encode(), json.dumps(_EVENT).encode()]
_PIECES = [
    b"\x00",
    b"\x1d",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"&#0;",
    b"&#x110000;",
    b"&lt;",
    b"&x;",
    b"]]>",
    b"<![CDATA[",
    b"<!DOCTYPE x>",
    b"<!--",
    b"<?x ?>",
    b"<A>",
    b"</A>",
    b"<Encrypt>",
    b'"Encrypt":"x",',
    b"\\ud83d",
    b"\\u0000",
    b"[",
    b"{",
    b'"',
    b"1e999",
    b"-",
    b"9" * 5000,
    b"true",
    b"null",
]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from(_BODIES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        body = body[:start] + draw(st.sampled_from(_PIECES) | st.binary(max_size=8)) + body[end:]
    return body


def bodies() -> st.SearchStrategy[bytes]:
    """
    Generate pushes with damage, and noise.
    """
    return _damaged() | st.binary() | st.lists(st.sampled_from(_PIECES)).map(b"".join)


def queries() -> st.SearchStrategy[dict[str, str]]:
    """
    Generate queries: well signed, nearly, and not at all.
    """
    text = st.text(st.characters(), max_size=12)
    names = st.sampled_from(["signature", "msg_signature", "timestamp", "nonce", "echostr", "encrypt_type"])
    return st.just(signed()) | st.dictionaries(names, text) | st.dictionaries(names, text).map(lambda q: signed() | q)


def outcomes(query: dict[str, str], body: bytes) -> Iterator[Push | WebhookError]:
    """
    Give a body to both kinds of webhook, bare and encrypted; yield what comes of it.
    """
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    resigned = query | {"signature": signature(TOKEN, timestamp, nonce)}
    for given_query, given_body in ((query, body), (resigned, body), sealed(body), sealed(body, as_json=True)):
        for hook in _HOOKS:
            try:
                hook.verify_url(given_query)
            except WebhookError as error:
                yield error
            try:
                push = hook.unwrap(given_query, given_body)
            except WebhookError as error:
                yield error
            else:
                assert push.dedupe_key
                assert repr(push)
                assert hook.wrap(TextReply("你好"), push, given_query)
                yield push


def main(runs: int) -> None:
    """
    Run for this many examples.
    """
    seen = {Push: 0, WebhookError: 0}

    @settings(max_examples=runs, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(queries(), bodies())
    def run(query: dict[str, str], body: bytes) -> None:
        for outcome in outcomes(query, body):
            seen[Push if isinstance(outcome, Push) else WebhookError] += 1

    run()
    print(f"{runs} examples: {seen[Push]} pushes, {seen[WebhookError]} errors, nothing else")  # noqa: T201  # a program


if __name__ == "__main__":
    main(int(sys.argv[1]))
