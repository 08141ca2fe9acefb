"""The users of the integration: people in the CRM and HaloPSA's webhooks, by the hour and the day of the week."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import deque
from typing import Any

import httpx

from lib.simulator import catalogue as c
from lib.simulator.api import SIGNATURE
from lib.simulator.rhythm import busyness_now

STORM_EVENTS = 80
STORM_EVERY_S = 0.33
RELOADED = "/api/prospects/{prospect_id}"
RELOAD_EVERY_S = 1.2
_RETRIED = (500, 502, 503, 504)


class Traffic:
    """Sends requests to the instances.

    `storm` adds webhooks by the hundred. `reloading`: a page is slow or broken, and people press reload.
    """

    def __init__(self, addresses: list[str], pace: float) -> None:
        self._addresses, self._pace = addresses, pace
        self._http = httpx.AsyncClient(timeout=15, trust_env=False)
        self._leads: deque[str] = deque(maxlen=300)
        self._prospects: deque[str] = deque(maxlen=100)
        self._under_way: set[asyncio.Task[None]] = set()
        self.storm = False
        self.reloading = False

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._send("GET", "/api/leads?page=1", None, {})
            await self._send("GET", "/api/opportunities?page=1", None, {})
            await asyncio.gather(self._users(), self._storms(), self._reloads())
        finally:
            await self._http.aclose()

    async def _users(self) -> None:
        shares = [e.share for e in c.ENDPOINTS]
        while True:
            per_s = c.PEAK_REQUESTS_PER_S * self._pace * busyness_now(time.time())
            await asyncio.sleep(random.expovariate(per_s))
            self._start(self._visit(random.choices(c.ENDPOINTS, shares)[0]))

    def _start(self, visit: Any) -> None:
        if len(self._under_way) < 200:
            task = asyncio.ensure_future(visit)
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        else:
            visit.close()

    async def _storms(self) -> None:
        while True:
            await asyncio.sleep(STORM_EVERY_S if self.storm else 0.5)
            if self.storm:
                body = {"events": [self._event() for _ in range(STORM_EVENTS)]}
                self._start(self._send("POST", "/webhooks/halopsa", body, {"x-halo-signature": SIGNATURE}))

    async def _reloads(self) -> None:
        page = next(e for e in c.ENDPOINTS if e.route == RELOADED)
        while True:
            await asyncio.sleep(RELOAD_EVERY_S * random.uniform(0.5, 1.5))
            if self.reloading:
                self._start(self._visit(page))

    async def _visit(self, endpoint: c.Endpoint) -> None:
        """One request; a client that met a server's error tries again, as clients do."""
        wrong = {code for code, odds in endpoint.odds.items() if code < 500 and random.random() < odds}
        wrong |= {code for code, odds in endpoint.odds.items() if code == 500 and random.random() < odds}
        path, body, headers = self._request(endpoint, next(iter(wrong), 0))
        for pause_s in (1.0, 2.5, 0.0):
            status = await self._send(endpoint.method, path, body, headers)
            if status not in _RETRIED or not pause_s or random.random() < 0.3:
                return
            await asyncio.sleep(pause_s)

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> int:
        agent = {"user-agent": random.choice(c.AGENTS), "authorization": f"Bearer {uuid.uuid4().hex}", **headers}
        try:
            answer = await self._http.request(method, random.choice(self._addresses) + path, json=body, headers=agent)
        except httpx.HTTPError:  # an instance that restarts: its absence is what is to be seen, not our trouble with it
            return 0
        self._learn(path, answer)
        return answer.status_code

    def _learn(self, path: str, answer: httpx.Response) -> None:
        """Keeps ids to ask for later."""
        if answer.status_code == 200 and path.startswith("/api/leads?"):
            self._leads.extend(lead["id"] for lead in answer.json()["leads"])
        if answer.status_code == 200 and path.startswith("/api/opportunities"):
            self._prospects.extend(answer.json()["prospects"])

    def _request(self, endpoint: c.Endpoint, wrong: int) -> tuple[str, Any, dict[str, str]]:
        lead = random.choice(self._leads) if self._leads and wrong != 404 else f"lead_{uuid.uuid4().hex[:10]}"
        prospect = (
            random.choice(self._prospects) if self._prospects and wrong != 404 else f"pros_{uuid.uuid4().hex[:10]}"
        )
        path = endpoint.route.format(lead_id=lead, prospect_id=prospect, source=random.choice(c.SOURCES))
        headers: dict[str, str] = {}
        body: dict[str, Any] | None = None
        if path in ("/api/leads", "/api/opportunities") and endpoint.method == "GET":
            path += f"?page={random.randint(1, 40)}&limit=50"
        elif path == "/api/reports/pipeline":
            path += f"?mapping={random.randint(7, 99) if wrong else random.randint(1, 6)}"
        elif path == "/webhooks/halopsa":
            body = {"events": [self._event()]}
            headers = {} if wrong else {"x-halo-signature": SIGNATURE}
        elif path == "/api/leads":
            company, person = random.choice(c.COMPANIES), random.choice(c.PEOPLE)
            body = {"company": company, "email": person if wrong else f"{person}@{company.split()[0].lower()}.example"}
        elif path == "/api/opportunities":
            body = {"prospect": prospect, **_deal(wrong=bool(wrong))}
        return path, body, headers

    def _event(self) -> dict[str, Any]:
        client = random.randint(5000, 9999) if random.random() < 0.004 else random.randint(1, 4999)
        return {"event": random.choice(c.WEBHOOK_EVENTS), "client": client}


def _deal(*, wrong: bool) -> dict[str, Any]:
    month = random.randint(13, 16) if wrong else random.randint(1, 12)
    value = round(random.lognormvariate(10.27, 0.95), -2)
    date = f"2027-{month:02d}-{random.randint(1, 28):02d}"
    return {"value": value, "probability": random.randint(1, 9) * 10, "expected_close_date": date}
