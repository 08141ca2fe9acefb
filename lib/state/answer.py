"""What one answer of a /health address says about the service and about each of its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from lib.redact import redact, redact_text

SERVICE = "service"
"""The check that stands for the answer as a whole."""

LONGEST_LATENCY_MS = 600_000
MAX_CHECKS = 50
_REASON_CHARS = 300
_DETAIL_CHARS = 4000
_GOOD = frozenset({"healthy", "ok", "up", "pass"})
_BAD = frozenset({"unhealthy", "down", "error", "fail", "failed", "critical", "degraded", "warn", "warning"})
_MILLISECONDS = re.compile(r"^\s*([0-9.]+)\s*(?:ms)?\s*$")


class Status(StrEnum):
    """What a check is. Unknown means that nobody could say, not that it is well."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One check in one answer. `response_ms` is NaN where none or implausible; `detail` is all else that it said."""

    check: str
    status: Status
    reason: str = ""
    response_ms: float = math.nan
    detail: Mapping[str, Any] = field(default_factory=dict)

    def detail_text(self) -> str:
        """`detail` as JSON text, cut where it is unreasonably long."""
        text = orjson.dumps(self.detail, option=orjson.OPT_NON_STR_KEYS).decode()
        return text if len(text) <= _DETAIL_CHARS else orjson.dumps({"note": "too long to keep"}).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer said: the service first, then each named check. `version` "" and `uptime_s` NaN where not told."""

    readings: tuple[Reading, ...]
    version: str = ""
    uptime_s: float = math.nan


def read_answer(
    status_code: int | None, body: bytes | str | Mapping[str, Any] | None, error: str, response_ms: float = math.nan
) -> Answer:
    """The reading of each check. `status_code` None: no answer came, and `error` says why.

    The service is healthy only for a 2xx whose JSON does not say otherwise. Never raises.
    """
    if status_code is None:
        return Answer((Reading(SERVICE, Status.UNHEALTHY, _clean(error or "no answer")),))
    content = _content(body)
    if content is None:
        reason = f"HTTP {status_code}: the answer is not a health report in JSON"
        return Answer((Reading(SERVICE, Status.UNHEALTHY, reason, response_ms),))
    checks = content.get("checks")
    items = list(checks.items())[:MAX_CHECKS] if isinstance(checks, Mapping) else []
    named = [_check(str(name), said) for name, said in items]
    service = _service(status_code, content, named, response_ms)
    version = _clean(str(content.get("version") or ""))[:100]
    return Answer((service, *named), version, _number(content.get("uptime")))


def latency_ms(value: object) -> float:
    """A response time in ms; NaN for what is none: an epoch, 0 (a fallback of services that did not measure), text."""
    if isinstance(value, str) and (found := _MILLISECONDS.match(value)):
        value = found[1]
    number = _number(value)
    return number if 0 < number <= LONGEST_LATENCY_MS else math.nan


def _content(body: bytes | str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if body is None or isinstance(body, Mapping):
        content: Any = body
    else:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
    if not isinstance(content, Mapping):
        return None
    told = isinstance(content.get("status"), str) or isinstance(content.get("checks"), Mapping)
    return content if told else None


def _service(code: int, content: Mapping[str, Any], named: list[Reading], response_ms: float) -> Reading:
    said = content.get("status")
    failing = [reading.check for reading in named if reading.status is Status.UNHEALTHY]
    status = _status(said) if isinstance(said, str) else Status.HEALTHY
    if 200 <= code < 300 and status is Status.HEALTHY:
        return Reading(SERVICE, Status.HEALTHY, response_ms=response_ms)
    blame = f"failing: {', '.join(failing)}" if failing else f"it says “{said}”"
    return Reading(SERVICE, Status.UNHEALTHY, _clean(f"HTTP {code}, {blame}"), response_ms)


def _check(name: str, said: object) -> Reading:
    name = _clean(f"{name} (check)" if name == SERVICE else name)[:64]
    fields = redact(dict(said))[0] if isinstance(said, Mapping) else {"status": said}
    status = _status(fields.get("status"))
    response_ms = latency_ms(fields.get("response_time"))
    detail = _detail({key: value for key, value in fields.items() if key not in ("status", "error")})
    if "response_time" in fields and math.isnan(response_ms):
        detail["response_time_note"] = "not a latency"
    return Reading(name, status, _reason(fields, status), response_ms, detail)


def _reason(fields: Mapping[str, Any], status: Status) -> str:
    if status is Status.HEALTHY:
        return ""
    return _clean(str(fields.get("error") or fields.get("message") or f"it says “{fields.get('status')}”"))


def _status(said: object) -> Status:
    word = str(said).strip().lower()
    return Status.HEALTHY if word in _GOOD else Status.UNHEALTHY if word in _BAD else Status.UNKNOWN


def _detail(value: Any, depth: int = 0) -> Any:
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
        return {key: _detail(item, depth + 1) for key, item in items if depth < 4}
    if isinstance(value, list):
        return [_detail(item, depth + 1) for item in value[:20]] if depth < 4 else []
    return value[:_REASON_CHARS] if isinstance(value, str) else value


def _clean(text: str) -> str:
    return redact_text(text)[0][:_REASON_CHARS]


def without_credentials(observation: Mapping[str, Any]) -> dict[str, Any]:
    """An observation of /health as it may be written down: all that it says, but no credential.

    The name of a check is no secret, whatever it is: what a check called “token” says of itself stays.
    """
    kept: dict[str, Any] = redact({key: value for key, value in observation.items() if key != "body"})[0]
    if "body" not in observation:
        return kept
    content = _content(observation["body"])
    if content is None:
        return kept | {"body": None}  # no report, whatever it is
    checks = content.get("checks")
    body: dict[str, Any] = redact({key: value for key, value in content.items() if key != "checks"})[0]
    if isinstance(checks, Mapping):
        body["checks"] = {_clean(str(name)): redact(said)[0] for name, said in checks.items()}
    return kept | {"body": body}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
