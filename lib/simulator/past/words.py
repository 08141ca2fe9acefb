"""The names, addresses and ids that fill the log lines of the past."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from lib.simulator import catalogue as c

STACK = """Traceback (most recent call last):
  File "/srv/halopsa/integration/{module}.py", line {line}, in {function}
    {code}
  File "/srv/halopsa/integration/clients.py", line 61, in ask
    return self._checked(await self._http.request(method, path, json=body))
{raised}: {text}"""
_CODE = {
    "report.render": ("reports", 44, "pipeline", "mapping = orjson.loads(path.read_bytes())"),
    "halopsa.request": ("api", 97, "convert", "client = await self._halopsa.ask(method, path, body)"),
    "halopsa.push_lead": ("work", 131, "push_lead", "answer = await self._halopsa.ask('POST', '/api/client', lead)"),
    "enrich.company": ("work", 152, "enrich", "company = await self._zoominfo.ask('GET', f'/enrich/company/{domain}')"),
    "lead.score": ("work", 171, "score", "size = profile['employee_count']"),
    "database.checkout": ("database", 58, "session", "return self._engine.connect()"),
}
_OTHER = ("work", 88, "run", "await job.work(self)")


class Words:
    """Draws from one pair of dice; fast enough for a hundred thousand lines a second."""

    def __init__(self, dice: np.random.Generator) -> None:
        self._dice = dice
        self._hex = ""
        self._numbers: list[int] = []

    def hex(self, length: int) -> str:
        """So many hexadecimal digits."""
        if len(self._hex) < length:
            self._hex = self._dice.bytes(4096).hex()
        taken, self._hex = self._hex[:length], self._hex[length:]
        return taken

    def number(self, below: int) -> int:
        """A whole number from 0 up to `below`."""
        if not self._numbers:
            self._numbers = self._dice.integers(0, 2**31, 4096).tolist()
        return self._numbers.pop() % below

    def request_id(self) -> str:
        """A request id as the middleware makes them."""
        return f"{self.hex(8)}-{self.hex(4)}-4{self.hex(3)}-a{self.hex(3)}-{self.hex(12)}"

    def lead_id(self) -> str:
        """The id of a lead."""
        return "lead_" + self.hex(10)

    def ip(self) -> str:
        """An address within the company."""
        return f"10.20.{self.number(4)}.{self.number(250) + 2}"

    def agent(self) -> str:
        """A browser."""
        return c.AGENTS[self.number(len(c.AGENTS))]

    def company(self) -> tuple[str, str]:
        """A company's name and domain."""
        name = c.COMPANIES[self.number(len(c.COMPANIES))]
        return f"{name} {c.SUFFIXES[self.number(len(c.SUFFIXES))]}", f"{name.lower().replace(' ', '-')}.example"

    def url(self, route: str) -> str:
        """An address of this route."""
        url = route.replace("{lead_id}", self.lead_id()).replace("{prospect_id}", "pros_" + self.hex(10))
        url = url.replace("{source}", c.SOURCES[self.number(2)])
        return f"{url}?page={self.number(40) + 1}&limit=50" if route in ("/api/leads", "/api/opportunities") else url

    def mishap(self, mishap: c.Mishap, method: str = "POST", path: str = "/api/client") -> tuple[str, str, str]:
        """Operation, text and stack of one error."""
        source = c.SOURCES[self.number(2)]
        text = mishap.text.format(
            number=self.number(900) + 7, request=self.hex(32), method=method, path=path, key=self.hex(6),
            lead=self.lead_id(), domain=self.company()[1], date=f"2026-{self.number(4) + 13}-{self.number(28) + 1:02d}",
            title=source.title(), address=f"127.0.0.1:{9000 + self.number(900)}",
        )  # fmt: skip
        operation = mishap.operation.format(source=source)
        module, line, function, code = _CODE.get(operation, _OTHER)
        raised = mishap.raised
        return (
            operation,
            text,
            STACK.format(module=module, line=line, function=function, code=code, raised=raised, text=text),
        )


def stamp(moment_s: float) -> str:
    """ISO 8601 with milliseconds and Z."""
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
