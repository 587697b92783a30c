"""
A bot in an app of FastAPI, served by uvicorn, behind an nginx with the configuration that the manual shows.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from wechat_kf import AsyncKfClient
from wechat_kf.bot import Bot
from wechat_kf.testing import FakeWeChat
from wechat_kf.webhook import TextMessage, Webhook

DOCS: Final = Path(__file__).parents[2] / "docs"
TOKEN, KEY = "token", "A" * 43

# uvicorn runs on no other.
ON_ASYNCIO: Final = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def _program() -> str:
    """
    Find nginx, which may not be on the path of those who are not root. None is a failure, not a reason to skip.
    """
    found = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        pytest.fail("this test needs nginx: install your system's package, nginx-light on Debian")
    return found


def shown(page: Path) -> str:
    """
    Read the configuration that a page shows.
    """
    [block] = re.findall(r"^```nginx\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


@contextmanager
def nginx(folder: Path, port: int) -> Generator[str]:
    """
    Run the manual's configuration; give its address.

    Args:
        folder: For all that it writes.

        port: Where the app is.
    """
    program, server = _program(), shown(DOCS / "operating.md")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listens = f"127.0.0.1:{listener.getsockname()[1]}"
        folders = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        configuration = f"""
            daemon off;
            pid nginx.pid;
            events {{}}
            http {{
                access_log access.log;
                {"".join(f"{each}_temp_path {each};" for each in folders)}
                server {{
                    listen {listens};
                    {server.replace(":8000", f":{port}")}
                }}
            }}
        """
        (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"],
            stderr=subprocess.DEVNULL,
            # As from an nginx that it replaces, it takes over what listens already: what comes before it is up waits.
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"http://{listens}"
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def behind_nginx(fake: FakeWeChat, is_mounted: bool, folder: Path) -> AsyncGenerator[str]:
    """
    Serve a bot at ``/wechat`` or, mounted, at ``/wechat/``; give nginx's address.
    """
    kf = AsyncKfClient(fake.appid, fake.secret, http=fake.client())
    bot = Bot(Webhook(TOKEN, KEY, fake.appid), kf)

    @bot.on(TextMessage, lambda push: push.content.startswith("多"))
    async def stream(push: TextMessage) -> AsyncGenerator[str]:
        yield push.content

    @bot.on(TextMessage)
    async def answer(push: TextMessage) -> str:
        return push.content

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with kf, bot:
            yield

    app = FastAPI(lifespan=lifespan, routes=[] if is_mounted else [Route("/wechat", bot)])
    if is_mounted:
        app.mount("/wechat", bot)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listener, nginx(folder, listener.getsockname()[1]) as url:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            try:
                yield url
            finally:
                server.should_exit = True


@ON_ASYNCIO
@pytest.mark.parametrize("prefix", ["", "/shop"], ids=["as it is", "stripped"])
@pytest.mark.parametrize(("is_mounted", "path"), [(False, "/wechat"), (True, "/wechat/")], ids=["route", "mount"])
async def test_pushes_arrive(is_mounted: bool, path: str, prefix: str, tmp_path: Path) -> None:
    """
    The console takes the URL, and pushes to it are answered, by the passive reply and by messages.
    """
    fake = FakeWeChat()
    # A busy machine must not look like a bot that does not answer.
    fake.limits.push = 60.0
    async with behind_nginx(fake, is_mounted, tmp_path) as url:
        fake.set_callback(f"{url}{prefix}{path}", token=TOKEN, encoding_aes_key=KEY)
        verified = await fake.verify_callback()
        fake.user_says("OPENID", "你好")
        await fake.deliver()
        fake.user_says("OPENID", "多说几句")
        await fake.deliver()

    assert verified
    assert [(shown.text, shown.via) for shown in fake.shown_to("OPENID")] == [
        ("你好", "passive"),
        ("多说几句", "custom"),
    ]


@ON_ASYNCIO
@pytest.mark.parametrize(("is_mounted", "path"), [(False, "/wechat/"), (True, "/wechat")], ids=["route", "mount"])
async def test_the_other_slash(is_mounted: bool, path: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    With the slash that the app does not have, or without the one that it has, the URL is redirected, and refused.
    """
    fake = FakeWeChat()
    async with behind_nginx(fake, is_mounted, tmp_path) as url:
        fake.set_callback(f"{url}{path}", token=TOKEN, encoding_aes_key=KEY)
        verified = await fake.verify_callback()

    assert not verified
    assert "HTTP status 307, a redirect, which WeChat does not follow" in caplog.text


def test_both_languages_show_the_same() -> None:
    """
    The Chinese page shows the same configuration, but for what it says of it.
    """
    english, chinese = (re.sub(r"#.*", "", shown(DOCS / page)) for page in ("operating.md", "zh/operating.md"))

    assert chinese == english
