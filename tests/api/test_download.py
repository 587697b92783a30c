"""
Media on their way in: what comes down, whole or not at all.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio import wait_all_tasks_blocked

from wechat_kf import (
    AsyncKfClient,
    DeliveryUncertain,
    MediaDownload,
    NotFound,
    NotSent,
    ReplyError,
)
from wechat_kf._wire.download import Download
from wechat_kf.api.media import DOWNLOAD_TEMP_MEDIA
from wechat_kf.api.part_file import PartFile
from wechat_kf.testing import (
    DropAfter,
    FakeWeChat,
    Status,
    Truncate,
)

from ..conftest import Connect
from .raw_server import http, serve_raw

MIB = 1024 * 1024
JPEG = b"\xff\xd8\xff\xe0"
AMR = b"#!AMR\n"
MP4 = b"\x00\x00\x00\x18ftypmp42"
OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"


def asked(fake: FakeWeChat, path: str) -> list[dict[str, str]]:
    """
    List the queries of the calls of a path.
    """
    return [dict(call.query) for call in fake.calls if call.path == path]


def files_in(folder: Path) -> list[str]:
    """
    List everything in a folder.
    """
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("socket", [False, True])
async def test_read(fake: FakeWeChat, connect: Connect, *, socket: bool) -> None:
    """
    A customer's picture is read at once or as it comes, with its type and its name.
    """
    content = JPEG + bytes(300_000)
    media_id = fake.user_sends_image(OPENID, content)

    async def check(kf: AsyncKfClient) -> None:
        async with kf.download_temp_media(media_id) as media:
            whole = await media.read()
            nothing = await media.read()
        async with kf.download_temp_media(media_id) as again:
            chunks = [chunk async for chunk in again]

        assert whole == b"".join(chunks) == content
        assert nothing == b""
        assert (media.content_type, media.filename) == ("image/jpeg", f"{media_id}.jpg")

    if socket:
        async with fake.serve() as base_url:
            await check(connect(base_url))
    else:
        await check(connect(fake))


async def test_read_the_rest(fake: FakeWeChat, connect: Connect) -> None:
    """
    Who has taken a first piece of a file reads, or saves, the rest.
    """
    content = JPEG + bytes(range(256)) * 1000
    media_id = fake.user_sends_image(OPENID, content)
    async with fake.serve() as base_url, connect(base_url).download_temp_media(media_id) as media:
        taken = await anext(media)
        async for chunk in media:
            taken += chunk
            break

        assert len(taken) < len(content)
        assert taken + await media.read() == content


async def test_save(fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path) -> None:
    """
    A file is saved under the path given, in place of one that was there, and nothing else is left beside it.
    """
    media_id = fake.user_sends_image(OPENID, JPEG + b"content")
    target = tmp_path / "图片.jpg"
    target.write_bytes(b"an older one")
    async with kf.download_temp_media(media_id) as media:
        await media.save(target)
    async with kf.download_temp_media(media_id) as media:
        await media.save(str(tmp_path / "text.jpg"))

    assert target.read_bytes() == (tmp_path / "text.jpg").read_bytes() == JPEG + b"content"
    assert files_in(tmp_path) == ["text.jpg", "图片.jpg"]


async def test_saved_off_the_event_loop(
    fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Everything that touches the disk happens in worker threads.
    """
    threads: set[int] = set()
    for name in ("open", "write", "publish", "discard"):
        step = getattr(PartFile, name)

        def watched(*arguments: Any, step: Any = step) -> None:
            threads.add(threading.get_ident())
            step(*arguments)

        monkeypatch.setattr(PartFile, name, watched)
    async with kf.download_temp_media(fake.user_sends_image(OPENID)) as media:
        await media.save(tmp_path / "a.jpg")

    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("target", ["no/such/folder.jpg", "."])
