"""The integration's HTTP endpoints."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib.simulator import catalogue as c
from lib.simulator.database import Database
from lib.simulator.failures import OperationError
from lib.simulator.work import WEBHOOKS_AT_MOST, Work
from lib.telemetry.events import BusinessEvents

SIGNATURE = "sha256=simulated"
Report = Callable[[BaseException], None]
"""Where an exception goes that nobody foresaw."""

_WORK_S = {(e.method, e.route): e.work_ms / 1000 for e in c.ENDPOINTS}


class Api:
    """Handlers and the routes that lead to them."""

    def __init__(
        self, database: Database, work: Work, events: BusinessEvents, mappings: Path, report: Report | None = None
    ) -> None:
        self._database, self._work, self._events, self._mappings = database, work, events, mappings
        self._report = report

    def routes(self) -> list[Route]:
        """One per endpoint of the catalogue."""
        handlers: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
            ("GET", "/api/leads"): self.leads,
            ("GET", "/api/leads/{lead_id}"): self.lead,
            ("POST", "/api/leads"): self.add_lead,
            ("POST", "/api/leads/{lead_id}/convert"): self.convert,
            ("GET", "/api/prospects/{prospect_id}"): self.prospect,
            ("GET", "/api/opportunities"): self.opportunities,
            ("POST", "/api/opportunities"): self.add_opportunity,
            ("POST", "/api/sync/{source}"): self.sync,
            ("GET", "/api/reports/pipeline"): self.pipeline,
            ("POST", "/webhooks/halopsa"): self.webhook,
        }
        return [Route(e.route, handlers[e.method, e.route], methods=[e.method]) for e in c.ENDPOINTS]

    def error_handlers(self) -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
        """What each kind of failure is answered."""
        return {OperationError: self._failed, PoolTimeout: self._no_connection, FileNotFoundError: self._no_file}

    async def _failed(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, OperationError)
        self._events.error_occurred(error.operation, error)
        if self._report is not None and error.status == 500 and error.__cause__ is not None:
            self._report(error.__cause__)  # not an answer that we know how to refuse, but one that broke our code
        return JSONResponse({"error": "the request could not be done"}, error.status)

    async def _no_connection(self, _request: Request, error: Exception) -> Response:
        self._events.error_occurred("database.checkout", error)
        return JSONResponse({"error": "busy"}, 503)

    async def _no_file(self, _request: Request, error: Exception) -> Response:
        self._events.error_occurred("report.render", error)
        return JSONResponse({"error": "the report could not be made"}, 500)

    async def leads(self, request: Request) -> Response:
        """A page of leads."""
        rows = await asyncio.to_thread(self._database.leads, _page(request))
        await _work("GET", "/api/leads")
        return JSONResponse({"leads": rows})

    async def lead(self, request: Request) -> Response:
        """One lead."""
        row = await self._known_lead(request)
        await _work("GET", "/api/leads/{lead_id}")
        return JSONResponse(row)

    async def _known_lead(self, request: Request) -> dict[str, Any]:
        row = await asyncio.to_thread(self._database.lead, request.path_params["lead_id"])
        if row is None:
            raise HTTPException(404, "no such lead")
        return row

    async def add_lead(self, request: Request) -> Response:
        """A lead typed in by a person."""
        given = orjson.loads(await request.body())
        if "@" not in given.get("email", ""):
            raise HTTPException(422, "not an e-mail address")
        await _work("POST", "/api/leads")
        lead = {"id": f"lead_{uuid.uuid4().hex[:10]}", "company": given.get("company", ""), "email": given["email"]}
        await self._work.take_in(lead, "manual")
        return JSONResponse({"id": lead["id"]}, 201)

    async def convert(self, request: Request) -> Response:
        """A lead becomes a prospect, and a client in HaloPSA."""
        lead = await self._known_lead(request)
        if lead["converted"]:
            raise HTTPException(409, "converted already")
        client = await self._work.halopsa.new_id("POST", "/api/client", {"id": lead["id"], "name": lead["company"]})
        await _work("POST", "/api/leads/{lead_id}/convert")
        prospect = await asyncio.to_thread(self._database.convert, lead["id"], client)
        self._events.lead_converted(lead["id"], prospect)
        return JSONResponse({"id": prospect}, 201)

    async def prospect(self, request: Request) -> Response:
        """A prospect with what HaloPSA knows of it."""
        prospect = await asyncio.to_thread(self._database.prospect, request.path_params["prospect_id"])
        if prospect is None:
            raise HTTPException(404, "no such prospect")
        client = await self._work.halopsa.new_id("GET", f"/api/client/{prospect['client']}")
        await _work("GET", "/api/prospects/{prospect_id}")
        return JSONResponse({**prospect, "client": client})

    async def opportunities(self, request: Request) -> Response:
        """A page of opportunities, and the newest prospects that could have one."""
        rows = await asyncio.to_thread(self._database.opportunities, _page(request))
        prospects = await asyncio.to_thread(self._database.prospects)
        await _work("GET", "/api/opportunities")
        return JSONResponse({"opportunities": rows, "prospects": prospects})

    async def add_opportunity(self, request: Request) -> Response:
        """A new opportunity of a prospect."""
        given = orjson.loads(await request.body())
        try:
            datetime.strptime(given["expected_close_date"], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            self._events.error_occurred("opportunity.create", error, prospectId=given["prospect"])
            raise HTTPException(422, "not a date") from error
        await self._work.halopsa.new_id("POST", "/api/opportunities", given)
        await _work("POST", "/api/opportunities")
        opportunity = {**given, "id": f"opp_{uuid.uuid4().hex[:10]}"}
        await asyncio.to_thread(self._database.add_opportunity, opportunity)
        self._events.opportunity_created(opportunity)
        return JSONResponse({"id": opportunity["id"]}, 201)

    async def sync(self, request: Request) -> Response:
        """Starts a sync run now."""
        source = request.path_params["source"]
        if source not in c.SOURCES:
            raise HTTPException(404, "no such source")
        await _work("POST", "/api/sync/{source}")
        self._work.request_sync(source)
        return JSONResponse({"status": "started"}, 202)

    async def pipeline(self, request: Request) -> Response:
        """A slow report, laid out by a mapping file."""
        path = self._mappings / f"pipeline-{int(request.query_params.get('mapping', '1'))}.json"
        await _work("GET", "/api/reports/pipeline")
        mapping = orjson.loads(path.read_bytes())
        return JSONResponse({**mapping, "rows": await asyncio.to_thread(self._database.pipeline)})

    async def webhook(self, request: Request) -> Response:
        """Events from HaloPSA, kept for later."""
        if request.headers.get("x-halo-signature") != SIGNATURE:
            raise HTTPException(401, "wrong signature")
        if self._work.waiting("webhooks") > WEBHOOKS_AT_MOST:
            raise HTTPException(429, "too many events wait", {"retry-after": "5"})
        for event in orjson.loads(await request.body())["events"]:
            self._work.queues["webhooks"].put_nowait(event)
        await _work("POST", "/webhooks/halopsa")
        return JSONResponse({"status": "queued"}, 202)


async def _work(method: str, route: str) -> None:
    """Takes as long as the real work would."""
    await asyncio.sleep(_WORK_S[method, route] * random.lognormvariate(0, c.SPREAD))


def _page(request: Request) -> int:
    return max(1, int(request.query_params.get("page", "1")))
