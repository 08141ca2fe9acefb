"""Turns a past of single observations into episodes, and fits them between those that are already known."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lib.state.answer import SERVICE, Reading, Status, read_answer

JOIN = timedelta(minutes=6)
"""Observations of a past may lie this far apart and still count as one stretch: they were taken minutes apart."""


Key = tuple[str, str]
"""The target and the check that an episode belongs to."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch [since, until] in which a check kept its status. `row` is its id in the database, None for a new one."""

    status: Status
    reason: str
    since: datetime
    until: datetime
    response_ms: float = math.nan
    version: str = ""
    uptime_s: float = math.nan
    detail: str = "{}"
    row: int | None = None


def episode(reading: Reading, at: datetime, version: str, uptime_s: float) -> Episode:
    """The episode that one observation alone makes: it begins and ends at `at`."""
    detail = reading.detail_text()
    return Episode(reading.status, reading.reason, at, at, reading.response_ms, version, uptime_s, detail)


def fold(episodes: Iterable[Episode]) -> list[Episode]:
    """Neighbours of one status, at most JOIN apart, as one; a change of status within JOIN leaves no gap.

    Two episodes that both come from the database stay as they are: the time between them was judged when it passed.
    """
    folded: list[Episode] = []
    for after in sorted(episodes, key=lambda item: (item.since, item.until)):
        before = folded[-1] if folded else None
        if before is None or after.since - before.until > JOIN or (before.row is not None and after.row is not None):
            folded.append(after)
        elif before.status is after.status:
            folded[-1] = _joined(before, after)
        else:
            folded[-1] = replace(before, until=max(before.until, after.since))
            folded.append(after)
    return folded


def _joined(before: Episode, after: Episode) -> Episode:
    row = after.row if after.row is not None else before.row
    return replace(after, since=before.since, until=max(before.until, after.until), row=row)


def uncovered(fresh: Sequence[Episode], known: Sequence[Episode]) -> list[Episode]:
    """The parts of `fresh` in time that no `known` episode covers: what was seen live stays as it was seen."""
    parts: list[Episode] = []
    for item in fresh:
        rest: list[Episode] = [item]
        for cover in known:
            rest = [piece for part in rest for piece in _cut(part, cover)]
        parts.extend(rest)
    return parts


def _cut(part: Episode, cover: Episode) -> list[Episode]:
    if cover.until < part.since or cover.since > part.until:
        return [part]
    pieces = []
    if part.since < cover.since:
        pieces.append(replace(part, until=cover.since))
    if part.until > cover.until:
        pieces.append(replace(part, since=cover.until))
    return pieces


def readings_of(observations: Iterable[Mapping[str, Any]]) -> tuple[dict[Key, list[Episode]], int]:
    """One episode per observation and check, and how many observations were usable (had a target and a time)."""
    found: dict[Key, list[Episode]] = defaultdict(list)
    taken = sum(_collect(found, observation) for observation in observations)
    _spread_unknown(found)
    return found, taken


def _collect(found: dict[Key, list[Episode]], observation: Mapping[str, Any]) -> bool:
    """Adds an observation's readings to `found`; False where it has no target or no time."""
    target, at = str(observation.get("target") or ""), time_of(observation.get("ts"))
    if not target or at is None:
        return False
    code, took = observation.get("status_code"), observation.get("response_ms")
    answer = read_answer(
        code if isinstance(code, int) else None,
        observation.get("body"),
        str(observation.get("error") or ""),
        float(took) if isinstance(took, int | float) else math.nan,
    )
    for reading in answer.readings:
        found[target, reading.check].append(episode(reading, at, answer.version, answer.uptime_s))
    return True


def _spread_unknown(found: dict[Key, list[Episode]]) -> None:
    """Where the service gave no readable answer, its other checks are unknown at that time."""
    for (target, check), items in list(found.items()):
        if check != SERVICE:
            heard = {item.since for item in items}
            silent = [item for item in found[target, SERVICE] if item.since not in heard]
            items += [replace(i, status=Status.UNKNOWN, response_ms=math.nan) for i in silent if i.reason]


def time_of(value: object) -> datetime | None:
    """An ISO 8601 time with its zone, as UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # in UTC it may be before the year 1
        return None
