"""From series to alerts: the labels that an alert has, and which of them are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from lib.alerts.engine.templates import expand_all
from lib.alerts.model import fingerprint
from lib.alerts.rules import Rule
from lib.metrics.base import Labels


class Labelled(NamedTuple):
    """One element of an answer as an alert: its `labels`, the labels of its `series`, its `value`."""

    labels: Labels
    series: Labels
    value: float


def labelled(
    rule: Rule, labels: Sequence[Labels], values: Sequence[float], *, many: bool = False
) -> tuple[dict[str, Labelled], str]:
    """The elements by fingerprint, and why they cannot be told apart: "" normally. `many`: equal ones are no mistake."""
    found: dict[str, Labelled] = {}
    if not labels:
        return found, ""
    own = tuple(sorted(rule.labels.items()))
    fixed = not any("{{" in text for text in rule.labels.values())
    for series, value in zip(labels, values, strict=True):
        key = tuple(series.items())
        mark, told = (
            _fixed(rule.name, own, key) if fixed else _named(rule.name, expand_all(rule.labels, series, value), key)
        )
        if mark in found and not many:
            return {}, f"two series give the same alert after the rule's labels are added: {_listed(told)}"
        found[mark] = Labelled(told, series, value)
    return found, ""


@lru_cache(maxsize=65_536)
def _fixed(name: str, own: tuple[tuple[str, str], ...], series: tuple[tuple[str, str], ...]) -> tuple[str, Labels]:
    return _named(name, dict(own), series)


def _named(name: str, own: Mapping[str, str], series: tuple[tuple[str, str], ...]) -> tuple[str, Labels]:
    """An alert's fingerprint and labels: those of the series without its name, then the rule's, then `alertname`."""
    told = {**dict(series), **own, "alertname": name}
    told.pop("__name__", None)
    told = {key: value for key, value in told.items() if value}
    return fingerprint(told), told


def _listed(labels: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))[:300]
