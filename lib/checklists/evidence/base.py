"""What every evidence shares: what it is asked with, how a figure becomes a verdict, and where its link leads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from lib.checklists.model import Evidence, Previous, Verdict
from lib.settings import Settings
from lib.state.database import State
from lib.status import WorkerStatus
from lib.stores import Stores
from lib.window import DAY, LONGEST, Window

MINUTE = timedelta(minutes=1)
FRESH = timedelta(minutes=10)
"""A period that ended longer ago is past: what this process sees now says nothing of it."""

MOST_REASONS = 4
"""So many are said on the item's line; all of them stand in the details."""

_ORDER = (Verdict.OK, Verdict.NO_DATA, Verdict.LOOK, Verdict.BAD)


@dataclass(frozen=True, slots=True)
class Around:
    """What an evidence may look at besides the stores: the settings, what people did, how the collection stands (None:
    no collection in this process), and the time."""

    settings: Settings | None = None
    state: State | None = None
    status: WorkerStatus | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `window` is the run's period up to now, `length` that of the whole period; `limits` are the parameters
    of the verdict, all of them."""

    stores: Stores
    window: Window
    previous: Previous | None
    limits: Mapping[str, float]
    around: Around
    length: timedelta

    @property
    def end(self) -> datetime:
        """The newest moment that the evidence is about."""
        return self.window.end

    @property
    def is_current(self) -> bool:
        """Whether the period goes on, so that what is seen now belongs to it."""
        return self.around.now - self.end < FRESH

    def last(self, length: timedelta) -> Window:
        """The `length` before the period's end: a period that has just begun has nothing to be judged by."""
        return Window(self.end - length, self.end, self.window.zone)

    @property
    def period(self) -> Window:
        """As long as the whole period, up to now: on a Monday the week that ends there."""
        return self.last(min(self.length, LONGEST))


Ask = Callable[[Asked], Evidence]


@dataclass(frozen=True, slots=True)
class Part:
    """One figure of several: its words and what to think of it."""

    words: str
    verdict: Verdict
    why: str = ""


def clipped(run_window: Window, now: datetime) -> Window:
    """The run's period up to now; a period that lies ahead is its first minute."""
    end = min(run_window.end, max(now, run_window.start + MINUTE))
    start = max(run_window.start, end - LONGEST)
    return Window(start, end, run_window.zone)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Bad, else look, else no data, else ok: what is not known is never ok. Of none: no data."""
    return max(verdicts, key=_ORDER.index, default=Verdict.NO_DATA)


def graded(number: float, look: float, bad: float = float("inf")) -> Verdict:
    """Ok under `look`, bad from `bad` on."""
    return Verdict.BAD if number >= bad else Verdict.LOOK if number >= look else Verdict.OK


def together(
    parts: Sequence[Part], *, value: str, normal: str, link: str, number: float | None = None, unit: str = "",
    detail: Iterable[str] = (), fine: str = "",
) -> Evidence:  # fmt: skip
    """One evidence of several figures: the worst of them decides, and those that are as bad say why, as what is not known does.

    Where more do than fit on a line, the first of each are said and the others counted; `detail` has to hold them all.
    """
    verdict = worst(part.verdict for part in parts)
    reasons = [part.why or part.words for part in parts if part.verdict is verdict and verdict is not Verdict.OK]
    unknown = [part.why for part in parts if part.verdict is Verdict.NO_DATA and verdict is not Verdict.NO_DATA]
    reason = "; ".join([*_first(reasons), *_first(unknown)]) or fine or "all within the limits"
    return Evidence(value, _rounded(number), unit, normal, verdict, reason, link, "\n".join(detail))


def _first(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - MOST_REASONS
    return [*reasons[:MOST_REASONS], *([f"and {more} more"] if more > 0 else [])]


def unknown(
    reason: str, normal: str = "", link: str = "", detail: str = "", value: str = "–", *, number: float | None = None,
    unit: str = "",
) -> Evidence:  # fmt: skip
    """Nothing is known, or not what is needed to judge the `value`; and why."""
    return Evidence(value, _rounded(number), unit, normal, Verdict.NO_DATA, reason, link, detail)


def _rounded(number: float | None) -> float | None:
    """To what can be meant: a kept value is read again by people."""
    return None if number is None else round(float(number), 3)


def link(page: str, window: Window, **more: str) -> str:
    """A page over exactly this range."""
    ends = "/".join(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for moment in (window.start, window.end + MINUTE))
    fields = {"range": ends, **more}
    return f"{page}?" + "&".join(f"{name}={quote(value, safe='/:')}" for name, value in fields.items())


def change_percent(now: float | None, before: float | None) -> float | None:
    """By how many per cent it grew; None where that cannot be said."""
    return None if now is None or not before else (now / before - 1) * 100


def signed(percent: float | None) -> str:
    """A change in words: "+12 %", "-3 %", "change unknown"."""
    return "change unknown" if percent is None else f"{percent:+.0f} %"


def changed(words: str, percent: float | None) -> str:
    """A figure with its change; alone where that is not known, as the reason says so."""
    return words if percent is None else f"{words}, {signed(percent)}"


def whole_days(length: timedelta) -> timedelta:
    """At least one: clocks that change make a day of 23 hours no shorter."""
    return max(round(length / DAY), 1) * DAY
