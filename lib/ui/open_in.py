"""Where a question can be looked at with the team's own tools: addresses with the query and the range filled in."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import orjson

from lib.settings import Settings
from lib.window import Window

LONGEST = 6_000
"""Characters of an address: browsers and proxies cut longer ones off."""

_PLAIN = re.compile(r"[A-Za-z_~*.@][\w~*.@/-]*")


class Link(NamedTuple):
    """One tool, and where it shows the question."""

    tool: str
    url: str


def links(settings: Settings, source: str, question: str, window: Window | None) -> list[Link]:
    """The tools that the settings name and that can show a question of this source (its name on the pages)."""
    if source == "Prometheus":
        return [*_prometheus(settings, question, window), *_grafana(settings, question, window)]
    return _kibana(settings, question, window) if "Elasticsearch" in source else []


def _prometheus(settings: Settings, expression: str, window: Window | None) -> list[Link]:
    base = settings.prometheus_external_url or settings.prometheus_url
    if not base:
        return []
    asked = {"g0.expr": expression, "g0.tab": "0"}
    if window is not None:
        end = f"{window.end:%Y-%m-%d %H:%M:%S}"
        asked |= {
            "g0.range_input": f"{int(window.length.total_seconds())}s",
            "g0.end_input": end,
            "g0.moment_input": end,
        }
    return _short("Prometheus", f"{base.rstrip('/')}/graph?{urlencode(asked)}")


def _grafana(settings: Settings, expression: str, window: Window | None) -> list[Link]:
    if not settings.grafana_url:
        return []
    pane: dict[str, Any] = {"queries": [{"refId": "A", "expr": expression}]}
    if settings.grafana_datasource:
        pane["datasource"] = settings.grafana_datasource
    if window is not None:
        pane["range"] = {"from": _ms(window.start), "to": _ms(window.end)}
    asked = {"schemaVersion": "1", "panes": orjson.dumps({"ops": pane}).decode()}
    return _short("Grafana", f"{settings.grafana_url.rstrip('/')}/explore?{urlencode(asked)}")


def _kibana(settings: Settings, question: str, window: Window | None) -> list[Link]:
    if not settings.kibana_url:
        return []
    state: dict[str, Any] = {"index": settings.kibana_data_view} if settings.kibana_data_view else {}
    span = {"time": {"from": _iso(window.start), "to": _iso(window.end)}} if window is not None else {}
    clause = _clause(question)
    filtered = state | (
        {"filters": [{"meta": {"alias": "Halo Ops", "disabled": False}, "query": clause}]} if clause else {}
    )
    for shown in (filtered, state):  # a filter that is too long is left out
        address = f"{settings.kibana_url.rstrip('/')}/app/discover#/?_g={quote(rison(span))}&_a={quote(rison(shown))}"
        if found := _short("Kibana", address):
            return found
    return []


def _clause(question: str) -> Any:
    """What the first search of a question filters by; None where it was cut off."""
    body = question.partition("\n")[2].partition("\nGET ")[0]
    try:
        return orjson.loads(body).get("query")
    except orjson.JSONDecodeError:
        return None


def rison(value: Any) -> str:
    """JSON as Kibana's addresses have it."""
    if isinstance(value, bool) or value is None:
        return {True: "!t", False: "!f", None: "!n"}[value]
    if isinstance(value, dict):
        return f"({','.join(f'{_text(name)}:{rison(one)}' for name, one in value.items())})"
    if isinstance(value, list):
        return f"!({','.join(map(rison, value))})"
    return _text(value) if isinstance(value, str) else orjson.dumps(value).decode().replace("+", "")


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("!", "!!").replace("'", "!'")
    return f"'{escaped}'"


def _short(tool: str, url: str) -> list[Link]:
    return [Link(tool, url)] if len(url) <= LONGEST else []


def _ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
