"""Who gets what, and what keeps quiet while something else fires: read from the settings, strictly."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lib.alerts.matchers import Matcher, Op, hit, read
from lib.alerts.model import Alert
from lib.errors import QueryError, SettingsError

_WORD = re.compile(r"[A-Za-z0-9_-]+")
CHANNEL_BROKEN = "ChannelBroken"
"""The product's own alert about a channel: it goes to all others, whatever the routes say."""


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts that all matchers match (none: every alert) go to these channels."""

    matchers: tuple[Matcher, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert that `source` matches fires, those that `target` matches are muted where the labels `equal` agree."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


def read_routes(text: str, known: Collection[str]) -> tuple[Route, ...]:
    """The routes of HALO_OPS_ROUTES. Raises SettingsError that names the part and what is wrong with it."""
    return tuple(_route(part, known) for part in _parts(text))


def _route(part: str, known: Collection[str]) -> Route:
    left, equals, right = part.rpartition("=")
    names = tuple(name.strip() for name in right.split(",") if name.strip())
    if not equals or not names or '"' in right or "}" in right:
        raise SettingsError(f"HALO_OPS_ROUTES: “{part}” must be <severity, {{labels}} or *>=<channels>")
    if unknown := [name for name in names if name not in known]:
        there = ", ".join(known) or "none"
        raise SettingsError(f"HALO_OPS_ROUTES: “{unknown[0]}” is no channel that is set up; there is: {there}")
    return Route(_side("HALO_OPS_ROUTES", left.strip()), names)


def read_inhibitions(text: str) -> tuple[Inhibition, ...]:
    """The rules of HALO_OPS_INHIBIT. Raises SettingsError likewise."""
    found = []
    for part in _parts(text):
        rule, _, labels = part.partition(" by ")
        source, arrow, target = rule.partition(" > ")
        equal = tuple(name.strip() for name in labels.split(",") if name.strip())
        if not arrow or not all(_WORD.fullmatch(name) for name in equal):
            raise SettingsError(f"HALO_OPS_INHIBIT: “{part}” must be <labels> > <labels> by <label>,<label>")
        sides = (_side("HALO_OPS_INHIBIT", source.strip()), _side("HALO_OPS_INHIBIT", target.strip()))
        found.append(Inhibition(*sides, equal))
    return tuple(found)


def _parts(text: str) -> list[str]:
    """What stands between semicolons outside of quotes."""
    found = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^;"])+', text)
    return [part.strip() for part in found if part.strip()]


def _side(setting: str, text: str) -> tuple[Matcher, ...]:
    if text == "*":
        return ()
    if _WORD.fullmatch(text):
        return (Matcher("severity", Op.IS, text),)
    try:
        return read(text)
    except QueryError as error:
        raise SettingsError(f"{setting}: {error}") from error


def channels_of(alerts: Sequence[Alert], routes: Sequence[Route], known: Sequence[str]) -> list[tuple[str, ...]]:
    """Per alert the channels that it goes to; () where no route fits. Without routes: all."""
    labels = [alert.labels for alert in alerts]
    found: list[tuple[str, ...] | None] = [None] * len(alerts)
    for route in routes or (Route((), tuple(known)),):
        verdicts = hit(route.matchers, labels)
        for at, one in enumerate(verdicts):
            if one and found[at] is None:
                found[at] = route.channels
    return [
        _others(alert, known) if alert.name == CHANNEL_BROKEN else told or ()
        for alert, told in zip(alerts, found, strict=True)
    ]


def _others(alert: Alert, known: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in known if name != alert.labels.get("channel"))


def inhibited(rules: Sequence[Inhibition], firing: Sequence[Alert], about: Sequence[Alert]) -> dict[str, Alert]:
    """Per fingerprint of `about` that is muted, the alert that mutes it. A missing label is an empty one, and an alert
    that is both source and target is not muted by such alerts."""
    found: dict[str, Alert] = {}
    for rule in rules:
        as_source = _matching(rule.source, firing)
        sources = {_place(alert.labels, rule.equal): alert for alert in reversed(as_source)}
        pure = {_place(a.labels, rule.equal): a for a in reversed(_not_matching(rule.target, as_source))}
        targets = _matching(rule.target, about)
        both = {alert.fingerprint for alert in _matching(rule.source, targets)}
        for alert in targets:
            muting = (pure if alert.fingerprint in both else sources).get(_place(alert.labels, rule.equal))
            if muting is not None and muting.fingerprint != alert.fingerprint:
                found.setdefault(alert.fingerprint, muting)
    return found


def _matching(matchers: Sequence[Matcher], alerts: Sequence[Alert]) -> list[Alert]:
    return [a for a, one in zip(alerts, hit(matchers, [a.labels for a in alerts]), strict=True) if one]


def _not_matching(matchers: Sequence[Matcher], alerts: Sequence[Alert]) -> list[Alert]:
    return [a for a, one in zip(alerts, hit(matchers, [a.labels for a in alerts]), strict=True) if not one]


def _place(labels: Mapping[str, str], equal: Sequence[str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in equal)
