"""Fake HaloPSA, Apollo and ZoomInfo: three servers in one process, with answer times, flaws and switches."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lib.simulator import catalogue as c
from lib.simulator.child import Command, follow_parent, on_stop, server


@dataclass
class Switches:
    """What is wrong with one upstream at the moment."""

    slow_s: float = 0.0
    dead: bool = False
    schema: bool = False
    rejects: str = ""


@dataclass
class Upstream:
    """One fake server."""

    name: str
    port: int
    switches: Switches = field(default_factory=Switches)

    async def wait(self, share: float = 1.0) -> None:
        """Take as long as an answer takes at the moment."""
        usual_s = c.UPSTREAM_MS[self.name] / 1000 * random.lognormvariate(0, c.SPREAD)
        slow_s = self.switches.slow_s * random.uniform(0.85, 1.2)
        await asyncio.sleep((usual_s + slow_s) * share)

    async def ping(self, _request: Request) -> Response:
        """Whether it is there."""
        await self.wait(c.PING_SHARE)
        return JSONResponse({"ok": True})

    def app(self) -> Starlette:
        """Its routes."""
        routes = [Route("/ping", self.ping), *getattr(self, f"_{self.name}")()]
        return Starlette(routes=routes)

    def _halopsa(self) -> list[Route]:
        return [
            Route("/auth/token", self.token, methods=["POST"]),
            Route("/api/client", self.create_client, methods=["POST"]),
            Route("/api/client/{client:int}", self.client),
            Route("/api/opportunities", self.opportunity, methods=["POST"]),
        ]

    def _apollo(self) -> list[Route]:
        return [Route("/v1/people/search", self.people, methods=["POST"])]

    def _zoominfo(self) -> list[Route]:
        return [Route("/lookup/contacts/{page:int}", self.people), Route("/enrich/company/{domain}", self.company)]

    async def token(self, _request: Request) -> Response:
        """A token, or now and then none."""
        await self.wait(c.PING_SHARE)
        if random.random() < 0.005:
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": uuid.uuid4().hex, "expires_in": 300})

    async def create_client(self, request: Request) -> Response:
        """A lead becomes a client of HaloPSA, unless its fields are refused."""
        lead = orjson.loads(await request.body())
        await self.wait()
        if self.switches.rejects and lead.get("source") == self.switches.rejects:
            return JSONResponse({"rejected": uuid.uuid4().hex[:6]}, 422)
        synced = "source" in lead
        if random.random() < (0.0007 if synced else 0.0):
            return JSONResponse({"rejected": uuid.uuid4().hex[:6]}, 422)
        return self._answer({"id": random.randint(1000, 9999)}, 0.0003 if synced else 0.008)

    async def client(self, request: Request) -> Response:
        """One client."""
        await self.wait()
        return self._answer({"id": request.path_params["client"], "tickets": random.randint(0, 40)}, 0.006)

    async def opportunity(self, _request: Request) -> Response:
        """A new opportunity."""
        await self.wait()
        return self._answer({"id": random.randint(1000, 9999)}, 0.008)

    def _answer(self, body: dict[str, Any], flaw: float) -> Response:
        if random.random() < flaw:
            return PlainTextResponse("upstream connect error", 502)
        return JSONResponse({"result": body} if self.switches.schema else body)

    async def people(self, request: Request) -> Response:
        """A page of leads; now and then a refusal (Apollo) or a web page (ZoomInfo)."""
        await self.wait()
        if self.name == "apollo" and random.random() < 0.005:
            return JSONResponse({"error": "rate limit"}, 429)
        if self.name == "zoominfo" and random.random() < 0.004:
            return Response("<!DOCTYPE html><title>Maintenance</title>", media_type="text/html")
        count = int(request.query_params.get("count", "10"))
        return JSONResponse({"people": [person() for _ in range(count)]})

    async def company(self, request: Request) -> Response:
        """What is known of a company."""
        await self.wait()
        if random.random() < 0.014:
            return JSONResponse({"error": "not found"}, 404)
        size = {} if random.random() < 0.004 else {"employee_count": random.randint(3, 4000)}
        return JSONResponse({"domain": request.path_params["domain"], **size})


def person() -> dict[str, str]:
    """A made-up lead."""
    name, company = random.choice(c.PEOPLE), random.choice(c.COMPANIES)
    domain = company.lower().replace(" ", "-") + ".example"
    return {
        "id": f"lead_{uuid.uuid4().hex[:10]}", "email": f"{name}.{random.randint(1, 900)}@{domain}",
        "company": f"{company} {random.choice(c.SUFFIXES)}", "domain": domain,
    }  # fmt: skip


class Host:
    """Runs the three servers; one that is switched dead stops listening."""

    def __init__(self, upstreams: list[Upstream]) -> None:
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()

    def command(self, command: Command) -> None:
        """Turns one switch of one upstream."""
        setattr(self._upstreams[command["upstream"]].switches, command["switch"], command["value"])
        self._changed.set()

    def stop(self) -> None:
        """Ends all of it."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Until stopped."""
        await asyncio.gather(*(self._keep(upstream) for upstream in self._upstreams.values()))

    async def _keep(self, upstream: Upstream) -> None:
        while not self._stopping.is_set():
            if upstream.switches.dead:
                await asyncio.sleep(0.2)
                continue
            running = server(upstream.app(), upstream.port)
            task = asyncio.create_task(running.serve())
            while not (self._stopping.is_set() or upstream.switches.dead or task.done()):
                await asyncio.sleep(0.2)
            running.stop()
            await task


async def serve(ports: list[int]) -> None:
    """Runs the upstreams until SIGTERM or the parent's end."""
    host = Host([Upstream(name, port) for name, port in zip(c.UPSTREAM_MS, ports, strict=True)])
    on_stop(host.stop)
    follow_parent(host.command)
    await host.run()


def main(arguments: list[str]) -> int:
    """`--ports HALOPSA,APOLLO,ZOOMINFO`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", required=True)
    asyncio.run(serve([int(port) for port in parser.parse_args(arguments).ports.split(",")]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
