"""
``wechat-kf send``.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wechat_kf.testing import Delay, DropAfter, DropBefore, Errcode, FakeWeChat

from .conftest import Ended

Write = Callable[[str, str | bytes], Path]
Interrupt = Callable[..., None]

SEND = "/cgi-bin/message/custom/send"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"


def crowd(fake: FakeWeChat, number: int) -> list[str]:
    """
    Let so many customers write; return their openids.
    """
    openids = [f"o{each:04}" for each in range(number)]
    for openid in openids:
        fake.user_says(openid, "在吗")
    return openids


def typed(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """
    Have the standard input hold this.
    """
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode()), "utf-8"))


def test_kinds(fake: FakeWeChat, run: Callable[..., Ended], write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A text, a picture, a menu and anything else reach the customer, as an agent and with the AI's line if wanted.
    """
    crowd(fake, 1)
    run("accounts", "add", "lin@shop", "小林")
    picture = write("a.jpg", JPEG)
    body = write("card.json", '\ufeff{"content": "生的"}')
    ended = [
        run("send", "text", "你好", "--to", "o0000", "--kf-account", "lin@shop", "--ai"),
        run("send", "image", picture, "--to", "o0000"),
        run("send", "menu", "满意吗？", "--item", "1=满意", "--item", "2=不=满意", "--tail", "谢谢", "--to", "o0000"),
        run("send", "raw", "text", body, "--to", "o0000", "--json"),
    ]
    typed(monkeypatch, "一\n二\n")
    ended.append(run("send", "text", "-", "--to", "o0000"))
    uploaded = next(call.json["image"]["media_id"] for call in fake.calls if call.json and "image" in call.json)
    fake.user_says("o0000", "还有吗")
    ended.append(run("send", "image", "--media-id", uploaded, "--to", "o0000"))
    sent = [call.json for call in fake.calls if call.path == SEND]

    assert [each.code for each in ended] == [0] * 6
    assert ended[0].out == "Sent to o0000.\n"
    assert ended[3].json == {"delivered": 1}
    assert sent[0] == {
        "touser": "o0000",
        "msgtype": "text",
        "text": {"content": "你好"},
        "customservice": {"kf_account": "lin@shop"},
        "aimsgcontext": {"is_ai_msg": 1},
    }
    assert sent[1]["image"].keys() == {"media_id"}
    assert sent[2]["msgmenu"] == {
        "head_content": "满意吗？",
        "list": [{"id": "1", "content": "满意"}, {"id": "2", "content": "不=满意"}],
        "tail_content": "谢谢",
    }
    assert (sent[3]["text"], sent[4]["text"]) == ({"content": "生的"}, {"content": "一\n二"})


