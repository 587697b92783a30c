"""
The messages that customers write, a class for each kind.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

from ._push import UserMessage

__all__ = [
    "FileMessage",
    "ImageMessage",
    "LinkMessage",
    "LocationMessage",
    "MiniProgramPageMessage",
    "ShortVideoMessage",
    "TextMessage",
    "VideoMessage",
    "VoiceMessage",
]


# What WeChat writes in place of what it cannot show: eight public projects compare with it.
_UNSUPPORTED: Final = "【收到不支持的消息类型，暂无法显示】"


@attrs.frozen(kw_only=True)
class TextMessage(UserMessage):
    """
    Text.

    Attributes:
        bizmsgmenuid: The id of the `MenuItem` that the customer chose, if the text comes of a `MsgMenu`.

        business_id: The sub-merchant, if any.
    """

    msg_type: Literal["text"] = "text"
    content: str
    bizmsgmenuid: str | None = attrs.field(default=None, metadata={"wire": "bizmsgmenuid"})
    business_id: str | None = None

    @property
    def is_unsupported(self) -> bool:
        """
        Whether WeChat wrote this in place of what it cannot push, as a sticker.
        """
        return self.content.strip() == _UNSUPPORTED


@attrs.frozen(kw_only=True)
class ImageMessage(UserMessage):
    """
    A picture: its temporary URL, and its media id for `download_temp_media`.
    """

    msg_type: Literal["image"] = "image"
    pic_url: str
    media_id: str


@attrs.frozen(kw_only=True)
class VoiceMessage(UserMessage):
    """
    A voice message.

    Attributes:
        format: ``amr`` or ``speex``.

        media_id_16k: A copy at 16 kHz, where WeChat makes one.

        recognition: The spoken text, where recognition is on.
    """

    msg_type: Literal["voice"] = "voice"
    media_id: str
    format: str
    media_id_16k: str | None = attrs.field(default=None, metadata={"wire": "MediaId16K"})
    recognition: str | None = None


@attrs.frozen(kw_only=True)
class VideoMessage(UserMessage):
    """
    A video and its cover picture.
    """

    msg_type: Literal["video"] = "video"
    media_id: str
    thumb_media_id: str


@attrs.frozen(kw_only=True)
class ShortVideoMessage(UserMessage):
    """
    A short video, taken in the chat, and its cover picture.
    """

    msg_type: Literal["shortvideo"] = "shortvideo"
    media_id: str
    thumb_media_id: str


@attrs.frozen(kw_only=True)
class LocationMessage(UserMessage):
    """
    A place that the customer sent.

    Attributes:
        location_x: Latitude in degrees.

        location_y: Longitude in degrees.

        scale: Zoom of the map.

        label: Name or address.
    """

    msg_type: Literal["location"] = "location"
    location_x: float = attrs.field(metadata={"wire": "Location_X"})
    location_y: float = attrs.field(metadata={"wire": "Location_Y"})
    scale: int | None = None
    label: str | None = None


@attrs.frozen(kw_only=True)
class LinkMessage(UserMessage):
    """
    A shared link.
    """

    msg_type: Literal["link"] = "link"
    title: str
    description: str = ""
    url: str


@attrs.frozen(kw_only=True)
class FileMessage(UserMessage):
    """
    A file. WeChat's manual does not know this kind, and no call is known that downloads it.

    Attributes:
        title: The file's name.

        file_key: WeChat's key of the file.

        file_md5: The MD5 of its content, in hexadecimal digits.

        file_total_len: Its size in bytes.
    """

    msg_type: Literal["file"] = "file"
    title: str
    description: str = ""
    file_key: str = ""
    file_md5: str | None = None
    file_total_len: int | None = None


@attrs.frozen(kw_only=True)
class MiniProgramPageMessage(UserMessage):
    """
    A page of a mini-program, in its customer service.
    """

    msg_type: Literal["miniprogrampage"] = "miniprogrampage"
    title: str
    app_id: str
    page_path: str
    thumb_url: str | None = None
    thumb_media_id: str | None = None
