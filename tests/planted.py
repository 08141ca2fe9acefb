"""Credentials of every kind that a service may leak, each with a needle that must be found nowhere afterwards."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_LETTERS = string.ascii_letters + string.digits


@dataclass
class Planter:
    """Makes secrets and remembers their needles."""

    needles: dict[str, str] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random(15))

    def secret(self, kind: str, length: int = 14) -> str:
        """A fresh secret of letters and digits of both cases."""
        text = "Zq7" + "".join(self._dice.choices(_LETTERS, k=length - 3))
        assert kind not in self.needles
        self.needles[kind] = text
        return text

    def packed(self, kind: str) -> str:
        """A fresh `user:secret` in base64, which is the needle."""
        text = base64.b64encode(f"ops:{''.join(self._dice.choices(_LETTERS, k=12))}".encode()).decode()
        self.needles[kind] = text.rstrip("=")
        return text

    def found_in(self, text: str | bytes) -> list[str]:
        """The kinds of secret that show in this text."""
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        return [kind for kind, needle in self.needles.items() if needle.encode() in raw]


def _pem(secret: str) -> str:
    return f"-----BEGIN RSA PRIVATE KEY-----\n{secret}\n{secret[::-1]}\n-----END RSA PRIVATE KEY-----"


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = {"inner": value} if level % 2 else [value]
    return value


def records(plant: Planter, where: str) -> Iterator[dict[str, Any]]:
    """Log records of good form. `where` tells two sets of them apart."""
    s, p = (lambda kind, length=14: plant.secret(f"{where}: {kind}", length)), plant.packed
    yield {"body": {"user": "a", "password": s("password field")}}
    yield {"headers": {"authorization": f"Bearer {s('bearer header')}"}}
    yield {"headers": {"X-Api-Key": s("API key header"), "accept": "*/*"}}
    yield {"headers": {"cookie": f"theme=dark; connect.sid={s('cookie header')}"}}
    yield {"url": f"/api/leads?api_key={s('API key in a query')}&page=2"}
    yield {"url": f"https://crm.example/cb?access_token={s('token in a query')}#top"}
    yield {"url": f"https://ops:{s('password in a URL')}@crm.example/x"}
    yield {"error": f"connect ECONNREFUSED postgres://halo:{s('postgres URL')}@db:5432/crm"}
    yield {"error": f"connect ECONNREFUSED redis://:{s('redis URL')}/x@cache:6379/0"}
    yield {"error": f"amqp://bus:{s('amqp URL')}@mq:5672 closed"}
    yield {"error": f"Server=db;User Id=sa;Password={s('connection string')};Encrypt=true"}
    yield {"error": f"host=db user=halo password='{s('libpq string')} two' dbname=crm"}
    yield {"error": f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={s('storage key', 40)}=="}
    yield {
        "stack": f"Error: 401\n    at get (a.js:1)\n    headers: {{ Authorization: 'Bearer {s('bearer in a stack')}' }}"
    }
    yield {"message": f"got eyJhbGciOiJIUzI1NiJ9.{s('JWT body', 30)}.{s('JWT signature', 30)}"}
    yield {"message": f"posting to https://hooks.slack.com/services/T01/B02/{s('Slack hook', 24)}"}
    yield {"message": f"AWS key AKIA{s('AWS key id', 16).upper()} refused"}
    plant.needles[f"{where}: AWS key id"] = plant.needles[f"{where}: AWS key id"].upper()
    yield {"message": f"signed with {s('AWS secret', 40)}"}
    yield {"message": f"git clone with ghp_{s('GitHub token', 36)} failed"}
    yield {"message": f"model refused sk-proj-{s('OpenAI key', 40)}"}
    yield {"message": f"charge refused: sk_live_{s('Stripe key', 24)}"}
    yield {"stack": f"Error: cannot sign\n{_pem(s('private key', 64))}\n    at sign (a.js:2)"}
    yield {"message": f"blob {base64.b64encode(s('base64 blob', 45).encode()).decode()}"}
    yield {"message": f'Set-Cookie: sid="{s("set-cookie")}"; Path=/; HttpOnly'}
    yield {"message": f"sent Basic {p(f'{where}: basic auth')} to HaloPSA"}
    inside = json.dumps({"user": "a", "password": s("JSON in a string"), "n": 1})
    yield {"body": inside}
    yield {
        "message": f"request was {json.dumps(json.dumps(json.dumps({'client_secret': s('JSON in JSON in JSON')})))} there"
    }
    yield {"message": f'reply {{"tokens": ["{s("list under a name")}", "{s("second of a list")}"], "n": 1}}'}
    yield {"message": f'reply {{"credentials": {{"user": "a", "value": "{s("object under a name")}"}}}}'}
    yield {"message": '{"password": 8839201744}', "note": "a number"}
    plant.needles[f"{where}: number in a string"] = "8839201744"
    yield {"message": f"{{ password: '{s('inspected object')}', next: 1 }}"}
    yield {"body": json.dumps({"password": f'it\'s "{s("quotes inside")}" \\'})}
    yield {f"password={s('in a key')}": 1, f"https://u:{s('URL in a key')}@h": 2}
    yield {"rawHeaders": ["Host", "crm", "Authorization", f"Custom {s('raw headers')}"]}
    yield {"params": [{"name": "client_secret", "value": s("name and value")}]}
    yield {"message": f'Authorization: Digest username="ops", response="{s("digest")}", uri="/x"'}
    yield {"message": f"ran: sync --api-token {s('command line')} --dry-run"}
    yield {"message": f"<login><password>{s('XML')}</password></login>"}
    yield {"url": f"/login?next=https%3A%2F%2Fops%3A{s('encoded URL')}%40crm.example%2F"}
    yield {"context": _nested({"refreshToken": s("deeply nested")}, 24)}
    yield {"context": _nested({"apiKey": s("too deep to read")}, 40)}
    yield {"secret": f"first line\nsecond line {s('second line')}"}
    yield {"requestId": f"glpat-{s('GitLab token', 24)}", "operation": f"token={s('in an operation')}"}
    yield {"service": f"Bearer {s('in the service')}", "version": f"1.0 pwd={s('in the version')}"}
    yield {"leadId": f"sig={s('in a lead id')}", "source": f"x?signature={s('in a source')}"}


def bad_lines(plant: Planter, where: str) -> Iterator[bytes]:
    """Lines that are cut, not JSON, or write their names in escapes."""
    s = lambda kind, length=14: plant.secret(f"{where}: {kind}", length)  # noqa: E731 - a short name for one screen
    yield f'{{"message": "x", "\\u0070assw\\u006frd": "{s("escaped name")}"}}'.encode()
    yield f'{{"message": "x", "\\u0070assword": "{s("escaped name in a broken line")}"'.encode()
    yield f"2026-03-02 plain text, password: {s('plain text')}".encode()
    yield f'{{"message": "x", "client_secret": "{s("broken JSON")}"'.encode()
    yield b"\xff\xfe token=" + s("not UTF-8").encode()
    yield b"[" * 3000 + f'{{"password":"{s("too deep for a parser")}"}}'.encode()
    yield b'{"message": "' + b"y" * 70_000 + f'", "password": "{s("behind the cut")}"}}'.encode()
    yield f'{{"password": "{s("before the cut")}", "message": "'.encode() + b"y" * 70_000 + b'"}'
    head = b'{"message": "' + b"y " * 32_000
    half = s("across the cut", 40)
    plant.needles[f"{where}: across the cut"] = half[:12]
    yield head + b"z" * (65_536 - len(head) - 15 - 6) + b" https://u:ops" + half.encode() + b'@h"}' + b" " * 100


def exposition(plant: Planter, where: str, now_ms: int | None = None) -> str:
    """Metrics whose labels hold credentials; `now_ms` stamps every sample."""
    s = lambda kind, length=14: plant.secret(f"{where}: {kind}", length)  # noqa: E731
    stamp = "" if now_ms is None else f" {now_ms}"
    lines = [
        f"# HELP a_total asks https://u:{s('help text')}@h/",
        f'a_total{{access_token="{s("label name")}"}} 1',
        f'a_total{{url="http://u:{s("URL label")}@h/"}} 1',
        f'http_requests_total{{method="GET",route="/cb?access_token={s("query label")}",status_code="200"}} 1',
        f'db_errors_total{{error_type="Bearer {s("bearer label")}"}} 1',
        f'queue_size{{queue_name="{{\\"password\\":\\"{s("JSON label")}\\"}}"}} 5',
        f'lead_sync_total{{source="ghp_{s("GitHub label", 36)}",status="failed"}} 1',
    ]
    return "".join(f"{line}\n" if line.startswith("#") else f"{line}{stamp}\n" for line in lines)


def report(plant: Planter, where: str) -> dict[str, Any]:
    """A /health answer that tells too much."""
    s = lambda kind, length=14: plant.secret(f"{where}: {kind}", length)  # noqa: E731
    database = {"status": "unhealthy", "error": f"postgres://halo:{s('URL in an error')}@db refused",
                "config": {"api_key": s("API key in a detail"), "dsn": f"amqp://u:{s('URL in a detail')}@mq"}}  # fmt: skip
    token = {"status": "unhealthy", "message": f"token={s('token in a message')} expired", "response_time": 4}
    return {
        "status": f"down, password={s('in the status')}", "version": f"Bearer {s('in the version')}",
        "password": s("beside the checks"),
        "checks": {"database": database, "token": token, f"https://u:{s('name of a check')}@h": {"status": "down"}},
    }  # fmt: skip
