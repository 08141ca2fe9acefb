"""How the rules themselves are: which cannot be judged and why, and why one never told anybody."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lib.alerts.rules import Rule
from lib.ui import address, cache, cards, clock, runtime, text
from lib.ui.alerts import asked, chart, state, why, words
from lib.ui.pages import entry
from lib.ui.panel import panel
from lib.ui.severity import LOOKS, Status
from lib.ui.time_range import time_window

HEALTH = {
    "ok": (Status.OK, "OK"), "error": (Status.CRITICAL, "Error"), "no-data": (Status.NO_DATA, "No data"),
    "unknown": (Status.NO_DATA, "Unknown"),
}  # fmt: skip


def rules() -> None:
    """The table of rules, and one of them opened."""
    found = asked.rules()
    names = list(dict.fromkeys([*(rule.name for rule in _known()), *found["name"]]))
    opened = address.value(state.RULE)
    if opened:
        _one(opened, found)
    with panel("Rules", help="Click one to see why it did or did not tell."):
        if not names:
            st.markdown("○ There is no rule.")
            return
        _table(found, names)


def _known() -> tuple[Rule, ...]:
    """The rules in force, those of the product about itself last."""
    stores = runtime.current().stores
    return (*stores.rules, *stores.own_rules)


def _table(found: pd.DataFrame, names: list[str]) -> None:
    moment = clock.now()
    opened = asked.opened()["name"].value_counts()
    seen = set(found["name"])
    rows = [
        {
            "health": _health(row.health, ever_seen=row.ever_seen), "name": row.name,
            "open": int(opened.get(row.name, 0)), "since": row.health_since,
            "reason": _reason(row.reason, row.health, ever_seen=row.ever_seen),
            "evaluated": text.age(row.last_eval, moment), "took_ms": row.took_ms, "skipped": row.skipped,
        }
        for row in words.each(found)
    ]  # fmt: skip
    rows += [
        {"health": "○ Never evaluated", "name": name, "open": 0, "since": pd.NaT, "reason": "No evaluation of it is known.",
         "evaluated": "never", "took_ms": None, "skipped": None}
        for name in names if name not in seen
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame["since"] = pd.to_datetime(frame["since"], utc=True)
    columns = {
        "health": st.column_config.TextColumn("Health", width=130), "name": st.column_config.TextColumn("Rule", width=210),
        "open": st.column_config.NumberColumn("Open alerts", width=80),
        "reason": st.column_config.TextColumn("Why", width=300),
        "since": st.column_config.DatetimeColumn("So since", format="D MMM HH:mm", width=110),
        "evaluated": st.column_config.TextColumn("Evaluated", width=100),
        "took_ms": st.column_config.NumberColumn("Took (ms)", format="%.1f", width=80),
        "skipped": st.column_config.NumberColumn("Skipped", help="Evaluations left out because one before took too long", width=80),
    }  # fmt: skip
    chosen = cards.table(frame, key="rules", topic="alert rules", columns=columns, select=True)
    if chosen is not None and chosen["name"] != address.value(state.RULE):
        st.button("Look at this rule", key="open_rule", icon=":material/chevron_right:", on_click=state.open_rule,
                  args=(str(chosen["name"]),))  # fmt: skip


def _health(health: str, *, ever_seen: bool) -> str:
    status, word = HEALTH.get(health, (Status.NO_DATA, health))
    if health != "error" and not ever_seen:
        return "○ Never seen"
    return f"{LOOKS[status].glyph} {word}"


def _reason(reason: str, health: str, *, ever_seen: bool) -> str:
    if reason:
        return text.visible(reason)
    if not ever_seen:
        return "Its metric was never seen: the integration does not send it, or collection is not set up for it."
    return "" if health == "ok" else "It gives no reason."


def _one(name: str, found: pd.DataFrame) -> None:
    window = time_window()
    limit = cache.frame("rule_limit", window, rule=name)
    own = found[found["name"] == name]
    rule = next((rule for rule in _known() if rule.name == name), None)
    with panel(f"Why did {text.esc_md(name)} (not) tell?"):
        why.of_rule(name)
        for row in words.each(own):
            said = _reason(row.reason, row.health, ever_seen=row.ever_seen)
            st.text(
                f"{_health(row.health, ever_seen=row.ever_seen)}. {said} Evaluated {text.age(row.last_eval, clock.now())}."
            )
        if rule is not None:
            st.code(text.visible(rule.expression), language="promql", wrap_lines=True)
        if limit:
            chart.of_rule(name, limit, key="rule_chart")
        st.page_link(str(entry("rules").path), label="Its text, history and replay", icon=":material/rule:", width="content",
                     query_params={"rule": name})  # fmt: skip
        st.button("Close", key="close_rule", icon=":material/close:", type="tertiary", on_click=state.open_rule)
