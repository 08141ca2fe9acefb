"""The integration's clients of HaloPSA, Apollo and ZoomInfo."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

from lib.simulator.failures import UpstreamError, UpstreamTimeoutError

TIMEOUT_S = 10.0
TITLES = {"halopsa": "HaloPSA", "apollo": "Apollo", "zoominfo": "ZoomInfo"}


class Client:
    """One upstream. Every question may raise UpstreamError."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self._address = name, f"127.0.0.1:{port}"
        self._http = httpx.AsyncClient(base_url=f"http://{self._address}", timeout=TIMEOUT_S, trust_env=False)

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The answer, whatever its status below 500."""
        started = time.perf_counter()
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.TimeoutException as error:
            raise UpstreamTimeoutError(
                "halopsa_slow", method=method, path=path, number=int(TIMEOUT_S * 1000)
            ) from error
        except httpx.TransportError as error:
            took_ms = int((time.perf_counter() - started) * 1000)
            words = {"source": self.name, "title": TITLES[self.name], "address": self._address, "number": took_ms}
            raise UpstreamError("refused", **words) from error
        if answer.status_code >= 500:
            raise UpstreamError("halopsa_flaw", method=method, path=path, request=uuid.uuid4().hex)
        return answer

    async def ping(self) -> None:
        """Raises where the upstream is not there."""
        await self.ask("GET", "/ping")

    async def close(self) -> None:
        """Lets its connections go."""
        await self._http.aclose()


class HaloPsa(Client):
    """HaloPSA: clients and opportunities."""

    async def push(self, lead: dict[str, Any]) -> None:
        """Sends a synced lead."""
        answer = await self.ask("POST", "/api/client", lead)
        if answer.status_code == 422:
            raise UpstreamError("rejected_lead", lead=lead["id"], key=answer.json()["rejected"])
        self._id(answer, "POST", "/api/client")

    async def new_id(self, method: str, path: str, body: Any = None) -> int:
        """The `id` of what was read or made."""
        return self._id(await self.ask(method, path, body), method, path)

    async def refresh_token(self) -> None:
        """Asks for a new token."""
        answer = await self.ask("POST", "/auth/token")
        if answer.status_code == 401:
            raise UpstreamError("bad_token", request=uuid.uuid4().hex)

    def _id(self, answer: httpx.Response, method: str, path: str) -> int:
        try:
            return int(answer.json()["id"])
        except KeyError as error:
            failure = UpstreamError("bad_schema", method=method, path=path, key="id", request=uuid.uuid4().hex)
            failure.status = 500
            raise failure from error
