"""
Calls over an HTTP client of somebody else's: what its exceptions mean, and that its connections come back.
"""

from __future__ import annotations

import gzip
import importlib
import inspect
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest

from wechat_kf import (
    Call,
    DeliveryUncertain,
    KfError,
    NotFound,
    NotSent,
    ReplyError,
    Text,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.media import DOWNLOAD_TEMP_MEDIA
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.testing import (
    DropAfter,
    FakeWeChat,
    Status,
)

from ..api.raw_server import http, serve_raw
from ..arrivals import QuickClock, count, tokens_used
from ..conftest import Connect

CUSTOMER = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
LONG = 10**6
SECRET = "72_0123456789abcdef"


@pytest.fixture
def fake() -> FakeWeChat:
    """
    Make a stand-in with a customer who has just written, and whose lists are long.
    """
    fake = FakeWeChat()
    fake.user_says(CUSTOMER, "在吗")
    for number in range(10):
        fake.agent_online(f"agent{number}@test")
    return fake


@pytest.fixture
async def base(fake: FakeWeChat) -> AsyncGenerator[str]:
    """
    Serve it.
    """
    async with fake.serve() as url:
        yield url


@pytest.fixture
async def connect(fake: FakeWeChat, connect: Connect) -> Connect:
    """
    Make clients with a token, so that the only calls are those made, and without pauses.
    """
    await connect(fake).get_kf_list()
    [token] = tokens_used(fake, GET_KF_LIST)
    fake.calls.clear()
    return partial(connect, token=token, clock=QuickClock())


NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}


LIBRARIES = [pytest.param(importlib.import_module(name), id=name) for name in ("httpx", "httpx2")]


def exceptions(library: Any, request: Any) -> list[Exception]:
    """
    Make one of each exception that a library has.
    """
    made: list[Exception] = []
    kinds: list[Any] = [kind for _, kind in inspect.getmembers(library, inspect.isclass)]
    for kind in kinds:
        if issubclass(kind, library.HTTPStatusError):
            response = library.Response(404, request=request)
            made.append(kind(f"Client error '404' for url '{request.url}'", request=request, response=response))
        elif issubclass(kind, library.StreamError) and kind is not library.StreamError:
            made.append(kind())
        elif issubclass(kind, Exception) and not issubclass(kind, Warning):
            made.append(kind(f"could not GET {request.url}"))
    return made


@pytest.mark.parametrize("library", LIBRARIES)
async def test_exceptions_of_the_library(library: Any, connect: Connect) -> None:
    """
    Each exception of the HTTP library comes up as what it means, with itself as the cause, and without the token.
    """
    fails: list[Exception] = []

    def fail(request: Any) -> Any:
        raise next(error for error in exceptions(library, request) if type(error) is type(fails[0]))

    example = library.Request("GET", "https://example.com/")
    async with library.AsyncClient(transport=library.MockTransport(fail)) as http:
        kf = connect("https://api.weixin.qq.com", http=http, max_retries=0)
        kinds = exceptions(library, example)
        for error in kinds:
            fails[:] = [error]
            with pytest.raises(KfError) as caught:
                await kf.get_kf_list()
            name = type(error).__name__
            expected = NotSent if name in NOT_SENT else ReplyError if name == "DecodingError" else DeliveryUncertain

            assert type(caught.value) is expected, name
            assert type(caught.value.__cause__) is type(error)

    assert len(kinds) >= 25


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("error", [OSError, EOFError, anyio.BrokenResourceError, anyio.EndOfStream])
async def test_exceptions_from_below(library: Any, error: type[Exception], connect: Connect) -> None:
    """
    What another transport lets through of a broken connection is one too; in doubt it had been sent.
    """

    def fail(request: Any) -> Any:
        raise error

    async with library.AsyncClient(transport=library.MockTransport(fail)) as http:
        kf = connect("https://api.weixin.qq.com", http=http)
        with pytest.raises(DeliveryUncertain):
            await kf.send_custom_message(CUSTOMER, Text("在"))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("below", "expected"),
    [
        (ConnectionRefusedError(111, "Connection refused"), NotSent),
        (socket.gaierror(-2, "Name or service not known"), NotSent),
        (ConnectionResetError(104, "Connection reset by peer"), DeliveryUncertain),
        (LookupError("Server disconnected"), DeliveryUncertain),
    ],
)
async def test_exceptions_of_a_transport_on_another_library(
    library: Any, below: Exception, expected: type[KfError], connect: Connect
) -> None:
    """
    A transport may call everything a failure to connect that its own library calls a failure of the connection.
    """
    requests: list[Any] = []

    def fail(request: Any) -> Any:
        requests.append(request)
        own = RuntimeError("the library's own")
        own.__cause__ = below
        raise library.ConnectTimeout(str(own)) from own

    async with library.AsyncClient(transport=library.MockTransport(fail)) as http:
        kf = connect("https://api.weixin.qq.com", http=http)
        with pytest.raises(expected):
            await kf.send_custom_message(CUSTOMER, Text("在"))

    assert len(requests) == (3 if expected is NotSent else 1)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["ConnectError", "PoolTimeout"])
