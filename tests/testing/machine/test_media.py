"""
Files: types, sizes, names, three days.
"""

from __future__ import annotations

import httpx
import pytest

from wechat_kf.testing import FakeWeChat

from ..bare_api import API, JPEG, OPENID, Wire

UPLOAD = "/cgi-bin/media/upload"
GET = "/cgi-bin/media/get"

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
GIF = b"GIF89a" + b"picture"
AMR = b"#!AMR\n" + b"voice"
MP3 = b"ID3" + b"voice"
FRAME = b"\xff\xfb\x90\x44" + b"voice"
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"video"

GOOD = [
    ("image", "a.jpg", JPEG, "image/jpeg"),
    ("image", "a.jpeg", JPEG, None),
    ("image", "a.PNG", PNG, "image/png"),
    ("image", "a.gif", GIF, "image/gif"),
    ("voice", "a.amr", AMR, "audio/amr"),
    ("voice", "a.mp3", MP3, "audio/mpeg"),
    ("voice", "a.mp3", FRAME, "audio/mp3"),
    ("video", "a.mp4", MP4, "video/mp4"),
    ("thumb", "a.jpg", JPEG, "image/jpeg"),
]


@pytest.mark.parametrize(("type_", "name", "content", "content_type"), GOOD)
async def test_there_and_back(wire: Wire, type_: str, name: str, content: bytes, content_type: str | None) -> None:
    """
    What was uploaded comes back, with its type and a name; a video behind a URL.
    """
    answer = await wire.upload(UPLOAD, name, content, content_type, type=type_)
    media_id = answer["thumb_media_id" if type_ == "thumb" else "media_id"]
    response = await wire.send("GET", GET, query={"media_id": media_id})
    if type_ == "video":
        response = await wire.http.get(response.json()["video_url"])

    assert (answer["type"], answer["created_at"]) == (type_, int(wire.fake.clock.now().timestamp()))
    assert response.content == content
    assert response.headers["content-type"].startswith({"thumb": "image", "voice": "audio"}.get(type_, type_))
    assert response.headers["content-disposition"].startswith(f'attachment; filename="{media_id}.')


@pytest.mark.parametrize(
    ("type_", "file", "errcode"),
    [
        ("file", ("a.jpg", JPEG, "image/jpeg"), 40004),
        ("", ("a.jpg", JPEG, "image/jpeg"), 40004),
        ("image", ("", JPEG, "image/jpeg"), 41005),
        ("image", ("a.jpg", b"", "image/jpeg"), 44001),
        ("image", ("a.jpg", b"text", "image/jpeg"), 40005),
        ("image", ("a", JPEG, "image/jpeg"), 40005),
        ("image", ("a.jpg", JPEG, "text/plain"), 40005),
        ("voice", ("a.jpg", JPEG, "image/jpeg"), 40005),
        ("thumb", ("a.png", PNG, "image/png"), 40005),
        ("image", ("a.jpg", JPEG + bytes(10 * 1024 * 1024), "image/jpeg"), 40009),
        ("voice", ("a.amr", AMR + bytes(2 * 1024 * 1024), "audio/amr"), 40010),
        ("video", ("a.mp4", MP4 + bytes(10 * 1024 * 1024), "video/mp4"), 40011),
        ("thumb", ("a.jpg", JPEG + bytes(64 * 1024), "image/jpeg"), 40012),
    ],
    ids=[
        "kind",
        "no kind",
        "nameless",
        "empty",
        "text",
        "no extension",
        "content type",
        "other kind",
        "png thumb",
        "large image",
        "large voice",
        "large video",
        "large thumb",
    ],
)
async def test_refused(wire: Wire, type_: str, file: tuple[str, bytes, str], errcode: int) -> None:
    """
    Each type has its formats and its size.
    """
    assert (await wire.upload(UPLOAD, *file, type=type_))["errcode"] == errcode


async def test_three_days(fake: FakeWeChat, wire: Wire) -> None:
    """
    A media_id can be used many times for three days, then not at all; a video's URL ends with it.
    """
    image = (await wire.upload(UPLOAD, type="image"))["media_id"]
    video = (await wire.upload(UPLOAD, "a.mp4", MP4, "video/mp4", type="video"))["media_id"]
    url = (await wire.get(GET, media_id=video))["video_url"]
    fake.advance(3 * 86400 - 1)
    fake.user_says(OPENID, "hi")
    wire.token = ""
    body = {"touser": OPENID, "msgtype": "image", "image": {"media_id": image}}
    before = [await wire.code("/cgi-bin/message/custom/send", **body) for _ in range(2)]
    fake.advance(1)

    assert before == [0, 0]
    assert await wire.code("/cgi-bin/message/custom/send", **body) == 40007
    assert (await wire.get(GET, media_id=image))["errcode"] == 40007
    assert (await wire.http.get(url)).json()["errcode"] == 40007


