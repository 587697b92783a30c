"""
Whether a call may have taken effect, whether it is made again, where, and how long it may take.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from wechat_kf import (
    AsyncKfClient,
    AuthError,
    Conflict,
    DeliveryUncertain,
    KfError,
    NotSent,
    QuotaExceeded,
    RateLimited,
    ReplyError,
    SystemBusy,
    Text,
)
from wechat_kf.api.accounts import GET_KF_LIST
from wechat_kf.api.media import DOWNLOAD_TEMP_MEDIA, UPLOAD_TEMP_MEDIA
from wechat_kf.api.messages import SEND_CUSTOM_MESSAGE
from wechat_kf.api.sessions import CREATE_KF_SESSION
from wechat_kf.testing import (
    Delay,
    Drip,
    DropAfter,
    DropBefore,
    Errcode,
    FakeWeChat,
    Fault,
    ManualClock,
    Status,
    Truncate,
)

from .. import http_server as _server
from ..arrivals import Arrivals, QuickClock, count, refusing, tokens_used
from ..conftest import Connect

CUSTOMER = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
FOR_EVER = 1000
LONG = 10**6


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


@pytest.fixture
async def kf(fake: FakeWeChat, base: str, connect: Connect) -> AsyncKfClient:
    """
    Make one for the stand-in that is connected: on a busy machine that alone may take as long as tests let a call wait.
    """
    kf = connect(base)
    await kf.get_callback_ip()
    fake.calls.clear()
    return kf


def slept(kf: AsyncKfClient) -> list[float]:
    """
    List the pauses a client made.
    """
    assert isinstance(kf._clock, QuickClock)
    return kf._clock.slept


@pytest.fixture(params=["refused", "no such host", "no TLS", "no proxy"])
async def nowhere(request: pytest.FixtureRequest, base: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str]:
    """
    Give an address to which no connection can be made.
    """
    look_up = socket.getaddrinfo

    def look_up_or_fail(host: Any, *rest: Any, **more: Any) -> Any:
        if host in ("nowhere.invalid", b"nowhere.invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_or_fail)
    if request.param == "refused":
        yield refusing()
    elif request.param == "no such host":
        yield "http://nowhere.invalid"
    elif request.param == "no TLS":
        yield base.replace("http:", "https:")
    else:
        async with _server.serve() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            yield "https://nowhere.invalid"


async def test_nothing_sent(nowhere: str, connect: Connect) -> None:
    """
    Where no connection can be made nothing was sent; it is tried again, so many times, after longer and longer pauses.
    """
    kf = connect(nowhere)
    with pytest.raises(NotSent, match="No connection could be made") as caught:
        await kf.send_custom_message(CUSTOMER, Text("在"))

    assert caught.value.effect == "none"
    assert caught.value.endpoint == SEND_CUSTOM_MESSAGE.path
    assert type(caught.value.__cause__).__module__ in ("httpx", "httpx2")
    first, second = slept(kf)
    assert 0.125 <= first <= 0.25 <= second <= 0.5


async def test_turns_to_the_next(nowhere: str, base: str, fake: FakeWeChat, connect: Connect) -> None:
    """
    What was not sent to one host is sent to the next, at once and once.
    """
    kf = connect((nowhere, base))
    await kf.send_custom_message(CUSTOMER, Text("在"))

    assert slept(kf) == []
    assert [shown.text for shown in fake.sent] == ["在"]

    await kf.send_custom_message(CUSTOMER, Text("吗"))

    assert count(fake, SEND_CUSTOM_MESSAGE) == 2


async def test_no_host_can_be_reached(connect: Connect) -> None:
    """
    When no host can be reached all are tried, the number of attempts being what it is.
    """
    kf = connect((refusing(), refusing()))
    with pytest.raises(NotSent):
        await kf.get_kf_list()

    assert len(slept(kf)) == 1  # between the second attempt and the third


async def test_no_connection_is_free(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A call that finds no connection free in time was not sent; it is no fault of the host's.
    """
    arrivals = Arrivals(fake)
    kf = connect((base, refusing()), max_connections=1)
    fake.fault(GET_KF_LIST, Delay(LONG))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await arrivals.until(GET_KF_LIST)
        with pytest.raises(NotSent, match="No connection was free in time") as caught:
            await kf.with_options(timeout=0.2, max_retries=0).get_kf_list()
        assert type(caught.value.__cause__).__name__ == "PoolTimeout"
        tasks.cancel_scope.cancel()
    await kf.with_options(max_retries=0).get_kf_list()

    assert count(fake, GET_KF_LIST) == 2


