"""What the simulated integration tells the alert API: the exceptions that broke its code, and nothing of what it foresaw."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from lib.simulator import instance
from lib.simulator.api import Api
from lib.simulator.clients import HaloPsa
from lib.simulator.failures import UpstreamError


class Silent:
    """Stands for the log and the counters."""

    def error_occurred(self, *_: object, **__: object) -> None:
        """Says nothing."""


def answered(body: object, reported: list[BaseException], status: int = 200) -> int:
    """The status of a request that HaloPSA answered so."""
    halopsa = HaloPsa("halopsa", 1)
    halopsa._http = httpx.AsyncClient(
        base_url="http://halopsa", transport=httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    )
    api = Api(*cast("Any", (None, None, Silent(), None)), reported.append)

    async def client(_request: object) -> Any:
        await halopsa.new_id("GET", "/api/client/1")

    app = Starlette(routes=[Route("/", client)], exception_handlers=api.error_handlers())

    async def asked() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
            return (await http.get("/")).status_code

    return asyncio.run(asked())


def test_an_answer_of_a_new_form_is_reported_as_what_broke() -> None:
    reported: list[BaseException] = []

    assert answered({"result": {"id": 5}}, reported) == 500
    assert [type(error) for error in reported] == [KeyError]


def test_an_upstream_that_fails_is_no_exception_of_ours() -> None:
    reported: list[BaseException] = []

    assert answered({}, reported, status=503) == UpstreamError.status
    assert reported == []


def test_without_an_address_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HALO_OPS_ALERTS_URL", "HALO_OPS_ALERTS_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    assert instance._alerts() is None
