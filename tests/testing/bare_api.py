"""
The API as bare HTTP, for tests that must not lean on the library's own client.
"""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from wechat_kf._redact import guard_loggers
from wechat_kf.testing import FakeWeChat

__all__ = ["AGENT", "API", "JPEG", "OPENID", "Wire"]

API: Final = "https://api.weixin.qq.com"
AGENT: Final = "test1@test"
OPENID: Final = "oDF3iY9WMaswOPWjCIp_f3Bnpljk"
JPEG: Final = b"\xff\xd8\xff\xe0" + b"picture"


class Wire:
    """
    Calls with a valid token, each answer as it came.
    """

    def __init__(self, fake: FakeWeChat, http: httpx.AsyncClient | None = None, base_url: str = API) -> None:
        # Bare httpx logs whole URLs, and the tests watch over secrets.
        guard_loggers()
        self.fake = fake
        self.http = fake.client() if http is None else http
        self.base_url = base_url
        self.token = ""
        self.appid, self.secret = fake.appid, fake.secret

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        content: bytes | None = None,
        files: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """
        Make one call.
        """
        if not self.token:
            self.token = (await self.stable_token())["access_token"]
        query = {"access_token": self.token, **(query or {})}
        return await self.http.request(
            method, f"{self.base_url}{path}", params=query, content=content, files=files, headers=headers
        )

    async def stable_token(self, **fields: Any) -> dict[str, Any]:
        """
        Ask for a stable token.
        """
        body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret, **fields}
        return json_of(await self.http.post(f"{self.base_url}/cgi-bin/stable_token", content=json.dumps(body)))

    async def classic_token(self, **fields: str) -> dict[str, Any]:
        """
        Ask for a classic token.
        """
        query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret, **fields}
        return json_of(await self.http.get(f"{self.base_url}/cgi-bin/token", params=query))

    async def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        """
        Make a call with a JSON body.
        """
        return json_of(await self.send("POST", path, content=json.dumps(body, ensure_ascii=False).encode()))

    async def get(self, path: str, /, **query: str) -> dict[str, Any]:
        """
        Make a call with a query.
        """
        return json_of(await self.send("GET", path, query=query))

    async def code(self, path: str, /, **body: Any) -> int:
        """
        Make a call with a JSON body; give the errcode.
        """
        return int((await self.post(path, **body))["errcode"])

    async def upload(
        self,
        path: str,
        name: str = "a.jpg",
        content: bytes = JPEG,
        content_type: str | None = "image/jpeg",
        **query: str,
    ) -> dict[str, Any]:
        """
        Upload a file.
        """
        part = (name, content) if content_type is None else (name, content, content_type)
        return json_of(await self.send("POST", path, query=query, files={"media": part}))

    async def say(self, openid: str = OPENID, content: str = "你好", **more: Any) -> int:
        """
        Send a text; give the errcode.
        """
        body = {"touser": openid, "msgtype": "text", "text": {"content": content}, **more}
        return await self.code("/cgi-bin/message/custom/send", **body)


def json_of(response: httpx.Response) -> dict[str, Any]:
    """
    Read an answer, which is HTTP 200 and JSON.
    """
    assert response.status_code == 200
    value: dict[str, Any] = json.loads(response.content)
    assert type(value) is dict
    return value
