"""The list of rules: how each is, what it waits for, who changed it, and which is due to be looked at again."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts import editing, rule_board
from lib.alerts.editing import Standing
from lib.alerts.rule_board import Now
from lib.alerts.rules import Rule
from lib.alerts.sentence import sentence
from lib.errors import QueryError, SourceError
from lib.signals.rule_history import rule_share
from lib.ui import cache, cards, clock, runtime, text
from lib.ui.alerts import asked
from lib.ui.rules import state
from lib.ui.rules.chart import SPREAD_DAYS, lately
from lib.ui.severity import LOOKS, Status, look
from lib.window import Window

ORDER = ("firing", "recovering", "pending", "error", "never seen", "no data", "inactive", "not evaluated", "removed")
_LOOKS = {
    "firing": Status.CRITICAL, "recovering": Status.WARNING, "pending": Status.WARNING, "error": Status.CRITICAL,
    "never seen": Status.NO_DATA, "no data": Status.NO_DATA, "inactive": Status.OK, "not evaluated": Status.NO_DATA,
    "removed": Status.NO_DATA,
}  # fmt: skip
_BUDGET_S = 1.5
COLUMNS = {
    "state": st.column_config.TextColumn("State", width=115, help="With how many alerts are open"),
    "rule": st.column_config.TextColumn("Rule", width=195),
    "severity": st.column_config.TextColumn("Severity", width=85),
    "when": st.column_config.TextColumn("When", width=270),
    "for": st.column_config.TextColumn("For", width=60),
    "over": st.column_config.NumberColumn(
        f"Held in {SPREAD_DAYS} d", format="percent", width=85,
        help=f"In how much of the last {SPREAD_DAYS} days its condition held, before “for” is counted. Filled in bit by bit",
    ),
    "review": st.column_config.TextColumn("Look again by", width=110),
    "reason": st.column_config.TextColumn("Reason", width=240, help="Why it has no data or cannot be evaluated"),
    "edited": st.column_config.TextColumn("Edited", width=125, help="Who changed it last, and which version that is"),
    "evaluated": st.column_config.DatetimeColumn("Evaluated", format="HH:mm:ss", width=85),
    "took": st.column_config.NumberColumn("Took (ms)", format="%.1f", width=85),
}  # fmt: skip
"""What one looks for first, in a width that a screen of 1440 pixels shows beside the menu; the rest by scrolling."""


def listing() -> None:
    """Every rule, the worst first; a click opens one. Raises SourceError."""
    kept = runtime.current().state is not None
    standings = asked.shared("standings", lambda _: state.standings()) if kept else state.standings()
    try:
        now = asked.shared("rule_board", rule_board.board) if kept else {}
    except SourceError as error:
        now = {}
        st.caption(f":orange[◆] How they are is not known: {text.esc_md(error)}")
    _bar(standings)
    if not standings:
        st.caption("There is no rule yet.")
        return
    found = rows(standings, now)
    if runtime.current().settings.rules_from == "prometheus":
        st.caption(
            ":orange-badge[◆ Note] Prometheus evaluates the rules about the service: a change made here counts there only "
            "once it loads the rule file that you download."
        )
    _overdue(found)
    st.caption("Click a row to open the rule.")
    key = f"rules_{hash(tuple(found['rule']))}"
    st.dataframe(
        found, key=key, hide_index=True, column_config=COLUMNS, on_select=lambda: _open(key, list(found["rule"])),
        selection_mode="single-row", height="content" if len(found) <= cards.FEW_ROWS else 700, placeholder=text.NONE,
        alt="Alert rules, the worst first",
    )  # fmt: skip
    if st.session_state.get(state.RULE):
        st.rerun(scope="app")


def _open(key: str, names: list[str]) -> None:
    chosen = st.session_state[key]["selection"]["rows"]
    if chosen and chosen[0] < len(names):
        state.open_rule(names[chosen[0]])


def rows(standings: dict[str, Standing], now: dict[str, Now]) -> pd.DataFrame:
    """One line per rule in the columns of the list."""
    today = clock.local(clock.now()).date()
    read = {name: editing.read(one.text, one)[0] for name, one in standings.items()}
    seen = {name for name in read if now.get(name, Now()).ever_seen and not standings[name].removed}
    over = _shares({name: rule for name, rule in read.items() if rule is not None and name in seen})
    lines = [_line(one, read[name], now.get(name, Now()), over.get(name), today) for name, one in standings.items()]
    lines.sort(key=lambda line: (ORDER.index(line["_word"]), line["rule"]))
    frame = pd.DataFrame(lines, columns=[*COLUMNS, "_word"]).drop(columns="_word")
    frame["evaluated"] = pd.to_datetime(frame["evaluated"], utc=True).dt.tz_convert(clock.display_zone())
    frame["took"], frame["over"] = frame["took"].astype("float64"), frame["over"].astype("float64")
    shown = frame if frame["reason"].str.len().any() else frame.drop(columns="reason")
    return shown.drop(columns="review") if not frame["review"].str.len().any() else shown


def _line(one: Standing, rule: Rule | None, now: Now, over: float | None, today: date) -> dict[str, Any]:
    word = "removed" if one.removed else "error" if rule is None else now.word
    told = sentence(rule) if rule else None
    return {
        "_word": word,
        "state": f"{LOOKS[_LOOKS[word]].glyph} {word}{_how_many(word, now)}",
        "rule": text.visible(one.name),
        "severity": text.visible(_severity(told.severity if told else "")),
        "when": text.visible(told.condition if told else "the entry cannot be read"),
        "for": told.for_ if told else "",
        "over": over,
        "evaluated": now.last_eval,
        "took": now.took_ms,
        "edited": _edited(one),
        "review": _review(one.review_by, today),
        "reason": text.visible(now.reason),
    }


def _severity(name: str) -> str:
    return f"{look(name).glyph} {name}" if name else text.NONE


def _how_many(word: str, now: Now) -> str:
    count = {"firing": now.firing, "recovering": now.firing, "pending": now.pending}.get(word, 0)
    return f" ({count})" if count > 1 else ""


def _edited(one: Standing) -> str:
    if one.newest is None:
        return "as shipped"
    what = "removed" if one.removed else "as shipped" if not one.edited else f"v{one.number}"
    return text.visible(f"{what}, {one.newest.who}")


def _review(due: date | None, today: date) -> str:
    if due is None:
        return ""
    return f"◆ overdue {due:%d %b}" if due < today else f"{due:%d %b %Y}"


def _overdue(found: pd.DataFrame) -> None:
    late = found.loc[found["review"].str.startswith("◆"), "rule"].tolist() if "review" in found else []
    if late:
        names = ", ".join(text.esc_md(name) for name in late[:5]) + (" …" if len(late) > 5 else "")
        st.markdown(f":orange-badge[◆ Look at again] {names}")


def _shares(rules: dict[str, Rule]) -> dict[str, float]:
    """How often each condition held; within a bounded time, so that the list comes at once and the rest with a refresh."""
    began, window, found = time.monotonic(), lately(), dict[str, float]()
    for name, rule in rules.items():
        question = (window.start, window.end, rule.expression)
        if time.monotonic() - began > _BUDGET_S and question not in _KNOWN:
            continue
        share = _share(*question)
        if share is not None:
            found[name] = share
        _KNOWN[question] = None
    while len(_KNOWN) > 5000:
        del _KNOWN[next(iter(_KNOWN))]
    return found


_KNOWN: dict[tuple[Any, ...], None] = {}
"""What was asked before and is therefore quick."""


@st.cache_data(ttl=900, max_entries=2000, show_spinner=False)
def _share(start: Any, end: Any, expression: str) -> float | None:
    """Shared for a quarter of an hour: a week is too much to be asked at every refresh."""
    try:
        return rule_share(runtime.current().stores, Window(start, end), expression=expression)["share"]
    except (SourceError, QueryError):
        return None


def _forget() -> None:
    _share.clear()
    _KNOWN.clear()


cache.others.append(_forget)


def _bar(standings: dict[str, Standing]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        edited = sum(one.edited for one in standings.values())
        words = f"{len(standings)} rules" + (f", {edited} changed in the app" if edited else ", all as shipped")
        st.caption(words, width="stretch")
        if state.may_edit():
            st.button("New rule", icon=":material/add:", on_click=state.open_rule, args=(state.NEW,), key="rule_new")
        st.download_button(
            "Rule file", lambda: exported(standings), "halo-ops-rules.yml", "application/yaml", key="rules_export",
            icon=":material/download:", type="tertiary", on_click="ignore",
            help="The rules in force as a standard Prometheus rule file",
        )  # fmt: skip


def exported(standings: dict[str, Standing]) -> bytes:
    """The rules in force as a rule file."""
    return editing.export(standings, state.rulebook().files).encode()