async def test_transport_that_tries_again_by_itself(
    library: Any, name: str, fake: FakeWeChat, base: str, connect: Connect
) -> None:
    """
    A transport that failed to connect, after it had sent the request before on another connection, may have sent it.
    """
    inner = library.AsyncHTTPTransport(verify=False)

    class Stubborn(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            try:
                return await inner.handle_async_request(request)
            except library.RemoteProtocolError:
                raise getattr(library, name)("All connection attempts failed") from None

    async with inner, library.AsyncClient(transport=Stubborn()) as http:
        kf = connect(base, http=http)
        fake.fault(SEND_CUSTOM_MESSAGE, DropAfter())
        with pytest.raises(DeliveryUncertain):
            await kf.send_custom_message(CUSTOMER, Text("在"))

    assert count(fake, SEND_CUSTOM_MESSAGE) == 1


@pytest.mark.parametrize("library", LIBRARIES)
async def test_exceptions_in_the_answer(library: Any, connect: Connect) -> None:
    """
    What breaks while the answer is read comes up the same way, in an answer that is read whole and in a download.
    """

    class Body(library.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'{"kf_list": ['
            raise library.ReadError("gone")

    def answer(request: Any) -> Any:
        return library.Response(200, stream=Body())

    async with library.AsyncClient(transport=library.MockTransport(answer)) as http:
        kf = connect("https://api.weixin.qq.com", http=http, max_retries=0)
        with pytest.raises(DeliveryUncertain):
            await kf.get_kf_list()
        with pytest.raises(DeliveryUncertain):
            async with kf.download_temp_media("any"):
                pass


# httpx leaves a generator in the middle then, which trio remarks on.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("library", LIBRARIES)
async def test_answer_cannot_be_decoded(library: Any, connect: Connect) -> None:
    """
    An answer in a compression that it is not in is a bad answer, one that is in it a good one.
    """
    bodies = [b"not gzip", gzip.compress(b'{"kf_list":[]}')]

    def answer(request: Any) -> Any:
        stream = library.ByteStream(bodies.pop(0))
        return library.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream)

    async with library.AsyncClient(transport=library.MockTransport(answer)) as http:
        kf = connect("https://api.weixin.qq.com", http=http)
        with pytest.raises(ReplyError, match="cannot be decoded"):
            await kf.get_kf_list()

        assert (await kf.get_kf_list()).kf_list == ()


@pytest.mark.parametrize("library", LIBRARIES)
async def test_hooks_of_the_client(library: Any, fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A client whose hook raises for a bad status, in an error that names the URL, shows no token either.
    """

    async def check(response: Any) -> None:
        response.raise_for_status()

    async with library.AsyncClient(event_hooks={"response": [check]}, verify=False) as http:
        kf = connect(base, http=http)
        fake.fault(GET_KF_LIST, Status(404))
        with pytest.raises(DeliveryUncertain) as caught:
            await kf.with_options(max_retries=0).get_kf_list()
        await kf.get_kf_list()

    cause: Any = caught.value.__cause__
    assert type(cause) is library.HTTPStatusError
    assert cause.request is cause.response.request
    assert "access_token=***" in str(cause.request.url)
    assert "access_token=***" in str(cause)


@pytest.mark.parametrize("slots", [pytest.param(1, id="as-many-as-its-pool"), pytest.param(100, id="more")])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_no_connection_of_an_injected_client_is_free(
    fake: FakeWeChat, base: str, connect: Connect, library: Any, slots: int
) -> None:
    """
    While a download holds the only connection of an injected client, a send ends as not sent, in time.
    """
    media_id = fake.user_sends_image(CUSTOMER, b"\xff\xd8\xff" + bytes(100_000))
    async with library.AsyncClient(limits=library.Limits(max_connections=1), verify=False) as http:
        kf = connect(base, http=http, max_connections=slots, max_retries=0, timeout=0.5)
        async with kf.download_temp_media(media_id) as media:
            with anyio.fail_after(20), pytest.raises(NotSent, match=r"No connection was free in time"):
                await kf.send_custom_message(CUSTOMER, Text("在"))
            await media.read()
        await kf.send_custom_message(CUSTOMER, Text("在的"))

    assert [sent.text for sent in fake.sent] == ["在的"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_download_cancelled_as_its_answer_comes(
    fake: FakeWeChat, base: str, connect: Connect, library: Any
) -> None:
    """
    A download that is cancelled in the moment in which an injected client gives the answer gives its connection back.
    """
    media_id = fake.user_sends_image(CUSTOMER, b"\xff\xd8\xff" + bytes(100_000))
    inner = library.AsyncHTTPTransport(limits=library.Limits(max_connections=1), verify=False)
    scope = anyio.CancelScope()

    class Sudden(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            response = await inner.handle_async_request(request)
            if request.url.path == DOWNLOAD_TEMP_MEDIA.path:
                scope.cancel()
            return response

    async with inner, library.AsyncClient(transport=Sudden()) as http:
        kf = connect(base, http=http, max_connections=1)
        with scope:
            async with kf.download_temp_media(media_id) as media:
                await media.read()
        with anyio.fail_after(5):
            await kf.send_custom_message(CUSTOMER, Text("在的"))

    assert scope.cancelled_caught
    assert [sent.text for sent in fake.sent] == ["在的"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http(b'{"kf_list":[]}', f"X-Asked: {SECRET}"), id="header"),
        pytest.param(f"OOPS {SECRET}\r\n\r\n".encode(), id="no-http"),
    ],
)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_answer_that_echoes_the_token(
    library: Any, answer: bytes, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What the library below writes at DEBUG of an answer shows no token, in whatever place the answer repeats it.
    """
    caplog.set_level(logging.DEBUG)
    async with serve_raw(answer) as server, library.AsyncClient(verify=False) as client:
        kf = connect(server.url, token=SECRET, http=client, max_retries=0)
        with suppress(DeliveryUncertain):
            await kf.get_kf_list()

    assert SECRET.encode() in server.requests[0]
    assert "receive_response_headers" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("library", LIBRARIES)
async def test_transport_that_starts_to_connect_and_breaks(library: Any, connect: Connect) -> None:
    """
    A transport that breaks while it connects has sent nothing, whatever it calls that; one that tells nothing may have.
    """
    tells = True

    class Breaks(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            if tells:
                await request.extensions["trace"]("connection.connect_tcp.started", {})
            raise library.ReadError("broken")

    async with library.AsyncClient(transport=Breaks()) as http:
        kf = connect("https://api.weixin.qq.com", http=http, max_retries=0)
        with pytest.raises(NotSent):
            await kf.send_custom_message(CUSTOMER, Text("在"))
        tells = False
        with pytest.raises(DeliveryUncertain):
            await kf.send_custom_message(CUSTOMER, Text("在"))


@pytest.mark.parametrize("library", LIBRARIES)
async def test_body_closed_twice(fake: FakeWeChat, base: str, connect: Connect, library: Any) -> None:
    """
    Closing the body of a download again gives no slot back twice.
    """
    media_id = fake.user_sends_image(CUSTOMER, b"\xff\xd8\xff" + bytes(100_000))
    async with library.AsyncClient(limits=library.Limits(max_connections=1), verify=False) as http:
        kf = connect(base, http=http, max_connections=1, max_retries=0, timeout=0.5)
        first = await kf.request(Call(DOWNLOAD_TEMP_MEDIA, {"media_id": media_id}))
        await first.body.aclose()
        await first.body.aclose()
        second = await kf.request(Call(DOWNLOAD_TEMP_MEDIA, {"media_id": media_id}))
        with anyio.fail_after(20), pytest.raises(NotSent, match=r"No connection was free in time"):
            await kf.send_custom_message(CUSTOMER, Text("在"))
        await second.body.aclose()


@pytest.mark.parametrize("library", LIBRARIES)
async def test_refused_download_gives_its_slot_back(
    fake: FakeWeChat, base: str, connect: Connect, library: Any
) -> None:
    """
    A download that WeChat refuses leaves the only connection of an injected client free.
    """
    async with library.AsyncClient(limits=library.Limits(max_connections=1), verify=False) as http:
        kf = connect(base, http=http, max_connections=1, max_retries=0, timeout=1)
        with pytest.raises(NotFound):
            async with kf.download_temp_media("none"):
                raise AssertionError
        await kf.send_custom_message(CUSTOMER, Text("在的"))

    assert [sent.text for sent in fake.sent] == ["在的"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_cancelled_as_it_connects(fake: FakeWeChat, base: str, connect: Connect, library: Any) -> None:
    """
    A call that is cancelled in the moment in which it has connected costs an injected client no connection.
    """
    scope = anyio.CancelScope()
    inner = library.AsyncHTTPTransport(limits=library.Limits(max_connections=1), verify=False)

    class Sudden(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            theirs = request.extensions["trace"]

            async def trace(event: str, info: Any) -> None:
                await theirs(event, info)
                if event.endswith("connect_tcp.complete"):
                    scope.cancel()

            request.extensions["trace"] = trace
            return await inner.handle_async_request(request)

    async with inner, library.AsyncClient(transport=Sudden()) as http:
        kf = connect(base, http=http, max_connections=1, max_retries=0, timeout=2)
        with scope:
            await kf.send_custom_message(CUSTOMER, Text("在"))
        await kf.send_custom_message(CUSTOMER, Text("在的"))

    assert "在的" in [sent.text for sent in fake.sent]
