"""
Throw bytes at the webhook: ``python -m tests.webhook.fuzz RUNS``.

Nothing but a push or a `WebhookError` may come of them, and every push must have a key and be answerable.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wechat_kf._errors import WebhookError
from wechat_kf.webhook import Push, TextReply, Webhook
from wechat_kf.webhook.crypto import signature
from wechat_kf.webhook.xml import render_xml

from .kinds import BASE, CASES
from .sending import APPID, CLOCK, KEY, TEXT, TOKEN, sealed, signed

NO_TIME = datetime.fromtimestamp(0, UTC)
_HOOKS = (Webhook(TOKEN, clock=CLOCK), Webhook(TOKEN, KEY, APPID, clock=CLOCK))
_ANY_AGE = Webhook(TOKEN, KEY, APPID, max_age=None, clock=CLOCK)
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


_FIELDS = {**BASE, **{name: value for _, wire, *_ in CASES.values() for name, value in wire.items()}}
_NAMES = st.sampled_from(
    [*_FIELDS, "InfoType", "OpenID", "AppId", "Encrypt", "item", "PicMd5Sum", "ScanResult", "Label"]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(list(_FIELDS.values())),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(_NAMES, values, max_size=3),
    max_leaves=5,
)


@st.composite
def well_formed(draw: st.DrawFn) -> dict[str, Any]:
    """
    Generate pushes whose fields are missing, strange, or another kind's.
    """
    _, wire, *_ = draw(st.sampled_from(list(CASES.values())))
    fields = {**BASE, **wire, **draw(st.dictionaries(_NAMES, _VALUES, max_size=4))}
    for name in draw(st.lists(st.sampled_from(list(fields)), max_size=3)):
        fields.pop(name, None)
    return fields | {"Status": "1"}


def as_xml(fields: Mapping[str, Any], name: str = "xml") -> str:
    """
    Write any values as XML: a list as elements of one name.
    """
    inner = ""
    for key, value in fields.items():
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, dict):
                inner += as_xml(cast("dict[str, Any]", each), key)
            elif not isinstance(each, list):
                inner += f"<{key}>{escape('' if each is None else str(each))}</{key}>"
    return f"<{name}>{inner}</{name}>"


def check_well_formed(fields: dict[str, Any]) -> Push:
    """
    See that fields are a push in every mode and form, with one key for all repetitions.
    """
    push = Push(to_user_name="", from_user_name="", create_time=NO_TIME, msg_type="")
    for body in (json.dumps(fields).encode(), as_xml(fields).encode()):
        keys: set[str] = set()
        for _ in range(2):
            query, outer = sealed(body)
            push = _ANY_AGE.unwrap(query, outer)
            keys.add(push.dedupe_key)
            assert _ANY_AGE.wrap(TextReply("你好"), push, query)
            assert pickle.loads(pickle.dumps(push)) == push  # noqa: S301 - our own
        assert len(keys) == 1
        assert all(len(key) <= 200 and key.isprintable() for key in keys)
    return push


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
    kinds: Counter[str] = Counter()

    @settings(max_examples=runs, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(queries(), bodies())
    def run(query: dict[str, str], body: bytes) -> None:
        for outcome in outcomes(query, body):
            seen[Push if isinstance(outcome, Push) else WebhookError] += 1

    @settings(max_examples=runs, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(well_formed())
    def run_well_formed(fields: dict[str, Any]) -> None:
        kinds[type(check_well_formed(fields)).__name__] += 1

    run()
    run_well_formed()
    print(f"{runs} examples: {seen[Push]} pushes, {seen[WebhookError]} errors, nothing else")  # noqa: T201  # a program
    print(f"well-formed: {dict(kinds)}")  # noqa: T201  # a program


if __name__ == "__main__":
    main(int(sys.argv[1]))