async def test_unknown_media(wire: Wire) -> None:
    """
    An error comes as text where a file is expected.
    """
    response = await wire.send("GET", GET, query={"media_id": "no"})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain"
    assert response.json()["errcode"] == 40007
    assert (await wire.get(GET))["errcode"] == 41006


async def test_what_customers_send_can_be_downloaded(fake: FakeWeChat, wire: Wire) -> None:
    """
    The media_id of a customer's picture is a file like any other; material of the account stays for good.
    """
    sent = fake.user_sends_image(OPENID, PNG)
    kept = fake.add_material("image", b"no picture")
    response = await wire.send("GET", GET, query={"media_id": sent})
    fake.advance(4 * 86400)
    wire.token = ""

    assert (response.content, response.headers["content-type"]) == (PNG, "image/png")
    assert (await wire.get(GET, media_id=sent))["errcode"] == 40007
    assert (await wire.send("GET", GET, query={"media_id": kept})).headers["content-type"] == "application/octet-stream"


def body_of(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    """
    Write a form with the boundary ``b``.
    """
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


DISPOSITION = b'Content-Disposition: form-data; name="media"; filename="a.jpg"'
PART = DISPOSITION + b"\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG


@pytest.mark.parametrize(
    ("body", "content_type", "errcode"),
    [
        (body_of(PART), "multipart/form-data; boundary=b", 0),
        (body_of(PART), "multipart/form-data; charset=utf-8; boundary=b", 0),
        (b"preamble\r\n" + body_of(PART) + b"epilogue", "multipart/form-data; boundary=b", 0),
        (body_of(b'Content-Disposition: form-data; name="x"\r\n\r\n1', PART), "multipart/form-data; boundary=b", 0),
        (body_of(PART), 'multipart/form-data; boundary="b"', 41005),
        (body_of(PART), "multipart/form-data", 0),
        (body_of(PART), "Multipart/Form-Data; charset=utf-8", 0),
        (body_of(PART), "multipart/form-data; boundary=", 41005),
        (b"preamble\r\n" + body_of(PART), "multipart/form-data", 41005),
        (body_of(PART), "application/octet-stream", 41005),
        (body_of(PART, end=b""), "multipart/form-data; boundary=b", 41005),
        (b"", "multipart/form-data; boundary=b", 41005),
        (body_of(PART.replace(b"media", b"file")), "multipart/form-data; boundary=b", 41005),
        (body_of(PART.replace(b'; filename="a.jpg"', b"")), "multipart/form-data; boundary=b", 41005),
        (
            body_of(PART.replace(b'filename="a.jpg"', b"filename*=utf-8''a.jpg")),
            "multipart/form-data; boundary=b",
            41005,
        ),
        (body_of(PART.replace(b"a.jpg", b"jpg")), "multipart/form-data; boundary=b", 40005),
        (body_of(PART.replace(b"a.jpg", b"a.b.JPEG")), "multipart/form-data; boundary=b", 0),
        (body_of(PART.replace(DISPOSITION, b"X: y")), "multipart/form-data; boundary=b", 41005),
    ],
    ids=[
        "plain",
        "charset",
        "around",
        "other part",
        "quoted boundary",
        "no boundary",
        "another parameter",
        "an empty boundary",
        "no boundary and a preamble",
        "no form",
        "cut off",
        "nothing",
        "other name",
        "no filename",
        "RFC 2231",
        "no extension",
        "two dots",
        "no disposition",
    ],
)
async def test_forms(wire: Wire, body: bytes, content_type: str, errcode: int) -> None:
    """
    Only a form as browsers write it has a file in it.
    """
    response = await wire.send(
        "POST", UPLOAD, query={"type": "image"}, content=body, headers={"content-type": content_type}
    )

    assert response.json()["errcode"] == errcode


async def test_uploads_need_their_length(wire: Wire) -> None:
    """
    A chunked upload, or one without Content-Length, is the gateway's HTTP 412, in HTML.
    """
    await wire.get("/cgi-bin/getcallbackip")
    request = httpx.Request(
        "POST",
        f"{API}{UPLOAD}",
        params={"access_token": wire.token, "type": "image"},
        headers={"content-type": "multipart/form-data; boundary=b"},
        content=body_of(PART),
    )
    del request.headers["content-length"]
    lengthless = await wire.http.send(request)
    request.headers["transfer-encoding"] = "chunked"
    chunked = await wire.http.send(request)

    assert (lengthless.status_code, chunked.status_code) == (412, 412)
    assert b"<html>" in chunked.content
    assert [call.size for call in wire.fake.calls[-2:]] == [len(body_of(PART))] * 2


async def test_what_is_remembered_of_an_upload(wire: Wire) -> None:
    """
    A call's file is its name, type and bytes, and shows no bytes in a repr.
    """
    await wire.upload(UPLOAD, type="image")
    file = wire.fake.calls[-1].file

    assert file is not None
    assert (file.name, file.filename, file.content_type, file.content) == ("media", "a.jpg", "image/jpeg", JPEG)
    assert f"<{len(JPEG)} bytes>" in repr(file)
