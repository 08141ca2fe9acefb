"""The scenarios of the test console: what happens to one alert, to its silence and to the channel, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

HOLD_S = 30.0
"""The `for` of a scenario's rule: shorter than the cooldown, so that an alert can fire twice within it."""


@dataclass(frozen=True, slots=True)
class Event:
    """At `at` (from the start) the condition holds or not, a silence begins or ends, the channel goes or comes back.

    None: as it was. `words` say so in the table.
    """

    at: timedelta
    words: str
    holds: bool | None = None
    silenced: bool | None = None
    away: bool | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One scenario: `lasts` is simulated time, `about` what one learns from it."""

    key: str
    title: str
    about: str
    lasts: timedelta
    events: tuple[Event, ...]


def _at(minutes: float, words: str, **what: bool) -> Event:
    return Event(timedelta(minutes=minutes), words, **what)


STORIES = (
    Story(
        "cooldown",
        "Fire, cooldown, flap, resolve",
        "A second firing within the cooldown waits, and is told if it still fires when that is over. An end is never held back.",
        timedelta(minutes=16),
        (
            _at(0, "the condition holds", holds=True),
            _at(1.5, "the condition no longer holds", holds=False),
            _at(2, "it holds again, within the cooldown", holds=True),
            _at(10, "flapping begins: it no longer holds", holds=False),
            _at(10.25, "it holds again", holds=True),
            _at(11, "it no longer holds", holds=False),
            _at(11.25, "it holds again", holds=True),
            _at(12, "it no longer holds", holds=False),
            _at(12.25, "it holds again", holds=True),
            _at(13, "flapping ends: it no longer holds", holds=False),
        ),
    ),
    Story(
        "silence",
        "Silence",
        "Silenced alerts are not told. What still fires when the silence ends is told then, and so is an end that came meanwhile.",
        timedelta(minutes=26),
        (
            _at(0, "the condition holds", holds=True),
            _at(2, "somebody silences it for 8 minutes", silenced=True),
            _at(4, "the condition no longer holds", holds=False),
            _at(10, "the silence ends", silenced=False),
            _at(12, "somebody silences it before it fires", silenced=True),
            _at(13, "the condition holds", holds=True),
            _at(20, "the silence ends, it still fires", silenced=False),
            _at(23, "the condition no longer holds", holds=False),
        ),
    ),
    Story(
        "outage",
        "The channel does not answer",
        "Tries are repeated after 1, 2, 4 … seconds, at most 5 minutes. What is sent in the end is the state of that moment.",
        timedelta(minutes=12),
        (
            _at(0, "the channel does not answer from now on", away=True),
            _at(0.25, "the condition holds", holds=True),
            _at(4, "the channel answers again", away=False),
            _at(7, "the channel does not answer again", away=True),
            _at(7.25, "the condition no longer holds", holds=False),
            _at(9, "the channel answers again", away=False),
        ),
    ),
    Story(
        "repeat",
        "Still firing",
        "Nothing is said while nothing changes; after the repeat time (4 h unless the rule says otherwise) it is said again.",
        timedelta(hours=8, minutes=20),
        (_at(0, "the condition holds", holds=True), _at(497, "the condition no longer holds", holds=False)),
    ),
)


def story(key: str) -> Story:
    """The scenario of this key. Raises KeyError."""
    return {one.key: one for one in STORIES}[key]