def test_input_is_a_body(fake: FakeWeChat, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A raw message may come from the standard input.
    """
    crowd(fake, 1)
    typed(monkeypatch, json.dumps({"content": "生的"}))

    assert run("send", "raw", "text", "-", "--to", "o0000").code == 0
    assert [shown.text for shown in fake.sent] == ["生的"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["text", "x"], 2, "Say --to OPENID or --to-file FILE."),
        (["text", "x", "--to", "o1", "--to-file", "-"], 2, "Say --to OPENID or --to-file FILE."),
        (["text", "x", "--to", "o 1"], 2, "'o 1' is no openid"),
        (["text", "", "--to", "o1"], 2, "Nothing was sent: content must not be empty."),
        (["text", "-", "--to-file", "-"], 2, "CONTENT and --to-file cannot both be the standard input."),
        (["text"], 2, "CONTENT requires an argument. See wechat-kf send text --help."),
        (["text", "x", "--to-file", "nowhere"], 7, "nowhere cannot be used: No such file or directory."),
        (["text", "x", "--to", "o1", "--concurrency", "many"], 2, "--concurrency"),
        (["text", "x", "--to", "o1", "--journal", "j"], 2, "--journal goes with --to-file."),
        (["image", "--to", "o1"], 2, "Say FILE or --media-id ID."),
        (["image", "nowhere", "--to", "o1"], 7, "nowhere cannot be used: No such file."),
        (["menu", "x", "--item", "1", "--to", "o1"], 2, "--item must be ID=TEXT, not '1'."),
        (["menu", "x", "--to", "o1"], 2, "--item"),
        (["raw", "text", "wrong.json", "--to", "o1"], 2, "is not JSON: "),
        (["raw", "text", "list.json", "--to", "o1"], 2, "is not a JSON object."),
    ],
)
def test_usage(
    fake: FakeWeChat,
    run: Callable[..., Ended],
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    """
    What cannot be sent is told before anything is.
    """
    monkeypatch.chdir(write("wrong.json", "{").parent)
    write("list.json", "[]")
    ended = run("send", *arguments)

    assert ended.code == code
    assert told in ended.err
    assert not fake.calls


def test_a_message_that_fails(fake: FakeWeChat, run: Callable[..., Ended]) -> None:
    """
    One message that is refused, or of which nobody knows, ends the command with its own code.
    """
    crowd(fake, 1)
    refused = run("send", "text", "x", "--to", "o9999")
    fake.fault(SEND, DropAfter())
    uncertain = run("send", "text", "x", "--to", "o0000")

    assert (refused.code, uncertain.code) == (4, 6)
    assert "(40003 invalid openid, rid " in refused.err
    assert "may have taken effect" in uncertain.err
    assert len(fake.sent) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_hostile_file(fake: FakeWeChat, run: Callable[..., Ended], write: Write, encoding: str) -> None:
    """
    A byte order mark, Windows' and old line ends, blank lines and repetitions do no harm; the latter are told.
    """
    openids = crowd(fake, 4)
    text = f"\r\n{openids[0]}\r\n\n  {openids[1]}\t\r{openids[2]}\n{openids[0]}\r\n{openids[3]}"
    path = write("openids.txt", text.encode(encoding))
    ended = run("send", "text", "你好", "--to-file", path)

    assert ended.code == 0
    assert ended.err == "wechat-kf: line 6 repeats line 2; it is sent once.\n"
    assert ended.out == "result\tmessages\tmeaning\ndelivered\t4\t\n"
    assert sorted(shown.openid for shown in fake.sent) == openids


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("o1\n\nopen id\n", "line 3: 'open id'"),
        ("o1\n你好\n", "line 2: '你好'"),
        ('"o1"\n', "line 1: '\"o1\"'"),
        ("o1\n\x1b[2J\n", r"line 2: '\x1b[2J'"),
        ("x" * 129, f"line 1: '{'x' * 40}…'"),
        ("?\n" * 12, "line 10: '?'; and 2 more). Nothing was sent."),
        (b"o1\no2\n\xff\xfe\xfd", "openids.txt, line 3: it is not text in UTF-8. Nothing was sent."),
        ("\n \n", "openids.txt has no openid."),
        ("", "openids.txt has no openid."),
    ],
)
def test_bad_file(fake: FakeWeChat, run: Callable[..., Ended], write: Write, content: str | bytes, told: str) -> None:
    """
    A file with lines that are no openids is refused as a whole, and the lines are named.
    """
    path = write("openids.txt", content)
    ended = run("send", "text", "你好", "--to-file", path)

    assert ended.code == 2
    assert told in ended.err
    assert "\x1b" not in ended.err
    assert not fake.calls


def test_dry_run(fake: FakeWeChat, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A dry run counts whom it would go to.
    """
    typed(monkeypatch, "o1\no2\n")
    many = run("send", "text", "x", "--to-file", "-", "--dry-run")
    one = run("send", "text", "x", "--to", "o1", "--dry-run", "--json")

    assert many.out == "2 customers; nothing was sent.\n"
    assert one.json == {"recipients": 1}
    assert not fake.calls


def test_summary(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    The summary counts what was delivered, refused by code, not sent and uncertain; failures are named by their lines.
    """
    openids = crowd(fake, 16)
    path = write("openids.txt", "\n".join(openids))
    for fault in (Errcode(45015), Errcode(45015), Errcode(45047), DropAfter()):
        fake.fault(SEND, fault)
    arguments = ("send", "text", "x", "--to-file", path, "--concurrency", "1")
    for_people = run(*arguments)
    fake.fault(SEND, Errcode(45015), times=11)
    for_programs = run(*arguments, "--json")

    assert for_people.code == 6
    assert [line.split("\t")[:2] for line in for_people.out.splitlines()] == [
        ["result", "messages"],
        ["delivered", "12"],
        ["refused: 45015", "2"],
        ["refused: 45047", "1"],
        ["uncertain", "1"],
    ]
    assert for_people.err.splitlines()[0].startswith("wechat-kf: line 1, o0000: The customer wrote too long ago")
    assert for_programs.code == 1
    assert {**for_programs.json, "failures": []} == {
        "delivered": 5,
        "refused": {"45015": 11},
        "not_sent": 0,
        "uncertain": 0,
        "not_begun": 0,
        "before": 0,
        "failures": [],
    }
    assert len(for_programs.json["failures"]) == 11
    assert for_programs.json["failures"][0].items() >= {"line": 1, "openid": "o0000", "errcode": 45015}.items()


def test_many_failures(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    People are shown the first ten failures; what was not sent for another reason than a refusal is counted apart.
    """
    openids = crowd(fake, 12)
    path = write("openids.txt", "\n".join(openids))
    fake.fault(SEND, Errcode(45015), times=12)
    ended = run("send", "text", "x", "--to-file", path)

    assert ended.code == 1
    assert len(ended.err.splitlines()) == 11
    assert ended.err.endswith("wechat-kf: 2 more failed; --json tells all.\n")


def test_nothing_answers(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    What could not be sent for want of a token is told as not sent.
    """
    path = write("openids.txt", "o1\no2\n")
    fake.fault("/cgi-bin/stable_token", DropBefore(), times=20)
    ended = run("send", "text", "x", "--to-file", path, "--concurrency", "1", "--json")

    assert ended.code == 1
    assert (ended.json["not_sent"], ended.json["delivered"], ended.json["uncertain"]) == (2, 0, 0)


def test_what_is_refused_to_all(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    When the secret is wrong, or the account may not send, nobody else is tried.
    """
    path = write("openids.txt", "\n".join(crowd(fake, 100)))
    fake.fault(SEND, Errcode(48001), times=100)
    ended = run("send", "text", "x", "--to-file", path, "--concurrency", "2", "--json")

    assert ended.code == 4
    assert 1 <= ended.json["refused"]["48001"] <= 10
    assert ended.json["not_begun"] == 100 - ended.json["refused"]["48001"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_stopped(
    fake: FakeWeChat, run: Callable[..., Ended], write: Write, interrupt: Interrupt, number: signal.Signals
) -> None:
    """
    Ctrl-C begins nothing more, waits for what is under way, and tells what was done and what is left.
    """
    path = write("openids.txt", "\n".join(crowd(fake, 400)))
    fake.fault(SEND, Delay(0.02), times=400)
    interrupt(lambda: len(fake.sent) >= 20, number=number)
    ended = run("send", "text", "x", "--to-file", path, "--concurrency", "4", "--json")

    assert ended.code == 128 + number
    assert ended.json["delivered"] == len(fake.sent) < 400
    assert ended.json["uncertain"] == 0
    assert ended.json["not_begun"] == 400 - len(fake.sent)
    assert ended.err.startswith("wechat-kf: Stopping once the messages under way are settled")


def test_stopped_at_once(fake: FakeWeChat, run: Callable[..., Ended], write: Write, interrupt: Interrupt) -> None:
    """
    A second Ctrl-C does not wait; what was under way then is told as uncertain.
    """
    path = write("openids.txt", "\n".join(crowd(fake, 100)))
    fake.fault(SEND, Delay(60.0), times=100, after=20)
    interrupt(lambda: len(fake.sent) >= 23, lambda: True)
    ended = run("send", "text", "x", "--to-file", path, "--concurrency", "3", "--json")

    assert ended.code == 130
    assert (ended.json["delivered"], ended.json["uncertain"], ended.json["not_begun"]) == (20, 3, 77)
    assert ended.err.endswith("wechat-kf: Stopped; what was under way may have taken effect.\n")


def test_stopped_and_taken_up(fake: FakeWeChat, run: Callable[..., Ended], write: Write, interrupt: Interrupt) -> None:
    """
    With a journal the same command goes on after Ctrl-C: nobody gets it twice, and what was cut off is told.
    """
    openids = crowd(fake, 60)
    path = write("openids.txt", "\n".join(openids))
    arguments = ("send", "text", "x", "--to-file", path, "--journal", path.with_suffix(".journal"))
    fake.fault(SEND, Delay(60.0), times=3, after=20)
    interrupt(lambda: len(fake.sent) >= 23, lambda: True)
    stopped = run(*arguments, "--concurrency", "3")
    taken_up = run(*arguments, "--json")
    again = run(*arguments)
    failures = taken_up.json["failures"]

    assert (stopped.code, taken_up.code, again.code) == (130, 6, 6)
    assert (taken_up.json["delivered"], taken_up.json["before"], taken_up.json["uncertain"]) == (57, 20, 3)
    assert [each["line"] for each in failures] == [21, 22, 23]
    assert all(each["message"].startswith("An earlier run ") for each in failures)
    assert again.out.splitlines()[1] == "delivered\t57\t57 of them by an earlier run"
    assert sorted(shown.openid for shown in fake.sent) == openids


def test_a_journal_that_cannot_be_used(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    A journal of another message, or that is none, ends the command before anything is sent.
    """
    path = write("openids.txt", "\n".join(crowd(fake, 2)))
    run("send", "text", "x", "--to-file", path, "--journal", path.with_suffix(".journal"))
    other = run("send", "text", "y", "--to-file", path, "--journal", path.with_suffix(".journal"), "--json")
    none = run("send", "text", "y", "--to-file", path, "--journal", path)

    assert (other.code, none.code) == (7, 7)
    assert "The journal is of another list: row 0 differs" in other.err.replace("\n", " ")
    assert (other.json["delivered"], other.json["uncertain"], other.json["not_begun"]) == (0, 0, 2)
    assert other.json["error"].items() >= {"exit": 7, "kind": "JournalError", "effect": "none"}.items()
    assert "is not a journal of a broadcast" in none.err
    assert len(fake.sent) == 2


def test_a_picture_with_a_journal(fake: FakeWeChat, run: Callable[..., Ended], write: Write) -> None:
    """
    A picture is uploaded once for all runs with a journal; another picture, or one too old, is refused.
    """
    openids = crowd(fake, 2)
    path, picture, other = write("openids.txt", "\n".join(openids)), write("a.jpg", JPEG), write("b.jpg", JPEG + b"\n")
    journal = path.with_suffix(".journal")
    kept = path.with_suffix(".journal.media")

    def send(which: Path) -> Ended:
        return run("send", "image", which, "--to-file", path, "--journal", journal)

    fake.fault(SEND, Errcode(45015))
    codes = [send(picture).code, send(picture).code]
    uploads = sum(call.path == "/cgi-bin/media/upload" for call in fake.calls)
    changed = send(other)
    fields = json.loads(kept.read_bytes())
    kept.write_text(json.dumps({**fields, "uploaded": "2026-01-01T00:00:00+00:00"}), encoding="utf-8")
    old = send(picture)
    kept.write_text("{}", encoding="utf-8")
    strange = send(picture)

    assert codes == [1, 0]
    assert uploads == 1
    assert sorted(shown.openid for shown in fake.sent) == openids
    assert [each.code for each in (changed, old, strange)] == [7, 7, 7]
    assert "is of another picture. Nothing was sent." in changed.err
    assert "was uploaded three days ago; WeChat keeps it no longer. Nothing was sent." in old.err
    assert "cannot be understood. Nothing was sent." in strange.err


def test_stopped_before_the_answer(fake: FakeWeChat, run: Callable[..., Ended], interrupt: Interrupt) -> None:
    """
    Where one message was under way, it is told that it may have arrived.
    """
    crowd(fake, 1)
    fake.fault(SEND, Delay(60.0))
    interrupt(lambda: bool(fake.sent))
    ended = run("send", "text", "x", "--to", "o0000")

    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "wechat-kf: Stopped; what was under way may have taken effect.\n"
