"""The simulator's faults, asked and switched at the address that the settings name; no page says where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from lib.alerts.console.drill import Switch
from lib.alerts.drills import Kind
from lib.errors import SourceUnavailable
from lib.settings import Settings

NAME = "simulator"
TIMEOUT_S = 5.0
LONGEST = timedelta(minutes=20)
"""The longest `for` of the rules is 15 minutes: whoever wants less ends it by hand."""


def faults(settings: Settings) -> list[Kind]:
    """The faults that can be switched on now. Without demo mode and a simulator: none. Raises SourceUnavailable."""
    if not settings.demo or not settings.simulator_url:
        return []
    found = _asked(settings, "GET", "/faults")
    return [Kind(str(one["name"]), str(one["effect"]), LONGEST) for one in found["faults"] if not one.get("on")]


def switch(settings: Settings, name: str, *, on: bool) -> None:
    """Raises SourceUnavailable."""
    _asked(settings, "POST", f"/faults/{quote(name, safe='')}", {"on": on})


def switch_of(settings: Settings, kind: Kind) -> Switch:
    """What a drill of this kind switches: a fault of the simulator; nothing for our own figure, which follows the drill."""

    def switched(on: bool) -> None:
        if kind.name:
            switch(settings, kind.name, on=on)

    return switched


def _asked(settings: Settings, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        url = settings.simulator_url.rstrip("/") + path
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            answer = client.request(method, url, json=body) if body is not None else client.request(method, url)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise SourceUnavailable(f"the simulator does not answer as expected: {type(error).__name__}", NAME) from error
    return found if isinstance(found, dict) else {}
