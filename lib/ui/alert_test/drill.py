"""The drill: begins it, and shows live how far it is."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from lib.alerts.console import desk, faults
from lib.alerts.console.drill import OWN, RANGE, STAY
from lib.alerts.console.drill_view import Seen, line_of, seen
from lib.alerts.drills import RULE, Drill, Kind, Phase
from lib.errors import SourceError
from lib.identity.roles import Action
from lib.ui import cards, clock, identity, text
from lib.ui.alerts import asked
from lib.ui.panel import source_down
from lib.ui.runtime import current
from lib.ui.severity import LOOKS, Status, look

LOOK_S = 1.0
_PHASES = {
    Phase.ON: (LOOKS[Status.MAINTENANCE], "Something is wrong on purpose"),
    Phase.ENDING: (LOOKS[Status.INFO], "Switched off: its alerts have to end"),
    Phase.OVER: (LOOKS[Status.OK], "Over"),
}
COLUMNS = {
    "at": st.column_config.TextColumn("Time", width=72),
    "after": st.column_config.TextColumn("After", width=64, help="Minutes:seconds since the drill began"),
    "what": st.column_config.TextColumn("What", width=560),
    "channel": st.column_config.TextColumn("Channel", width=80),
}


def drill() -> None:
    """The form, and the drill that is on or was last."""
    on = RANGE.drill is not None and RANGE.drill.phase is not Phase.OVER
    if not on:
        _begin()
    st.session_state["_drill_on"] = on
    if RANGE.drill is not None:
        st.fragment(_live, run_every=LOOK_S if on else None)()


def _begin() -> None:
    kinds, problem = _kinds()
    labels = {kind.name: _title(kind) for kind in kinds}
    names = list(labels)
    name = st.selectbox("What goes wrong", names, format_func=lambda one: labels[one], key="at_drill")
    kind = next(kind for kind in kinds if kind.name == name)
    ready = [desk.TITLES[one] for one in desk.configured(current().settings)]
    told = (
        f"Real alerts go to {' and '.join(ready)}" if ready else "No channel is set up, so it is seen on the pages only"
    )
    st.caption(
        f"{told}. An alert of the rule {RULE} says that it is one; a fault's looks like any other. It ends by itself "
        f"about {text.span(STAY)} after it was told, after {text.span(kind.at_most)} at the latest."
    )
    if problem:
        st.caption(f":orange-badge[◆ Simulator] {text.esc_md(problem)}")
    lacks = identity.lacking(Action.DRILL)
    st.button("Begin the drill", icon=":material/siren:", key="at_drill_begin", on_click=_go, args=(kind,),
              disabled=bool(lacks))  # fmt: skip
    if lacks:
        st.caption(lacks)


def _title(kind: Kind) -> str:
    return f"{kind.name}: {kind.about}" if kind.name else f"The rule {RULE}, about two minutes"


def _kinds() -> tuple[list[Kind], str]:
    try:
        return [OWN, *faults.faults(current().settings)], ""
    except SourceError as error:
        return [OWN], str(error)


def _go(kind: Kind) -> None:
    state, settings = current().state, current().settings
    if state is None:
        st.error("There is no state database: a drill cannot be kept.")
        return
    identity.act(RANGE.deed(kind, identity.actor().name or "somebody", faults.switch_of(settings, kind), state))


def _end() -> None:
    identity.act(RANGE.stop_deed())


def _live() -> None:
    found = RANGE.drill
    if found is None or current().state is None:
        return
    shape, words = _PHASES[found.phase]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":{shape.badge}-badge[{shape.glyph} {words}]", width="content")
        st.caption(
            f"{text.esc_md(found.kind.name or RULE)}, since {clock.stamp(found.began, seconds=True)}",
            width="content",
        )
        if found.phase is Phase.ON:
            st.button("End it now", key="at_drill_end", on_click=_end, **identity.gate(Action.DRILL))
    if found.problem:
        st.warning(text.esc_md(found.problem), icon=":material/warning:")
    try:
        _alerts(asked.shared("drill_seen", lambda kept: seen(kept, found), repr(found), soon=True), found)
        _line(found)
    except SourceError as error:
        source_down(error.source, reason=str(error))
    if found.phase is Phase.OVER and st.session_state.get("_drill_on"):
        st.rerun()  # the form comes back


def _alerts(found: list[Seen], of: Drill) -> None:
    """A line per alert, with the seconds from the beginning of the drill to each of its steps."""
    if not found:
        st.caption("No alert yet. Its rule is evaluated every 15 s, and the figure is read as often.")
        return
    for one in found:
        with st.container(border=True):
            st.markdown(f":{look(one.severity).badge}-badge[{look(one.severity).label}] **{text.esc_md(one.name)}**")
            if one.scope:
                st.text(text.visible(one.scope))
            steps = [
                ("Pending", one.pending), ("Firing", one.firing),
                *((f"{desk.TITLES.get(name, name)} accepted", at) for name, at in one.delivered),
                ("Ended", one.resolved), *((f"{desk.TITLES.get(name, name)} told of the end", at) for name, at in one.told_end),
            ]  # fmt: skip
            for column, (name, at) in zip(st.columns(max(4, len(steps))), steps, strict=False):
                column.metric(name, _after(at, of) if at else text.NONE)


def _after(at: datetime, of: Drill) -> str:
    seconds = max(0, round((at - of.began).total_seconds()))
    return f"+{seconds // 60}:{seconds % 60:02}"


def _line(of: Drill) -> None:
    lines = asked.shared("drill_line", lambda kept: line_of(kept, of), repr(of), soon=True)
    frame = pd.DataFrame(
        {
            "at": [f"{clock.local(one.at):%H:%M:%S}" for one in lines],
            "after": [_after(one.at, of) for one in lines],
            "channel": [one.channel for one in lines],
            "what": [text.visible(one.what) for one in lines],
        }
    )
    cards.table(frame, key="drill_line", topic="drill", columns=COLUMNS)
