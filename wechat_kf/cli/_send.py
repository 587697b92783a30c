"""
``wechat-kf send``: a message to one customer, or to a file of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, cast

import attrs
from cyclopts import App, Parameter

from .._client import AsyncKfClient
from ..api.message_kinds import Image, MenuItem, Message, MsgMenu, Raw, Text
from ..broadcast import FileJournal
from ._delivery import Delivery, Tally
from ._exits import CommandError, Exit
from ._openids import Recipients, check_openid, read_openids
from ._options import COMMON, Common, Options, Session
from ._pictures import upload_once

__all__ = ["Target", "To", "add_to", "image", "menu", "raw", "text"]

# What a single hyphen stands for.
_MAY_BE_INPUT: Final = Parameter(allow_leading_hyphen=True)

_Make: TypeAlias = Callable[[AsyncKfClient], Awaitable[Message]]


@attrs.frozen(kw_only=True)
class Target:
    """
    Whom a message goes to, and how.

    Attributes:
        to: The customer's openid.

        to_file: A file with an openid a line; - is the standard input.

        kf_account: Speak as this agent, PREFIX@SUFFIX.

        ai: Add the line that the content comes from an AI.

        concurrency: How many are under way at once.

        journal: A file in which is noted what became of each message of --to-file: killed or stopped, the same command
            goes on where it was.

        dry_run: Check the message and the file, send nothing.
    """

    to: str | None = None
    to_file: Annotated[Path | None, _MAY_BE_INPUT] = None
    kf_account: str | None = None
    ai: bool = False
    concurrency: int = 50
    journal: Path | None = None
    dry_run: bool = False

    def recipients(self) -> Recipients:
        """
        List whom it goes to.

        Raises:
            CommandError: Nobody is named, or in two ways, or something is no openid.
        """
        if (self.to is None) == (self.to_file is None):
            raise CommandError(Exit.USAGE, "Say --to OPENID or --to-file FILE.")
        if self.to_file is not None:
            return read_openids(self.to_file)
        if self.journal is not None:
            raise CommandError(Exit.USAGE, "--journal goes with --to-file.")
        return Recipients((check_openid(self.to or ""),))


To: TypeAlias = Annotated[Target, Parameter(name="*")]
"""
The type of a command's parameter for it.
"""

_NOBODY: Final = Target()


def add_to(app: App) -> None:
    """
    Add the commands.
    """
    send = App(name="send", help="Send a message to one customer, or to a file of them; nobody gets it twice.")
    for command in (text, image, menu, raw):
        send.command(command)
    app.command(send)


def text(content: Annotated[str, _MAY_BE_INPUT], /, *, to: To = _NOBODY, common: Common = COMMON) -> int:
    """
    Send a text.

    Args:
        content: The text; - reads it from the standard input.
    """
    message = Text(_standard_input("CONTENT", to).rstrip("\n") if content == "-" else content)
    return _send(_ready(message), to, common)


def image(
    file: Annotated[Path | None, Parameter(name="FILE")] = None,
    /,
    *,
    media_id: str | None = None,
    to: To = _NOBODY,
    common: Common = COMMON,
) -> int:
    """
    Send a picture: a file, which is uploaded first, or a picture uploaded before.

    Args:
        file: A JPEG, PNG or GIF of at most 10 MiB.

        media_id: The id that an upload gave; it lives 3 days.
    """
    if (file is None) == (media_id is None):
        raise CommandError(Exit.USAGE, "Say FILE or --media-id ID.")
    if media_id is not None:
        return _send(_ready(Image(media_id)), to, common)
    path = cast("Path", file)
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))

    async def upload(kf: AsyncKfClient) -> Message:
        if to.journal is not None:
            return Image(await upload_once(kf, path, to.journal))
        return Image((await kf.upload_temp_media("image", path)).media_id)

    return _send(upload, to, common)


def menu(
    head: str,
    /,
    *,
    item: tuple[str, ...],
    tail: str | None = None,
    to: To = _NOBODY,
    common: Common = COMMON,
) -> int:
    """
    Send entries to choose from.

    Args:
        head: The text above them.

        item: An entry, as ID=TEXT; the ID comes back with the customer's choice. Once for each.

        tail: The text below them.
    """
    items: list[MenuItem] = []
    for each in item:
        name, equals, content = each.partition("=")
        if not equals:
            raise CommandError(Exit.USAGE, f"--item must be ID=TEXT, not {each!r}.")
        items.append(MenuItem(name, content))
    return _send(_ready(MsgMenu(items, head_content=head, tail_content=tail)), to, common)


def raw(
    msgtype: str,
    body: Annotated[Path, Parameter(name="FILE", allow_leading_hyphen=True)],
    /,
    *,
    to: To = _NOBODY,
    common: Common = COMMON,
) -> int:
    """
    Send a message of any kind.

    Args:
        msgtype: The kind, such as miniprogrampage.

        body: A file with its JSON, as the manual shows it below the name of the kind; - is the standard input.
    """
    content = _standard_input("FILE", to) if str(body) == "-" else body.read_text(encoding="utf-8-sig")
    try:
        value: Any = json.loads(content)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"{body} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CommandError(Exit.USAGE, f"{body} is not a JSON object.")
    return _send(_ready(Raw(msgtype, cast("dict[str, Any]", value))), to, common)


def _standard_input(what: str, to: Target) -> str:
    if str(to.to_file) == "-":
        raise CommandError(Exit.USAGE, f"{what} and --to-file cannot both be the standard input.")
    return sys.stdin.read()


def _ready(message: Message) -> _Make:
    async def ready(_: AsyncKfClient) -> Message:
        return message

    return ready


def _send(make: _Make, target: Target, common: Options) -> int:
    recipients = target.recipients()
    out = common.out
    for line, before in recipients.repeated:
        out.note(f"line {line} repeats line {before}; it is sent once.")
    number = len(recipients.openids)
    if target.dry_run:
        out.value({"recipients": number}, f"{number} {'customer' if number == 1 else 'customers'}; nothing was sent.")
        return Exit.DONE
    return common.run(partial(_deliver, make=make, target=target, recipients=recipients), changes=True)


async def _deliver(session: Session, make: _Make, target: Target, recipients: Recipients) -> int:
    message = await make(session.kf)
    is_ai_msg = True if target.ai else None
    if target.to is not None:
        await session.kf.send_custom_message(target.to, message, kf_account=target.kf_account, is_ai_msg=is_ai_msg)
        session.out.value({"delivered": 1}, f"Sent to {target.to}.")
        return Exit.DONE
    delivery = Delivery(session, Tally(recipients, target.concurrency))
    outcomes = session.kf.send_each(
        delivery.pairs(message),
        concurrency=target.concurrency,
        journal=None if target.journal is None else FileJournal(target.journal),
        kf_account=target.kf_account,
        is_ai_msg=is_ai_msg,
    )
    return await delivery.run(outcomes)
