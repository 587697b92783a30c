"""
The account's settings: from the environment or a file, never from arguments, which others on the machine can see.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import attrs

from .._client import AsyncKfClient, ClientOptions
from .._redact import hides_arguments
from ._exits import CommandError, Exit

__all__ = ["Settings"]

_NAMES: Final = frozenset(
    {
        "WECHAT_APPID",
        "WECHAT_BASE_URL",
        "WECHAT_CALLBACK_URL",
        "WECHAT_ENCODING_AES_KEY",
        "WECHAT_SECRET",
        "WECHAT_TOKEN",
    }
)

_LINE: Final = re.compile(
    r"""
    (?: export \s+ )? (?P<name> [A-Za-z_]\w* ) \s* = \s*
    (?: '(?P<single>[^']*)' | "(?P<double>[^"]*)" | (?P<bare> [^'"\s\#] \S* (?: [ \t]+ [^\s\#] \S* )* )? )
    \s* (?: \#.* )?
    """,
    re.VERBOSE,
)


@attrs.frozen
class Settings:
    """
    What is set.

    Attributes:
        origin: Where it was read, for messages.
    """

    origin: str
    _values: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    @hides_arguments
    def read(cls, env_file: Path | None) -> Self:
        """
        Read the environment and, over it, a file.

        Raises:
            CommandError: The file cannot be read or is malformed.
        """
        found = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
        if env_file is None:
            return cls("the environment", found)
        return cls(f"the environment and {env_file}", found | _read_file(env_file))

    def get(self, name: str) -> str | None:
        """
        Return a variable, or None if it is not set.
        """
        return self._values.get(name)

    def require(self, name: str) -> str:
        """
        Return a variable.

        Raises:
            CommandError: It is not set.
        """
        value = self.get(name)
        if value is None:
            raise CommandError(
                Exit.CREDENTIALS, f"{name} is not set: set it in the environment, or in a file named with --env-file."
            )
        return value

    def base_urls(self) -> tuple[str, ...]:
        """
        List the addresses of the API that are set; empty for the client's own.
        """
        return tuple(url.strip() for url in (self.get("WECHAT_BASE_URL") or "").split(",") if url.strip())

    @hides_arguments
    def client(self) -> AsyncKfClient:
        """
        Make the client.

        Raises:
            CommandError: A variable is missing or malformed.
        """
        options: ClientOptions = {"appid": self.require("WECHAT_APPID"), "secret": self.require("WECHAT_SECRET")}
        if self.base_urls():
            options["base_url"] = self.base_urls()
        try:
            return AsyncKfClient(**options)
        except ValueError as error:
            raise CommandError(Exit.CREDENTIALS, f"The settings are wrong: {error}.") from None


def _read_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise CommandError(Exit.FILE, f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(Exit.USAGE, f"{path} is not a text file in UTF-8.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            # The line itself may hold a secret.
            raise CommandError(Exit.USAGE, f"{path}, line {number}: it is not NAME=value.")
        if match["name"] in _NAMES:
            found[match["name"]] = match["single"] or match["double"] or match["bare"] or ""
    return {name: value for name, value in found.items() if value}
