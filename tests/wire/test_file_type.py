"""
What a file is taken for, and the name it is sent under.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .uploads import (
    JPEG,
    PICTURES,
    kind_of,
    prepare,
)


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        (b"\xff\xd8\xff\xe1", "image/jpeg", "media.jpg"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "media.png"),
        (b"GIF87a", "image/gif", "media.gif"),
        (b"GIF89a", "image/gif", "media.gif"),
        (b"#!AMR\n", "audio/amr", "media.amr"),
        (b"ID3\x04", "audio/mpeg", "media.mp3"),
        (b"\xff\xfb\x90", "audio/mpeg", "media.mp3"),
        (b"\xff\xf3\x40", "audio/mpeg", "media.mp3"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4", "media.mp4"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic", "media.bin"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime", "media.bin"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp", "media.bin"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav", "media.bin"),
        (b"RIFF\x00\x00\x00\x00AVI ", "application/octet-stream", "media.bin"),
        (b"OggS", "audio/ogg", "media.bin"),
        (b"\xff", "application/octet-stream", "media.bin"),
        (b"\xff\xf1", "application/octet-stream", "media.bin"),
        (b"\xff\xfeh\x00", "application/octet-stream", "media.bin"),
        (b"hello", "application/octet-stream", "media.bin"),
    ],
)
async def test_type_is_told_by_the_first_bytes(head: bytes, kind: str, name: str) -> None:
    """
    The content type and the extension come of the first bytes.
    """
    part = await prepare(head)

    assert (await kind_of(part), part.filename) == (kind, name)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("avatar.jpg", "avatar.jpg"),
        ("avatar.jpeg", "avatar.jpg"),
        ("avatar.PNG", "avatar.jpg"),
        ("avatar", "avatar.jpg"),
        ("my.photo_1-2.jpg", "my.photo_1-2.jpg"),
        ("头像.jpg", "media.jpg"),
        ("头像 2.jpg", "2.jpg"),
        ("/home/me/a.jpg", "a.jpg"),
        ("C:\\Users\\me\\a.jpg", "a.jpg"),
        ('a"; filename="b\r\nX: y.jpg', "a-filename-b-X-y.jpg"),
        ("../..", "media.jpg"),
        ("", "media.jpg"),
        (".jpg", "jpg.jpg"),
        ("a" * 300 + ".jpg", "a" * 64 + ".jpg"),
    ],
)
async def test_names_are_made_safe(given: str, sent: str) -> None:
    """
    The name sent is plain ASCII with the right extension.
    """
    assert (await prepare(JPEG, filename=given)).filename == sent


@given(st.text())
async def test_any_name_is_made_safe(name: str) -> None:
    """
    Whatever the name, what is sent needs no quoting.
    """
    part = await prepare(JPEG, filename=name)

    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.jpg", part.filename, re.ASCII)


async def test_a_file_is_sent_under_its_own_name(tmp_path: Path) -> None:
    """
    A path and a file object bring their names; a name that is a number or missing is none.
    """
    path = tmp_path / "shop.jpg"
    path.write_bytes(JPEG)
    with path.open("rb") as named, os.fdopen(os.open(path, os.O_RDONLY), "rb") as numbered:
        names = [(await prepare(file)).filename for file in (path, str(path), named, numbered, io.BytesIO(JPEG))]

    assert names == ["shop.jpg", "shop.jpg", "shop.jpg", "media.jpg", "media.jpg"]


async def test_a_type_not_allowed_is_refused() -> None:
    """
    The refusal names what was found and what is allowed.
    """
    with pytest.raises(ValueError, match="the file is image/webp; allowed are image/jpeg, image/png"):
        await prepare(b"RIFF\x00\x00\x00\x00WEBP", allowed=PICTURES)
    with pytest.raises(ValueError, match=r"unknown type \(it begins with 68 65 6c 6c 6f\); allowed are image/jpeg"):
        await prepare(b"hello", allowed=PICTURES)


async def test_a_content_type_given_is_sent() -> None:
    """
    A content type given goes out as it is, and the extension follows it.
    """
    part = await prepare(JPEG, allowed=PICTURES, content_type="image/png")
    other = await prepare(JPEG, allowed=PICTURES, content_type="image/jpg")
    parameter = await prepare(b"text", filename="a.txt", content_type="text/plain; charset=utf-8")

    assert (await kind_of(part), part.filename) == ("image/png", "media.png")
    assert (await kind_of(other), other.filename) == ("image/jpg", "media.jpg")
    assert (await kind_of(parameter), parameter.filename) == ("text/plain; charset=utf-8", "a.txt")


async def test_a_content_type_given_decides_where_the_bytes_do_not_say() -> None:
    """
    Bytes that say nothing are taken at the caller's word; bytes that say they are not allowed are refused all the same.
    """
    part = await prepare(b"\x00\x00MP3", allowed=["audio/mpeg"], content_type="audio/mpeg")

    assert part.filename == "media.mp3"
    with pytest.raises(ValueError, match="the file is audio/wav"):
        await prepare(b"RIFF\x00\x00\x00\x00WAVE", allowed=["audio/mpeg"], content_type="audio/mpeg")


@pytest.mark.parametrize("wrong", ["", "jpeg", "image/jpeg\r\nX: y", "image/jpeg; a=\n", "image/图", "image/ jpeg"])
async def test_a_content_type_must_be_one(wrong: str) -> None:
    """
    What cannot stand in a header is refused.
    """
    with pytest.raises(ValueError, match="content_type must look like image/jpeg"):
        await prepare(JPEG, content_type=wrong)
