"""
A watch over secrets: whatever is logged or raised while it stands must show no token and no secret.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

import wechat_kf
from wechat_kf import AsyncKfClient, KfError
from wechat_kf.testing.machine.platform import Platform
from wechat_kf.testing.machine.tokens import Tokens

__all__ = ["SecretsWatch"]

# Shorter ones are words that any text may hold.
_SHORTEST: Final = 16

_PACKAGE: Final = Path(str(wechat_kf.__file__)).parent


class SecretsWatch(logging.Handler):
    """
    Gathers what is logged, every `KfError` made, and every credential there is: those of stand-ins and of clients.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._secrets: set[str] = set()
        self._logged: set[str] = set()
        self._errors: list[KfError] = []
        self._levels: list[tuple[logging.Logger, int]] = []
        self._patch = pytest.MonkeyPatch()

    def hide(self, value: str) -> None:
        """
        Watch for one more.
        """
        self._secrets.add(value)

    def emit(self, record: logging.LogRecord) -> None:
        """
        Keep what any handler could write of a record.
        """
        self._logged.add(f"{record.getMessage()} {record.msg!r} {record.args!r} {record.exc_text}")
        if record.exc_info and record.exc_info[1] is not None:
            self._logged.add("".join(traceback.format_exception(record.exc_info[1])))

    def __enter__(self) -> Self:
        root = logging.getLogger()
        known = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
        for logger in (root, *known):
            if logger is root or logger.level:
                self._levels.append((logger, logger.level))
                logger.setLevel(logging.DEBUG)
            if logger is root or not logger.propagate:
                logger.addHandler(self)
        self._watch_credentials()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patch.undo()
        root = logging.getLogger()
        for logger in (root, *root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger):
                logger.removeHandler(self)
        for logger, level in self._levels:
            logger.setLevel(level)

    def check(self) -> None:
        """
        Fail if a credential shows, and say where, but not which.
        """
        errors, self._errors = self._errors, []
        secrets = [value for value in self._secrets if len(value) >= _SHORTEST]
        for text in self._logged:
            self._look("a log record", text, secrets)
        seen: set[tuple[object, ...]] = set()
        for error in errors:
            # A test may raise thousands of the same kind, and a traceback takes long to format.
            key = (type(error), str(error), type(error.__cause__), str(error.__cause__), *_places(error))
            if key not in seen:
                seen.add(key)
                for place, text in _shown(error):
                    self._look(place, text, secrets)

    def _look(self, place: str, text: str, secrets: list[str]) -> None:
        for value in secrets:
            assert value not in text, f"{place} shows a secret: {text.replace(value, '<HERE>')}"

    def _watch_credentials(self) -> None:
        watch = self
        make_error, make_client, for_account = KfError.__init__, AsyncKfClient.__init__, AsyncKfClient.for_account
        make_tokens, issue = Tokens.__init__, Tokens._issue
        make_platform, make_value = Platform.__init__, Platform._secret_value

        def error_made(error: KfError, *args: Any, **options: Any) -> None:
            make_error(error, *args, **options)
            watch._errors.append(error)

        def hide_given(args: tuple[Any, ...], options: dict[str, Any]) -> None:
            for value in (*args[1:2], options.get("secret"), options.get("token")):
                if isinstance(value, str):
                    watch.hide(value)

        def client_made(client: AsyncKfClient, *args: Any, **options: Any) -> None:
            hide_given(args, options)
            make_client(client, *args, **options)

        @wraps(for_account)
        def account_added(client: AsyncKfClient, *args: Any, **options: Any) -> AsyncKfClient:
            hide_given(args, options)
            return for_account(client, *args, **options)

        def tokens_made(tokens: Tokens, appid: str, secret: str, *args: Any) -> None:
            watch.hide(secret)
            make_tokens(tokens, appid, secret, *args)

        def issued(tokens: Tokens, *args: Any) -> Any:
            token = issue(tokens, *args)
            watch.hide(token.value)
            return token

        def platform_made(platform: Platform, appid: str, secret: str, **options: Any) -> None:
            watch.hide(secret)
            make_platform(platform, appid, secret, **options)

        def value_made(platform: Platform, beginning: str) -> str:
            value = make_value(platform, beginning)
            watch.hide(value)
            return value

        self._patch.setattr(Platform, "__init__", platform_made)
        self._patch.setattr(Platform, "_secret_value", value_made)
        self._patch.setattr(KfError, "__init__", error_made)
        self._patch.setattr(AsyncKfClient, "__init__", client_made)
        self._patch.setattr(AsyncKfClient, "for_account", account_added)
        self._patch.setattr(Tokens, "__init__", tokens_made)
        self._patch.setattr(Tokens, "_issue", issued)


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: list[BaseException] = [error]
    for each in found:
        yield each
        found += [next_ for next_ in (each.__cause__, each.__context__) if next_ is not None and next_ not in found]


def _places(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f"{frame.f_code.co_filename}:{line}"


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_PACKAGE) and not path.is_relative_to(_PACKAGE / "testing")


def _shown(error: KfError) -> Iterator[tuple[str, str]]:
    """
    Give every text of an error that may reach a log.
    """
    yield "a formatted traceback", "".join(traceback.format_exception(error))
    for each in _chain(error):
        name = type(each).__name__
        yield f"the text of {name}", f"{each} {each!r} {each.args!r}"
        yield f"an attribute of {name}", repr(vars(each))
        request = vars(each).get("_request")
        if request is not None:
            yield f"the request of {name}", f"{request.url} {request.headers.raw!r} {request!r}"
        # What an error tracker keeps of each frame. Those of the tests hold what they like.
        for frame, line in traceback.walk_tb(each.__traceback__):
            if _is_ours(frame.f_code.co_filename):
                for variable, value in frame.f_locals.items():
                    yield f"{variable} in {frame.f_code.co_filename}:{line}", repr(value)
