"""
One file as the body of an upload: what is sent.
"""

from __future__ import annotations

import email.message
import os
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wechat_kf._wire.file_content import READ
from wechat_kf._wire.multipart import CHUNK

from .uploads import (
    JPEG,
    KINDS,
    collect,
    content,
    parse,
    prepare,
)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    near=st.sampled_from([0, CHUNK, READ, READ + CHUNK]),
    extra=st.integers(-3, 3),
    data=st.data(),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_every_kind_of_file_comes_back(
    kind: str, near: int, extra: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """
    Every kind of file is sent whole, in as many bytes as announced, the same for every attempt.
    """
    size = max(1, near + extra)
    start = data.draw(st.binary(max_size=300))
    whole = (start + bytes(size))[:size]
    part = await prepare(KINDS[kind](whole, tmp_path_factory.getbasetemp()))
    first = await collect(part)

    assert len(parse(part, first)[1]) == size
    assert len(first) == int(part.headers["Content-Length"])
    assert parse(part, first)[1] == whole
    assert await collect(part) == first


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_real_bytes_come_back(kind: str, tmp_path: Path) -> None:
    """
    Each kind of file is sent in order, every byte at its place.
    """
    whole = JPEG + os.urandom(2 * READ)
    part = await prepare(KINDS[kind](whole, tmp_path))

    assert await content(part) == whole


async def test_the_plain_browser_form() -> None:
    """
    The body is the part `media`, with a filename and a content type and nothing else.
    """
    part = await prepare(JPEG, filename="avatar.jpg")
    lines, whole = parse(part, await collect(part))

    assert lines == ['Content-Disposition: form-data; name="media"; filename="avatar.jpg"', "Content-Type: image/jpeg"]
    assert whole == JPEG


async def test_the_standard_library_reads_it() -> None:
    """
    A parser that knows nothing of this library finds the one part.
    """
    part = await prepare(JPEG)
    message = email.message_from_bytes(
        b"Content-Type: " + part.headers["Content-Type"].encode() + b"\r\n\r\n" + await collect(part)
    )
    (media,) = cast("list[email.message.Message]", message.get_payload())

    assert message.get_content_type() == "multipart/form-data"
    assert media.get_param("name", header="Content-Disposition") == "media"
    assert media.get_filename() == "media.jpg"
    assert media.get_content_type() == "image/jpeg"
    assert media.get_payload(decode=True) == JPEG


async def test_small_files_are_one_chunk() -> None:
    """
    A small body is one chunk, and no chunk of a large one is much larger than `CHUNK`.
    """
    small = [len(chunk) async for chunk in (await prepare(JPEG)).stream()]
    large = [len(chunk) async for chunk in (await prepare(bytes(3 * CHUNK))).stream()]

    assert len(small) == 1
    assert len(large) == 3
    assert max(large) < CHUNK + 300


async def test_each_part_has_its_own_boundary() -> None:
    """
    The boundary is random, so that no file can be made to hold it.
    """
    one, two = await prepare(JPEG), await prepare(JPEG)

    assert one.headers["Content-Type"] != two.headers["Content-Type"]


async def test_repr_holds_no_content() -> None:
    """
    A part's repr says what it is and shows none of its bytes.
    """
    assert repr(await prepare(JPEG)) == "FilePart(filename='media.jpg')"


def test_the_chunk_is_small() -> None:
    """
    A chunk is small enough to be read and written without a pause that others notice.
    """
    assert CHUNK <= 512 * 1024
