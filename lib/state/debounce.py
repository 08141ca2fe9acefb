"""When a check's status changes: after so many readings in a row, and not while nobody was looking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lib.state.answer import Status


class Move(StrEnum):
    """What a reading does to the history of a check."""

    OPEN = "open"  # a new episode; the time since the one before is not covered
    EXTEND = "extend"  # the same episode goes on
    TURN = "turn"  # the status changed when the streak began: the old episode ends there, a new one starts there
    RELABEL = "relabel"  # the whole episode was the streak: it gets the status that the streak proved


@dataclass(frozen=True, slots=True)
class Patience:
    """`failures` bad readings in a row make a check bad, `successes` good ones make it healthy again.

    After `gap` without a reading nothing is known about the time between.
    """

    failures: int
    successes: int
    gap: timedelta


@dataclass(frozen=True, slots=True)
class Course:
    """Where a check stands: its `status` since `since`, last read `seen`, and the streak of readings that disagree."""

    status: Status
    since: datetime
    seen: datetime
    streak: int = 0
    streak_since: datetime | None = None
    streak_good: bool = False


def step(course: Course | None, status: Status, at: datetime, patience: Patience) -> tuple[Course, Move]:
    """The next course, and what becomes of the episode. `course` None: the check was never read."""
    if course is None or at - course.seen > patience.gap:
        return _fresh(course, status, at, patience), Move.OPEN
    if status is course.status:
        return replace(course, seen=at, streak=0, streak_since=None), Move.EXTEND
    good = status is Status.HEALTHY
    goes_on = course.streak_since is not None and course.streak_good is good
    began = course.streak_since if goes_on and course.streak_since is not None else at
    streak = course.streak + 1 if goes_on else 1
    # A status that was only assumed (the very first readings) turns on the first good word.
    assumed = course.status is Status.UNKNOWN and course.streak_since == course.since
    needed = patience.failures if not good else 1 if assumed else patience.successes
    if streak < needed:
        return replace(course, seen=at, streak=streak, streak_since=began, streak_good=good), Move.EXTEND
    turned = Course(status, began, at)
    return turned, Move.RELABEL if began == course.since else Move.TURN


def _fresh(before: Course | None, status: Status, at: datetime, patience: Patience) -> Course:
    believed = status is Status.HEALTHY or patience.failures == 1 or (before is not None and before.status is status)
    if believed:
        return Course(status, at, at)
    return Course(Status.UNKNOWN, at, at, streak=1, streak_since=at)
