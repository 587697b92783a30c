"""
Uploads of temporary media within WeChat's limits.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wechat_kf import (
    AsyncKfClient,
    Image,
    InvalidArgument,
    NotFound,
    TempMedia,
)
from wechat_kf.api.media import UPLOAD_TEMP_MEDIA
from wechat_kf.testing import (
    Errcode,
    FakeWeChat,
)

MIB = 1024 * 1024
JPEG = b"\xff\xd8\xff\xe0"
PNG = b"\x89PNG\r\n\x1a\n"
GIF = b"GIF89a"
AMR = b"#!AMR\n"
MP3 = b"ID3\x03"
MP4 = b"\x00\x00\x00\x18ftypmp42"
OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
START = datetime(2026, 1, 1, tzinfo=UTC)


def asked(fake: FakeWeChat, path: str) -> list[dict[str, str]]:
    """
    List the queries of the calls of a path.
    """
    return [dict(call.query) for call in fake.calls if call.path == path]


@pytest.mark.parametrize(
    ("kind", "head", "limit"),
    [
        ("image", JPEG, 10 * MIB),
        ("image", PNG, 10 * MIB),
        ("image", GIF, 10 * MIB),
        ("voice", AMR, 2 * MIB),
        ("voice", MP3, 2 * MIB),
        ("video", MP4, 10 * MIB),
        ("thumb", JPEG, 64 * 1024),
    ],
)
async def test_uploads_up_to_the_limit(fake: FakeWeChat, kf: AsyncKfClient, kind: Any, head: bytes, limit: int) -> None:
    """
    Each type takes its formats up to its size, and no byte more; what is too large is not sent.
    """
    uploaded = await kf.upload_temp_media(kind, head + bytes(limit - len(head)))
    with pytest.raises(ValueError, match="too big"):
        await kf.upload_temp_media(kind, head + bytes(limit - len(head) + 1))

    assert uploaded == TempMedia(kind, uploaded.media_id, START)
    assert [query["type"] for query in asked(fake, UPLOAD_TEMP_MEDIA.path)] == [kind]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", MP3),
        ("image", MP4),
        ("image", b"BM"),
        ("voice", JPEG),
        ("voice", b"OggS"),
        ("video", JPEG),
        ("thumb", PNG),
        ("image", b"plain text"),
        ("image", b""),
    ],
)
async def test_wrong_files_are_not_sent(fake: FakeWeChat, kf: AsyncKfClient, kind: Any, content: bytes) -> None:
    """
    A file of a wrong format, or an empty one, is refused before anything is sent.
    """
    with pytest.raises(ValueError, match="the file is "):
        await kf.upload_temp_media(kind, content)

    assert fake.calls == []


async def test_unknown_type(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A type that WeChat does not know is refused before anything is sent.
    """
    with pytest.raises(ValueError, match="type must be one of image, voice, video, thumb, not 'film'"):
        await kf.upload_temp_media("film", JPEG)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert fake.calls == []


async def test_upload_of_a_path(fake: FakeWeChat, kf: AsyncKfClient, tmp_path: Path) -> None:
    """
    A file goes up under a safe name of its own; what is uploaded can be sent, and lives three days.
    """
    path = tmp_path / "图片 1.JPEG"
    path.write_bytes(JPEG)
    uploaded = await kf.upload_temp_media("image", path)
    fake.user_says(OPENID, "在吗")
    await kf.send_custom_message(OPENID, Image(uploaded.media_id))
    [part] = [call.file for call in fake.calls if call.file is not None]
    fake.advance(3 * 86400)

    assert (part.filename, part.content_type, part.content) == ("1.jpg", "image/jpeg", JPEG)
    assert fake.sent[0].payload["image"] == {"media_id": uploaded.media_id}
    with pytest.raises(NotFound):
        await kf.send_custom_message(OPENID, Image(uploaded.media_id))


async def test_upload_after_a_renewal(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    When the token has to be renewed the same bytes go up again.
    """
    await kf.get_kf_list()
    fake.revoke_tokens()
    await kf.upload_temp_media("image", JPEG + b"content")
    parts = [call.file for call in fake.calls if call.file is not None]

    assert [part.content for part in parts] == [JPEG + b"content"] * 2


async def test_upload_refused(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A refusal of WeChat's is told as what it is.
    """
    fake.fault(UPLOAD_TEMP_MEDIA, Errcode(45007))
    with pytest.raises(InvalidArgument) as caught:
        await kf.upload_temp_media("voice", MP3)

    assert caught.value.errcode == 45007
