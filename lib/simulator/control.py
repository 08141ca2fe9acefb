"""The control address: `GET /faults` tells, `POST /faults/<name>` with {"on": true} switches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, StrictBool, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib.simulator.faults import FAULTS
from lib.simulator.inbox import Inbox
from lib.simulator.supervisor import Supervisor


def app(supervisor: Supervisor, inbox: Inbox) -> Starlette:
    """Faults take JSON only, so that no web page can switch one by a form. What the demo was told is at `/inbox`."""

    def one(name: str) -> dict[str, Any]:
        fault = FAULTS[name]
        return {"name": name, "effect": fault.effect, "targets": fault.targets, **asdict(supervisor.state[name])}

    async def faults(_request: Request) -> Response:
        return JSONResponse({"faults": [one(name) for name in FAULTS]})

    async def switch(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FAULTS:
            return _wrong(404, f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _wrong(415, 'send JSON: {"on": true}')
        try:
            given = _given(await request.body())
            supervisor.switch(name, on=given.on, target=given.target)
        except ValueError as error:
            return _wrong(400, str(error))
        return JSONResponse(one(name))

    async def addresses(_request: Request) -> Response:
        return JSONResponse(supervisor.addresses())

    return Starlette(
        routes=[
            Route("/", addresses),
            Route("/faults", faults),
            Route("/faults/{name}", switch, methods=["POST"]),
            *inbox.routes(),
        ]
    )


class _Given(BaseModel):
    on: StrictBool
    target: str = ""


def _given(body: bytes) -> _Given:
    try:
        return _Given.model_validate_json(body)
    except ValidationError as error:
        raise ValueError('send {"on": true} or {"on": false}, with "target" where the fault has several') from error


def _wrong(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)
