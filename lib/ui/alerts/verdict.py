"""What fires in one line, for the page, the header, the menu and the browser's tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib.alerts import book
from lib.alerts.model import AlertState
from lib.ui import clock, runtime, text
from lib.ui.alerts import asked, silenced
from lib.ui.severity import LOOKS, Status

STARTS_IN_S = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many alerts fire by how bad they are (silenced ones and tests apart), how many wait, and who looks.

    `unwell` rules cannot be judged (an error, no data any more), `unseen` ones read a metric that was never there.
    `checked` is when a rule was last evaluated, None for never; `stalled` says that nobody does any more;
    `starting` that this process has only just begun to.
    """

    firing: Mapping[Status, int]
    acknowledged: int
    silenced: int
    pending: int
    rules: int
    unwell: int
    unseen: int
    checked: datetime | None
    stalled: bool
    starting: bool = False

    @property
    def total(self) -> int:
        """All that fire and are not silenced."""
        return sum(self.firing.values())

    @property
    def blind(self) -> bool:
        """Whether most rules have nothing to look at, as before a source is set up."""
        return self.unseen * 2 > self.rules

    @property
    def quiet(self) -> Status:
        """How far it is good news that nothing fires: unknown while nobody looks or there is nothing to look at, a warning
        while rules cannot be judged."""
        if self.stalled or self.starting or self.blind:
            return Status.NO_DATA
        return Status.WARNING if self.unwell else Status.OK


def verdict() -> Verdict:
    """How it stands now, found out once for all viewers. Raises SourceError."""
    return asked.shared("verdict", lambda _: _judged())


def _judged() -> Verdict:
    opened, rules, moment = asked.opened(), asked.rules(), clock.now()
    real = opened[~opened["test"]]
    firing = real[real["state"] == AlertState.FIRING.value]
    muted = silenced.muted(firing)
    heard = firing[~muted]
    late = book.stalled(rules, moment)
    return Verdict(
        firing=_by_status(heard["severity"].value_counts().to_dict()),
        acknowledged=int((heard["acked_by"] != "").sum()),
        silenced=int(muted.sum()),
        pending=len(real) - len(firing),
        rules=len(rules),
        unwell=int((rules["health"].eq("error") | (rules["health"].eq("no-data") & rules["ever_seen"].eq(True))).sum()),
        unseen=int((rules["ever_seen"].eq(False) & rules["health"].ne("error")).sum()),
        checked=book.evaluated_at(rules),
        stalled=late and not _starting(moment),
        starting=late and _starting(moment),
    )


def _starting(moment: datetime) -> bool:
    """Whether this process evaluates and was started less than a minute ago: its first round is on the way."""
    status = runtime.current().status()
    return (
        status is not None and status.alerting.evaluating and (moment - status.started_at).total_seconds() < STARTS_IN_S
    )


def _by_status(counts: Mapping[Any, int]) -> dict[Status, int]:
    """Worst first; a severity that we do not know counts as a warning."""
    found = dict.fromkeys((Status.CRITICAL, Status.WARNING, Status.INFO), 0)
    for severity, count in counts.items():
        known = Status(severity) if severity in [status.value for status in found] else Status.WARNING
        found[known] += int(count)
    return {status: count for status, count in found.items() if count}


def counted(found: Verdict) -> str:
    """The firing ones as markdown: ":red-badge[▲ 3 critical] :orange-badge[◆ 2 warning]"."""
    return " ".join(
        f":{LOOKS[status].badge}-badge[{LOOKS[status].glyph} {text.number(count)} {LOOKS[status].word.lower()}]"
        for status, count in found.firing.items()
    )


def watched(found: Verdict) -> str:
    """Who looks, in words: "checked 09:14:05, 12 rules evaluated"."""
    if found.starting:
        return "the first evaluation is on its way"
    if found.checked is None:
        return "no rule was ever evaluated"
    when = clock.stamp(found.checked, seconds=True) if found.stalled else f"{clock.local(found.checked):%H:%M:%S}"
    blind = f", {text.number(found.unseen)} of them wait for a metric that was never seen" if found.blind else ""
    return f"checked {when}, {text.number(found.rules)} {'rule' if found.rules == 1 else 'rules'} evaluated{blind}"
