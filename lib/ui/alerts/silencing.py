"""The form of a silence: whom it hits, how long, why, and a preview of the alerts that it hits now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from lib.alerts import acts
from lib.alerts import matchers as matching
from lib.alerts import silences as kept
from lib.alerts.matchers import Matcher
from lib.alerts.silences import Silence
from lib.errors import QueryError
from lib.identity.roles import Action
from lib.ui import clock, text
from lib.ui.alerts import asked, state, words
from lib.ui.alerts.silences import EDIT
from lib.ui.identity import act, lacking

LENGTHS = {"30 min": 30, "1 h": 60, "2 h": 120, "4 h": 240, "8 h": 480, "1 d": 1440, "7 d": 10080}
UNTIL = "until …"
DEFAULT_LENGTH = "2 h"
MOST_SHOWN = 8
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class _Start:
    """What the form begins with."""

    labels: tuple[Matcher, ...] = ()
    written: str = ""
    reason: str = ""
    before: Silence | None = None
    problem: str = ""


def form(wanted: str) -> None:
    """The form filled in for an alert's fingerprint, for matchers, or for a silence to be changed (`edit:<number>`)."""
    start = _start(wanted)
    mark = re.sub(r"\W", "_", wanted)[:60]
    if start.problem:
        st.warning(text.esc_md(start.problem), icon=":material/edit:")
    matchers = _matchers(start, mark)
    if matchers:
        _preview(matchers)
    ends_at = _until(start, mark)
    reason = st.text_input("Why (needed)", start.reason, key=f"silence_reason_{mark}", max_chars=kept.LONGEST_REASON,
                           placeholder="Who reads this at 3 a.m. wants to know")  # fmt: skip
    lacks = lacking(Action.SILENCE)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = "Change the silence" if start.before else "Silence"
        if st.button(label, key=f"silence_do_{mark}", icon=":material/notifications_off:", type="primary",
                     disabled=bool(lacks)):  # fmt: skip
            _make(start, matchers, ends_at, str(reason or ""))
        st.button("Cancel", key=f"silence_no_{mark}", type="tertiary", on_click=state.ask_silence)
        if lacks:
            st.caption(lacks)


def _start(wanted: str) -> _Start:
    if wanted.startswith(EDIT):
        number = wanted.removeprefix(EDIT)
        newest = next((one for one in asked.silences() if str(one.id) == number), None)
        found = state.held_silence(newest)  # as it was when the form was opened: a change by somebody else is found out
        if found is None:
            return _Start(problem="The silence that was to be changed is not kept any more: this makes a new one.")
        return _Start(written=matching.written(found.matchers), reason=found.reason, before=found)
    if _FINGERPRINT.fullmatch(wanted):
        found_alerts = asked.episodes(wanted)
        if found_alerts.empty:
            return _Start(problem="The alert that was to be silenced is not known here: write whom to silence.")
        return _Start(labels=matching.exactly(found_alerts["labels"].iloc[0]))
    return _Start(written="" if wanted == "new" else wanted)


def _matchers(start: _Start, mark: str) -> tuple[Matcher, ...]:
    """What was chosen and written; () where it cannot be used, which is said."""
    chosen: Sequence[str] = ()
    names = {text.esc_md(f"{one.name}={one.value}")[:160]: one for one in start.labels}
    if names:
        chosen = st.pills("Alerts with all of", list(names), selection_mode="multi", default=list(names),
                          key=f"silence_labels_{mark}", help="Tap one to leave it out: the fewer, the more is silenced.")  # fmt: skip
    label = "And (name=value, also != =~ !~)" if names else "Alerts with (name=value, also != =~ !~; all must match)"
    typed = st.text_input(
        label, start.written, key=f"silence_typed_{mark}", max_chars=2000, placeholder='queue_name=~"lead.*"'
    )
    try:
        more = matching.read(str(typed)) if str(typed or "").strip() else ()
        return matching.check([*(names[name] for name in chosen), *more])
    except QueryError as error:
        st.warning(text.esc_md(error), icon=":material/edit:")
        return ()


def _preview(matchers: tuple[Matcher, ...]) -> None:
    """What it would hit now, the worst first."""
    opened = asked.opened()
    hit = opened[matching.hit(matchers, list(opened["labels"]))]
    if hit.empty:
        st.markdown("○ It hits **no open alert** now.")
        return
    worst = [word for word in ("critical", "warning", "info") if word in set(hit["severity"])]
    st.markdown(f"It hits **{text.number(len(hit))} of {text.number(len(opened))} open alerts** now: "
                + " ".join(f"{words.badge(word)} {text.number(int((hit['severity'] == word).sum()))}" for word in worst))  # fmt: skip
    for row in words.each(hit.head(MOST_SHOWN)):
        st.text(text.visible(f"{words.shape(row.severity).glyph} {row.name}  {words.about(row)}"))
    if len(hit) > MOST_SHOWN:
        st.caption(f"and {text.number(len(hit) - MOST_SHOWN)} more.")


def _until(start: _Start, mark: str) -> datetime:
    """When it ends, by a length from now or a time on the viewer's clock."""
    options = [*LENGTHS, UNTIL]
    length = st.pills(
        "For", options, default=UNTIL if start.before else DEFAULT_LENGTH, key=f"silence_for_{mark}", required=True
    )
    moment = clock.now()
    if length != UNTIL:
        ends_at = moment + timedelta(minutes=LENGTHS.get(str(length), LENGTHS[DEFAULT_LENGTH]))
        st.caption(f"Ends {clock.stamp(ends_at)} {text.esc_md(clock.display_zone())}")
        return ends_at
    first = start.before.ends_at if start.before else moment + timedelta(hours=12)
    shown = clock.local(first).replace(tzinfo=None, second=0, microsecond=0)
    given = st.datetime_input(
        "Until", shown, key=f"silence_until_{mark}", step=300, help=text.esc_md(clock.display_zone())
    )
    naive = given if isinstance(given, datetime) else shown
    return naive.replace(tzinfo=ZoneInfo(clock.display_zone())).astimezone(UTC)


def _make(start: _Start, matchers: tuple[Matcher, ...], ends_at: datetime, reason: str) -> None:
    moment = clock.now()
    if problem := _missing(matchers, ends_at, reason, moment):
        st.error(problem)
        return

    # It may be done later, from the dialog that asks for a name: the form closes then.
    deed = acts.silence(matchers, ends_at, reason, moment, before=start.before, then=state.close_silence)
    if act(deed):
        st.toast("Changed" if start.before else "Silenced", icon=":material/notifications_off:")
        st.rerun()


def _missing(matchers: tuple[Matcher, ...], ends_at: datetime, reason: str, moment: datetime) -> str:
    if not matchers:
        return "Not done: say whom to silence."
    if not reason.strip():
        return "Not done: say why. A silence needs a reason."
    if ends_at <= moment:
        return "Not done: it would have ended already."
    return "" if ends_at - moment <= kept.LONGEST else f"Not done: a silence lasts at most {kept.LONGEST.days} days."
