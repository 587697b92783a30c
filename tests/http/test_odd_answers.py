"""
The table of odd answers, over both parsers and httpx's transport, in plain TCP and over TLS.
"""

from __future__ import annotations

import ssl
import time
from typing import Any

import anyio
import pytest

from wechat_kf import ApiError, AsyncKfClient, Call, Endpoint, KfError
from wechat_kf._wire.multipart import FilePart

from .clients import PARSERS, use_parser
from .odd_answers import OWN, ROWS, Outcome, Row
from .odd_server import odd_server

ODD: Endpoint[dict[str, Any]] = Endpoint("GET", "/odd", dict)
UPLOAD: Endpoint[dict[str, Any]] = Endpoint("POST", "/odd", dict)
NEXT: Endpoint[dict[str, Any]] = Endpoint("GET", "/next", dict)

# None of it may be held back by what a server does not say.
MOST_SECONDS = 15.0


@pytest.fixture(params=[*(pytest.param(each, id=f"{each}-asyncio") for each in PARSERS), "trio"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    Choose what reads the answers.
    """
    name = str(request.param)
    if name != "trio":
        use_parser(name, monkeypatch)
    return name


@pytest.fixture
def anyio_backend(way: str) -> str:
    """
    Run on the event loop that it is for.
    """
    return "trio" if way == "trio" else "asyncio"


async def outcome(kf: AsyncKfClient, row: Row) -> Outcome:
    """
    Make the call, and tell what became of it.
    """
    try:
        if row.upload:
            file = await FilePart.prepare(b"\xff\xd8\xff" + bytes(row.upload), limit=1 << 30)
            found = await kf.request(Call(UPLOAD, file=file))
        else:
            found = await kf.request(Call(ODD))
    except ApiError as error:
        return error.errcode
    except KfError as error:
        return type(error)
    return OWN if found == {"errcode": 0, "who": "odd"} else str(found)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_odd_answer(
    row: Row, way: str, secure: bool, certificates: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An odd answer has the same outcome whatever reads it, in time, and the next call gets its own answer.
    """
    expected = row.but[way][0] if way in row.but else row.outcome
    with odd_server(row.says, certificates if secure else None, hangs_up=row.hangs_up, reads=row.reads) as server:
        async with AsyncKfClient(
            token="TOKEN_OF_THIS_TEST_AND_NO_OTHER",
            base_url=server.url,
            timeout=row.timeout,
            max_retries=0,
            max_connections=1,
        ) as kf:
            patient = kf.with_options(timeout=20)
            if row.timeout <= 1:
                # So that the connection is there, however slow the machine.
                await patient.request(Call(NEXT))
            start = time.monotonic()
            found = await outcome(kf, row)
            took = time.monotonic() - start
            await anyio.sleep(row.rest)
            after = await patient.request(Call(NEXT))

    assert found == expected
    assert took < MOST_SECONDS
    assert after == {"errcode": 0, "who": "next"}