async def test_save_where_nothing_can_be(fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path, target: str) -> None:
    """
    A path that cannot be written is the system's own error, and nothing is left.
    """
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    async with kf.download_temp_media(fake.user_sends_image(OPENID)) as media:
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
            await media.save(folder / target)

    assert files_in(tmp_path) == ["folder", "folder/file"]


async def test_save_again(fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path) -> None:
    """
    A save that failed before it took anything can be tried at another path; after that there is nothing to try.
    """
    async with kf.download_temp_media(fake.user_sends_image(OPENID, JPEG)) as media:
        with pytest.raises(FileNotFoundError):
            await media.save(tmp_path / "no" / "folder.jpg")
        await media.save(tmp_path / "a.jpg")
    async with kf.download_temp_media(fake.user_sends_image(OPENID, JPEG)) as media:
        with pytest.raises(OSError):  # noqa: PT011 - as above
            await media.save(tmp_path)
        with pytest.raises(RuntimeError, match="broke off"):
            await media.save(tmp_path / "b.jpg")

    assert files_in(tmp_path) == ["a.jpg"]


@pytest.mark.parametrize(
    "answer",
    [
        http(b'{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: text/plain"),
        http(b'{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: application/json; encoding=utf-8"),
        http(b'{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: image/jpeg"),
        http(b' \n{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: application/octet-stream"),
        http(b'\xef\xbb\xbf{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: image/jpeg"),
        http(b'{"errcode":40007,"errmsg":"invalid media_id"}'),
    ],
)
async def test_error_by_content(connect: Connect, answer: bytes) -> None:
    """
    An error in JSON is recognised whatever content type it comes with.
    """
    async with serve_raw(answer) as server:
        with pytest.raises(NotFound) as caught:
            async with connect(server.url, token="token").download_temp_media("id"):
                raise AssertionError

        assert caught.value.errcode == 40007
        assert caught.value.endpoint == DOWNLOAD_TEMP_MEDIA.path


@pytest.mark.parametrize(
    ("answer", "content_type", "content"),
    [
        (http(b"{ is no JSON", "Content-Type: image/jpeg"), "image/jpeg", b"{ is no JSON"),
        (http(b"{" * 200_000, "Content-Type: image/jpeg"), "image/jpeg", b"{" * 200_000),
        (http(JPEG, "Content-Type: text/plain; charset=utf-8"), "text/plain", JPEG),
        (http(JPEG, "Content-Type: application/json"), "application/json", JPEG),
        (http(b"[1]", "Content-Type: VOICE/Speex"), "voice/speex", b"[1]"),
        (http(b"\n" + MP4), None, b"\n" + MP4),
        (http(JPEG, "Content-Type: "), None, JPEG),
    ],
)
async def test_file_by_content(connect: Connect, answer: bytes, content_type: str | None, content: bytes) -> None:
    """
    A file is one whatever its content type says, also if it begins like JSON.
    """
    async with serve_raw(answer) as server, connect(server.url, token="token").download_temp_media("id") as media:
        assert await media.read() == content
        assert media.content_type == content_type
        assert media.filename is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (http(b""), "empty"),
        (http(b"", "Content-Type: image/jpeg"), "empty"),
        (http(b"<html>Busy</html>", "Content-Type: text/html"), "not JSON"),
        (http(b"{}", "Content-Type: text/plain"), "neither a file nor a video's address"),
        (http(b'{"errcode":0,"errmsg":"ok"}'), "neither a file nor a video's address"),
        (http(b'{"video_url":5}'), "neither a file nor a video's address"),
        (http(b'{"video_url":"ftp://127.0.0.1/a.mp4"}'), "neither a file nor a video's address"),
        (http(b'{"video_url":"//127.0.0.1/a.mp4"}'), "neither a file nor a video's address"),
        (http(b'{"video_url":"http://127.0.0.1/\\u0000.mp4"}'), "neither a file nor a video's address"),
        (http(JPEG, status="404 Not Found"), "HTTP 404"),
        (http(b"", "Location: http://127.0.0.1/", status="302 Found"), "HTTP 302"),
    ],
)
async def test_neither_file_nor_error(connect: Connect, answer: bytes, problem: str) -> None:
    """
    Anything else is not taken for a file.
    """
    async with serve_raw(answer) as server:
        with pytest.raises(ReplyError, match=problem) as caught:
            async with connect(server.url, token="token").download_temp_media("id"):
                raise AssertionError

        assert caught.value.endpoint == DOWNLOAD_TEMP_MEDIA.path


async def test_unknown_media(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A media_id that WeChat does not know is not found; an empty one is not asked for.
    """
    with pytest.raises(NotFound):
        async with kf.download_temp_media("unknown"):
            raise AssertionError
    with pytest.raises(ValueError, match="media_id must not be empty"):
        async with kf.download_temp_media(""):
            raise AssertionError

    assert len(asked(fake, DOWNLOAD_TEMP_MEDIA.path)) == 1


@pytest.mark.parametrize("socket", [False, True])
async def test_video(fake: FakeWeChat, connect: Connect, *, socket: bool) -> None:
    """
    A video's address is followed, by https or http, without the token.
    """
    media_id = fake.user_sends_video(OPENID, MP4 + bytes(1000))

    async def check(kf: AsyncKfClient) -> None:
        async with kf.download_temp_media(media_id) as media:
            assert media.content_type == "video/mp4"
            assert await media.read() == MP4 + bytes(1000)

    if socket:
        async with fake.serve() as base_url:
            await check(connect(base_url))
    else:
        await check(connect(fake))

    assert fake.calls[-2].path == DOWNLOAD_TEMP_MEDIA.path
    assert fake.calls[-1].query == {"id": media_id}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(b"", status="302 Found"), ReplyError),
        (http(b'{"errcode":40007,"errmsg":"invalid media_id"}', "Content-Type: video/mp4"), NotFound),
        (http(b'{"video_url":"http://127.0.0.1/again"}'), ReplyError),
        (http(b"<html>404</html>", "Content-Type: text/html", status="404 Not Found"), ReplyError),
        (http(b"", status="502 Bad Gateway"), DeliveryUncertain),
        (b"HTTP/1.1 200 OK\r\n<break>", DeliveryUncertain),
    ],
)
async def test_address_without_a_video(connect: Connect, answer: bytes, kind: type[Exception]) -> None:
    """
    When a video's address leads to no file that is told, and it is asked once.
    """
    async with serve_raw(answer) as elsewhere:
        async with serve_raw(http(f'{{"video_url":"{elsewhere.url}/a.mp4?sign=1"}}'.encode())) as server:
            with pytest.raises(kind):
                async with connect(server.url, token="token").download_temp_media("id"):
                    raise AssertionError

        assert len(elsewhere.requests) == 1
        assert elsewhere.requests[0].startswith(b"GET /a.mp4?sign=1 HTTP/1.1\r\n")
        assert b"token" not in elsewhere.requests[0]


async def test_address_that_cannot_be_reached(connect: Connect) -> None:
    """
    When a video's host cannot be reached nothing was sent.
    """
    async with serve_raw(http(b'{"video_url":"http://127.0.0.1:1/a.mp4"}')) as server:
        with pytest.raises(NotSent):
            async with connect(server.url, token="token").download_temp_media("id"):
                raise AssertionError


async def test_token_is_renewed(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A token that is refused, in an answer that is called text, is renewed, and the file comes.
    """
    media_id = fake.user_sends_image(OPENID)
    await kf.get_kf_list()
    fake.revoke_tokens()
    async with kf.download_temp_media(media_id) as media:
        content = await media.read()

    assert content.startswith(JPEG[:3])
    assert len(asked(fake, DOWNLOAD_TEMP_MEDIA.path)) == 2


async def test_asked_again_until_the_file_begins(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A connection that breaks before the file begins is no reason to give up: a download is safe to repeat.
    """
    media_id = fake.user_sends_image(OPENID)
    fake.fault(DOWNLOAD_TEMP_MEDIA, DropAfter())
    fake.fault(DOWNLOAD_TEMP_MEDIA, Status(502))
    kf = kf.with_options(max_retries=2)
    async with anyio.create_task_group() as tasks:

        async def download() -> None:
            async with kf.download_temp_media(media_id) as media:
                assert (await media.read()).startswith(JPEG[:3])

        tasks.start_soon(download)
        for _ in range(2):
            await wait_all_tasks_blocked()
            fake.advance(60)

    assert len(asked(fake, DOWNLOAD_TEMP_MEDIA.path)) == 3


@pytest.mark.parametrize("socket", [False, True])
async def test_broken_off(fake: FakeWeChat, connect: Connect, tmp_path: Path, *, socket: bool) -> None:
    """
    A file that breaks off is an error, never a shorter file: nothing is saved, and reading on does not help.
    """
    media_id = fake.user_sends_image(OPENID, JPEG + bytes(300_000))
    fake.fault(DOWNLOAD_TEMP_MEDIA, Truncate(200_000), times=2)
    target = tmp_path / "a.jpg"
    target.write_bytes(b"an older one")

    async def check(kf: AsyncKfClient) -> None:
        async with kf.download_temp_media(media_id) as media:
            with pytest.raises(DeliveryUncertain) as caught:
                await media.read()
            with pytest.raises(RuntimeError, match="broke off"):
                await media.read()
        async with kf.download_temp_media(media_id) as media:
            with pytest.raises(DeliveryUncertain):
                await media.save(target)
            with pytest.raises(RuntimeError, match="broke off"):
                await media.save(target)

        assert caught.value.endpoint == DOWNLOAD_TEMP_MEDIA.path

    if socket:
        async with fake.serve() as base_url:
            await check(connect(base_url))
    else:
        await check(connect(fake))

    assert target.read_bytes() == b"an older one"
    assert files_in(tmp_path) == ["a.jpg"]


async def test_stalled(connect: Connect) -> None:
    """
    A file that stalls is given up after the timeout.
    """
    async with serve_raw(http(JPEG, length=100)) as server:
        kf = connect(server.url, token="token", timeout=0.2)
        async with kf.download_temp_media("id") as media:
            with pytest.raises(DeliveryUncertain):
                await media.read()


async def test_cancelled_while_saving(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A cancelled save leaves no file, and what comes after it does not look like a file either.
    """
    scope = anyio.CancelScope()
    write = PartFile.write

    def write_and_cancel(part: PartFile, chunk: bytes) -> None:
        write(part, chunk)
        anyio.from_thread.run_sync(scope.cancel)

    monkeypatch.setattr(PartFile, "write", write_and_cancel)
    async with serve_raw(http(JPEG, length=100)) as server:
        kf = connect(server.url, token="token")
        async with kf.download_temp_media("id") as media:
            with scope:
                await media.save(tmp_path / "a.jpg")
            with pytest.raises(RuntimeError, match="broke off"):
                await media.read()

    assert scope.cancelled_caught
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelled_natively_while_saving(
    fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A native cancellation on asyncio, which does not wait for a thread at work, leaves no file either.
    """
    media_id = fake.user_sends_image(OPENID)
    begun, go, discarded = threading.Event(), threading.Event(), threading.Event()
    open_part, discard_part = PartFile.open, PartFile.discard

    def slow_open(part: PartFile) -> None:
        begun.set()
        go.wait(30)
        open_part(part)

    def discard(part: PartFile) -> None:
        discard_part(part)
        discarded.set()

    monkeypatch.setattr(PartFile, "open", slow_open)
    monkeypatch.setattr(PartFile, "discard", discard)

    async def save() -> None:
        async with kf.download_temp_media(media_id) as media:
            await media.save(tmp_path / "a.jpg")

    task = asyncio.ensure_future(save())
    await anyio.to_thread.run_sync(begun.wait, 30)
    task.cancel()
    await anyio.to_thread.run_sync(discarded.wait, 30)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert files_in(tmp_path) == []


async def test_left_early(connect: Connect) -> None:
    """
    Who leaves before the end closes the connection, and nothing warns.
    """
    async with serve_raw(http(JPEG + bytes(200_000), length=400_000)) as server:
        async with connect(server.url, token="token").download_temp_media("id") as media:
            async for _ in media:
                break
        await server.until_left()
        gc.collect()
        await wait_all_tasks_blocked()

        with pytest.raises(RuntimeError, match="was left"):
            await media.read()


async def test_left_early_again_and_again(fake: FakeWeChat, connect: Connect) -> None:
    """
    Downloads that are left early, in any way, use up no connections.
    """
    media_id = fake.user_sends_image(OPENID, JPEG + bytes(3_000_000))
    async with fake.serve() as base_url:
        kf = connect(base_url, max_connections=1, max_retries=0)
        for _ in range(3):
            async with kf.download_temp_media(media_id) as media:
                await anext(media)
            with pytest.raises(LookupError):
                async with kf.download_temp_media(media_id) as media:
                    raise LookupError
            with anyio.CancelScope() as scope:
                async with kf.download_temp_media(media_id) as media:
                    scope.cancel()
                    await media.read()

            assert scope.cancelled_caught

        assert (await kf.get_kf_list()).kf_list == ()


@pytest.mark.parametrize("save", [False, True])
async def test_memory_stays_flat(connect: Connect, tmp_path: Path, *, save: bool) -> None:
    """
    A file of 20 MB takes no more memory than a few chunks.
    """
    async with serve_raw(http(JPEG + bytes(20 * MIB))) as server:
        async with connect(server.url, token="token").download_temp_media("id") as media:
            tracemalloc.start()
            try:
                if save:
                    await media.save(tmp_path / "a.jpg")
                else:
                    async for _ in media:
                        pass
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

        assert peak < 3 * MIB


async def no_body() -> AsyncGenerator[bytes]:
    """
    Give nothing.
    """
    for chunk in list[bytes]():
        yield chunk


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="MEDIA_ID.jpg"', "MEDIA_ID.jpg"),
        ("attachment; filename=MEDIA_ID.jpg", "MEDIA_ID.jpg"),
        ('attachment; filename="图片 1.jpg"', "图片 1.jpg"),
        ("attachment; filename*=UTF-8''%E5%9B%BE%E7%89%87.jpg", "图片.jpg"),
        ("attachment; filename*=gbk''%CD%BC.jpg", "图.jpg"),
        ('attachment; filename*0="long "; filename*1=name.jpg', "long name.jpg"),
        (r'attachment; filename="a\"b.jpg"', "ab.jpg"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        (r'attachment; filename="..\..\autoexec.bat"', "autoexec.bat"),
        ('attachment; filename="C:\\\\boot.ini"', "boot.ini"),
        ('attachment; filename="a.jpg:stream"', "a.jpgstream"),
        ('attachment; filename="/"', None),
        ('attachment; filename=".."', None),
        ('attachment; filename="..."', None),
        ('attachment; filename=".bashrc"', "bashrc"),
        ('attachment; filename=" a.jpg. "', "a.jpg"),
        ('attachment; filename="a\x00b\x1b.jpg"', "ab.jpg"),
        ('attachment; filename="gpj.\u202eexe"', "gpj.exe"),
        ('attachment; filename=""', None),
        ("attachment; filename*=undefined''%FF.jpg", None),
        ("attachment; filename*=no-such-charset''%41.jpg", "A.jpg"),
        ("attachment", None),
        ("", None),
    ],
)
def test_filename(disposition: str, filename: str | None) -> None:
    """
    A filename is read in every form, and is safe in whatever folder it is put.
    """
    assert MediaDownload(Download({"content-disposition": disposition}, no_body())).filename == filename
