"""
The doctor's single requests.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread

import anyio.lowlevel
import pytest

from wechat_kf.cli import _callback
from wechat_kf.cli._findings import State
from wechat_kf.cli._probe import Answer, Trouble, ask
from wechat_kf.cli._settings import Settings

# The command itself runs on asyncio only.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@contextmanager
def speaking(answer: Callable[[socket.socket], object]) -> Generator[str]:
    """
    Answer one connection; give the address.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


async def trouble(url: str, seconds: float = 30.0) -> Trouble:
    """
    Ask in vain.
    """
    answer = await ask("GET", url, seconds=seconds)
    assert isinstance(answer, Trouble)
    return answer


async def test_late() -> None:
    """
    The time is for all of the answer.
    """
    with speaking(lambda connection: connection.recv(1)) as address:
        found = await trouble(f"http://{address}/", 0.05)

    assert found.why == "No answer came within 0.05 seconds."


async def test_hung_up() -> None:
    """
    A server that hangs up is told.
    """
    with speaking(lambda connection: None) as address:
        found = await trouble(f"http://{address}/")

    assert found.why.startswith("No answer came: Server disconnected")


async def test_no_url() -> None:
    """
    What is no URL is told.
    """
    found = await trouble("http://a b:x/")

    assert found.why.startswith("It is no URL: ")


async def test_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy that lets nothing through is told.
    """
    with speaking(lambda connection: connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        found = await trouble("https://nowhere.invalid/")

    assert found.why == "The proxy refuses: 403 Forbidden."


async def test_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy of an unknown kind is told.
    """
    monkeypatch.setenv("HTTPS_PROXY", "pigeon://127.0.0.1")
    found = await trouble("https://nowhere.invalid/")

    assert found.why.startswith("The proxy in the environment cannot be used: ")


@pytest.mark.parametrize(
    ("url", "state"),
    [("http://8.8.8.8/", State.NOTE), ("https://8.8.8.8/", State.OK), ("http://10.0.0.1/", State.NOTE)],
)
async def test_slow_callback(monkeypatch: pytest.MonkeyPatch, url: str, state: State) -> None:
    """
    A callback that uses up most of WeChat's five seconds is told, wherever it is. Nothing is sent.
    """

    async def slowly(method: str, url: str, *, query: dict[str, str], **_: object) -> Answer:
        await anyio.lowlevel.checkpoint()
        return Answer(200, {}, query.get("echostr", "").encode(), 3.0)

    monkeypatch.setattr(_callback, "ask", slowly)
    monkeypatch.setenv("WECHAT_TOKEN", "t0ken")
    found = await _callback.look_at_callback(url, Settings.read(None))

    assert found[0].state is state
    assert (found[1].state, found[1].why) == (State.NOTE, "It answers, but after 3.0 seconds; WeChat waits 5.")