async def test_connecting_takes_too_long(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A host that lets connections wait is one that cannot be reached.
    """
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        # Linux lets one more into the queue than it is told.
        with socket.create_connection(address):
            kf = connect((f"http://127.0.0.1:{address[1]}", base), timeout=0.2, max_retries=0)
            with pytest.raises(NotSent, match="No connection could be made") as caught:
                await kf.send_custom_message(CUSTOMER, Text("在"))
            await kf.send_custom_message(CUSTOMER, Text("在的"))

    assert type(caught.value.__cause__).__name__ == "ConnectTimeout"
    assert [shown.text for shown in fake.sent] == ["在的"]


async def test_certificates_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What goes wrong before a connection is tried has no effect either.
    """
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    async with AsyncKfClient(token="any", base_url="https://127.0.0.1:9", max_retries=0) as kf:
        with pytest.raises(NotSent):
            await kf.get_kf_list()


async def test_back_to_the_first(fake: FakeWeChat, connect: Connect) -> None:
    """
    A host that was down is left alone for 30 seconds, and used again when it answers.
    """
    clock = ManualClock()
    async with fake.serve() as second:
        async with fake.serve() as first:
            kf = connect((first, second), clock=clock)
            await kf.get_kf_list()
        await kf.get_kf_list()
        await kf.get_kf_list()
        async with fake.serve(port=int(first.rpartition(":")[2])):
            await kf.get_kf_list()
            clock.advance(30)
            await kf.get_kf_list()
            await kf.get_kf_list()

    asked = [f"http://{call.headers['host']}" for call in fake.calls]
    assert asked == [first, second, second, second, first, first]


async def test_back_with_a_refusal(fake: FakeWeChat, connect: Connect) -> None:
    """
    A host that was down and answers with a refusal is used again, too.
    """
    clock = ManualClock()
    async with fake.serve() as second:
        async with fake.serve() as first:
            kf = connect((first, second), clock=clock)
        await kf.get_kf_list()
        async with fake.serve(port=int(first.rpartition(":")[2])):
            clock.advance(30)
            fake.fault(GET_KF_LIST, Errcode(45009))
            with pytest.raises(QuotaExceeded):
                await kf.get_kf_list()
            await kf.get_kf_list()

    asked = [f"http://{call.headers['host']}" for call in fake.calls]
    assert asked == [second, first, first]


async def test_no_url_at_all(connect: Connect) -> None:
    """
    What only the HTTP library finds wrong with a base URL is a `ValueError` too.
    """
    with pytest.raises(ValueError, match="do not make a URL"):
        await connect("http://exa\x7fmple").get_kf_list()


async def test_base_url_with_a_path(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A gateway's path stands before the endpoint's, whether or not it ends in a slash.
    """
    for url in (f"{base}/wechat", f"{base}/wechat/"):
        with pytest.raises(KfError):
            await connect(url).get_kf_list()

    assert [call.path for call in fake.calls] == ["/wechat" + GET_KF_LIST.path] * 2


BROKEN = [
    pytest.param(DropBefore(), "RemoteProtocolError", id="drop before"),
    pytest.param(DropAfter(), "RemoteProtocolError", id="drop after"),
    pytest.param(Truncate(5), "RemoteProtocolError", id="truncate"),
    pytest.param(Status(502), "NoneType", id="502"),
]


SLOW = [
    pytest.param(Delay(LONG), "ReadTimeout", id="delay"),
    pytest.param(Drip(10), "ReadTimeout", id="drip"),
]


@pytest.mark.parametrize(("fault", "cause"), BROKEN + SLOW)
async def test_send_is_never_repeated(fault: Fault, cause: str, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A message that may have arrived is not sent again, and the error says so.
    """
    await kf.get_kf_list()
    fake.fault(SEND_CUSTOM_MESSAGE, fault)
    with pytest.raises(DeliveryUncertain) as caught:
        await kf.with_options(timeout=0.5).send_custom_message(CUSTOMER, Text("在"))

    assert caught.value.effect == "unknown"
    assert caught.value.endpoint == SEND_CUSTOM_MESSAGE.path
    assert type(caught.value.__cause__).__name__ == cause
    assert count(fake, SEND_CUSTOM_MESSAGE) == 1
    assert slept(kf) == []


@pytest.mark.parametrize("max_retries", [0, 1, 3])
@pytest.mark.parametrize(("fault", "cause"), BROKEN)
async def test_read_is_repeated(
    fault: Fault, cause: str, max_retries: int, fake: FakeWeChat, kf: AsyncKfClient
) -> None:
    """
    A call that changes nothing is made again, so many times and no more.
    """
    fake.fault(GET_KF_LIST, fault, FOR_EVER)
    with pytest.raises(DeliveryUncertain) as caught:
        await kf.with_options(max_retries=max_retries).get_kf_list()

    assert type(caught.value.__cause__).__name__ == cause
    assert count(fake, GET_KF_LIST) == 1 + max_retries
    assert len(slept(kf)) == max_retries


@pytest.mark.parametrize(("fault", "cause"), SLOW)
async def test_slow_read_is_repeated(fault: Fault, cause: str, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    So is one whose answer is late.
    """
    fake.fault(GET_KF_LIST, fault, FOR_EVER)
    with pytest.raises(DeliveryUncertain) as caught:
        await kf.with_options(timeout=0.5, max_retries=1).get_kf_list()

    assert type(caught.value.__cause__).__name__ == cause
    assert count(fake, GET_KF_LIST) == 2


@pytest.mark.parametrize("fault", [DropAfter(), Errcode(-1)], ids=repr)
@pytest.mark.parametrize("then", ["no connection", "no token", "refused", "token refused"])
async def test_doubt_remains(fault: Fault, then: str, fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A call that may have taken effect is not said to have had none because it failed otherwise when made again.
    """

    class Provider:
        async def get(self) -> str:
            if then == "no token" and count(fake, CREATE_KF_SESSION):
                raise LookupError
            return "any"

        async def invalidate(self, value: str) -> None:
            pass

    fake.fault(CREATE_KF_SESSION, fault)
    fake.fault(CREATE_KF_SESSION, Errcode(40001 if then == "token refused" else 65414), 2)
    kf = connect((base, refusing()) if then == "no connection" else base, token=Provider(), max_retries=1)
    with pytest.raises(KfError) as caught:
        await kf.create_kf_session("agent0@test", CUSTOMER)

    doubtful = SystemBusy if isinstance(fault, Errcode) else DeliveryUncertain
    expected = {"refused": Conflict, "token refused": AuthError}.get(then, doubtful)
    assert type(caught.value) is expected
    assert caught.value.effect == "unknown"
    assert "may have taken effect" in str(caught.value)


async def test_read_succeeds_at_last(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    If it goes well the second time nothing is seen of the first.
    """
    fake.fault(GET_KF_LIST, DropAfter())

    assert len((await kf.get_kf_list()).kf_list) == 10


async def test_repeated_at_another_host(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    What may be repeated after a broken connection is repeated at the next host; that one was reached, and stays first.
    """
    async with fake.serve() as second:
        kf = connect((base, second))
        fake.fault(GET_KF_LIST, DropAfter())
        await kf.get_kf_list()
        await kf.get_kf_list()

    assert [f"http://{call.headers['host']}" for call in fake.calls] == [base, second, base]


@pytest.mark.parametrize(
    ("errcode", "error"), [(-1, SystemBusy), (45009, QuotaExceeded), (45011, RateLimited)], ids=str
)
async def test_refused_send(errcode: int, error: type[KfError], fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A send that WeChat was too busy for, or refused for want of quota, is not made again.
    """
    fake.fault(SEND_CUSTOM_MESSAGE, Errcode(errcode))
    with pytest.raises(error) as caught:
        await kf.send_custom_message(CUSTOMER, Text("在"))

    assert caught.value.effect == ("unknown" if errcode == -1 else "none")
    assert count(fake, SEND_CUSTOM_MESSAGE) == 1


@pytest.mark.parametrize(("errcode", "requests"), [(-1, 3), (45009, 1), (45011, 1)])
async def test_refused_read(errcode: int, requests: int, fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A read that WeChat was too busy for is made again, one without quota never.
    """
    fake.fault(GET_KF_LIST, Errcode(errcode), FOR_EVER)
    with pytest.raises(KfError) as caught:
        await kf.get_kf_list()

    assert count(fake, GET_KF_LIST) == requests
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 60


async def test_bad_answer_is_not_asked_again(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An answer that is none is an error at once.
    """
    fake.fault(GET_KF_LIST, Status(404))
    with pytest.raises(ReplyError):
        await kf.get_kf_list()

    assert count(fake, GET_KF_LIST) == 1


async def test_cancelled_in_a_pause(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    A call that is cancelled while it pauses holds nothing.
    """
    pausing = anyio.Event()

    class Clock(ManualClock):
        async def sleep(self, seconds: float) -> None:
            pausing.set()
            await super().sleep(seconds)

    clock = Clock()
    kf = connect(base, clock=clock, max_connections=1)
    fake.fault(GET_KF_LIST, Errcode(-1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kf.get_kf_list)
        await pausing.wait()
        tasks.cancel_scope.cancel()

    assert clock.sleepers == ()
    await kf.get_kf_list()
    assert count(fake, GET_KF_LIST) == 2


async def test_dripping_answer(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An answer that would drip for minutes ends when the time for the whole attempt is over.
    """
    await kf.get_kf_list()
    fake.fault(GET_KF_LIST, Drip(20))
    with anyio.fail_after(20), pytest.raises(DeliveryUncertain, match=r"It took longer than 0.3 seconds"):
        await kf.with_options(timeout=0.3, max_retries=0).get_kf_list()


async def test_dripping_download(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A download may take longer, as long as something comes.
    """
    content = b"\xff\xd8\xff" + bytes(57)
    media_id = fake.user_sends_image(CUSTOMER, content)
    fake.fault(DOWNLOAD_TEMP_MEDIA, Drip(40))
    async with kf.with_options(timeout=1).download_temp_media(media_id) as media:
        assert await media.read() == content


async def test_stalled_download(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    A download of which nothing more comes ends in time.
    """
    media_id = fake.user_sends_image(CUSTOMER, b"\xff\xd8\xff" + bytes(57))
    fake.fault(DOWNLOAD_TEMP_MEDIA, Drip(0.5))
    with pytest.raises(DeliveryUncertain):
        async with kf.with_options(timeout=0.2, max_retries=0).download_temp_media(media_id) as media:
            await media.read()


async def test_dripping_answer_to_an_upload(fake: FakeWeChat, kf: AsyncKfClient) -> None:
    """
    An upload may take long, but its answer may not.
    """
    fake.fault(UPLOAD_TEMP_MEDIA, Drip(20))
    with anyio.fail_after(20), pytest.raises(DeliveryUncertain, match=r"It took longer than 0.3 seconds"):
        await kf.with_options(timeout=0.3).upload_temp_media("image", b"\xff\xd8\xff" + bytes(10))

    assert count(fake, UPLOAD_TEMP_MEDIA) == 1


async def test_options(fake: FakeWeChat, connect: Connect) -> None:
    """
    A client with other limits shares token and connections with the one it was made from, which keeps its own.
    """
    async with fake.serve() as base:
        kf = connect(base)
        quick = kf.with_options(timeout=1, max_retries=0)
        fake.fault(GET_KF_LIST, DropAfter())
        with pytest.raises(DeliveryUncertain):
            await quick.get_kf_list()
        await quick.aclose()
        await kf.get_kf_list()


async def test_nothing_is_held(fake: FakeWeChat, base: str, connect: Connect) -> None:
    """
    After all that can go wrong each connection is where it should be.
    """
    kf = connect(base, max_connections=3, timeout=0.5)
    for fault in (DropBefore(), DropAfter(), Truncate(5), Delay(LONG), Drip(10), Status(502), Errcode(-1)):
        fake.fault(SEND_CUSTOM_MESSAGE, fault)
        with pytest.raises(KfError):
            await kf.send_custom_message(CUSTOMER, Text("在"))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(kf.get_kf_list)

    assert count(fake, GET_KF_LIST) == 3


async def test_file_that_changes_while_the_token_is_fetched(
    fake: FakeWeChat, base: str, connect: Connect, tmp_path: Path
) -> None:
    """
    A file that is not what was checked is not sent, and the error says to where.
    """
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"\xff\xd8\xff" + bytes(100))

    class Slow:
        async def get(self) -> str:
            picture.write_bytes(b"\xff\xd8\xff")
            return "token"

        async def invalidate(self, value: str) -> None: ...

    kf = connect(base, token=Slow())
    with pytest.raises(KfError, match=r"'picture\.jpg' changed before it was sent") as failure:
        await kf.upload_temp_media("image", picture)

    assert failure.value.effect == "none"
    assert failure.value.endpoint == UPLOAD_TEMP_MEDIA.path
