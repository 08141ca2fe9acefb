"""What a rule measures: its expression over the page's range with the limit in it, and how its values were spread."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import streamlit as st

from lib.alerts.engine.asking import plan
from lib.alerts.engine.schedule import INTERVAL_S
from lib.alerts.rules import Rule
from lib.alerts.sentence import ANY, OPERATORS, Sentence, is_number
from lib.ui import cache, cards, clock, text
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.ui.panel import never_seen, nothing_in_range
from lib.ui.time_range import time_window
from lib.window import DAY, Window

MOST_LINES = 20
SPREAD_DAYS = 7
_SHARED = timedelta(minutes=15)


def measured(blanks: Sentence, severity: str, name: str) -> None:
    """The expression over time with the limit as a line, shaded while the rule of this name fired.

    Raises QueryError, SourceError for its panel.
    """
    expression = blanks.expression.strip()
    if not expression:
        st.caption("What is measured is empty: the chart shows it as soon as it is written.")
        return
    window, limit = time_window(), limit_of(blanks)
    operator = ANY if limit is None else blanks.operator
    against = {} if limit is None else {"operator": operator, "limit": limit}
    found = cache.frame("rule_measured", window, expression=expression, most=MOST_LINES, **against)
    if found["frame"].empty or not found["frame"].shape[1]:
        _nothing(expression, blanks, window)
        return
    figure = charts.lines(found["frame"], window)
    if limit is not None and math.isfinite(limit):
        charts.threshold(figure, limit, f"{OPERATORS[blanks.operator]} {blanks.limit}", severity)
    live_chart(figure, key="rule_chart", height=300, alt=_alt(found, blanks), rules=(name,), named=(name,))
    if (found["series"] or 0) > MOST_LINES:
        st.caption(f"{MOST_LINES} of {text.number(found['series'])} series, those that came nearest to the limit.")
    if found["step_s"] > INTERVAL_S:
        st.caption(_looked(found, operator))
    for warning in found["warnings"][:2]:
        st.caption(f":orange-badge[◆ Note] {text.esc_md(warning)}")


_WORST = {"<": "lowest", "<=": "lowest", "==": "nearest to the limit", "!=": "furthest from the limit"}


def _looked(found: dict[str, Any], operator: str) -> str:
    """How the chart came to its points, which are fewer than the rule's evaluations."""
    step, look = text.span(found["step_s"]), text.span(found["look_s"])
    said = f"Each point is the {_WORST.get(operator, 'highest')} value in {step}, looked at every {look}"
    if found["look_s"] == found["step_s"]:
        said = f"One look every {step}"
    seldom = found["look_s"] > INTERVAL_S
    return f"{said}: shorter crossings may be missing, a replay sees them." if seldom else f"{said}."


def _alt(found: dict[str, Any], blanks: Sentence) -> str:
    limit = f", with a line at {blanks.limit}" if blanks.operator != ANY else ""
    return f"What the rule measures over time, {found['frame'].shape[1]} series{limit}"


def _nothing(expression: str, blanks: Sentence, window: Window) -> None:
    unseen = [name for name in metrics_of(expression) if not cache.frame("metric_seen", window, metric=name)["seen"]]
    if unseen:
        never_seen(", ".join(unseen))
    elif blanks.operator == ANY:
        st.markdown(":green-badge[✓ Quiet] The condition gave nothing in this range.")
    else:
        nothing_in_range("No value")


def metrics_of(expression: str) -> tuple[str, ...]:
    """The names of the metrics that an expression needs, sorted; none where it cannot be read."""
    try:
        return plan(expression).metrics
    except ValueError:
        return ()


def limit_of(blanks: Sentence) -> float | None:
    """The limit as a number; None where there is none."""
    if blanks.operator == ANY or not is_number(blanks.limit):
        return None
    try:
        return float(blanks.limit)
    except ValueError:
        return None  # PromQL knows more forms, such as 0x1f


def spread(blanks: Sentence, rule: Rule | None) -> None:
    """Which values it took lately beside the limit, and how often the condition held. Raises QueryError, SourceError."""
    expression = blanks.expression.strip()
    if not expression:
        return
    window = lately()
    found = cache.frame("rule_spread", window, expression=expression)
    if not found["values"]:
        st.caption(f"No value of the last {SPREAD_DAYS} days is kept to choose a limit by.")
        return
    cards.figures(
        [
            ("Half are at most", text.number(found["p50"]), "", "The median (p50) of all series together"),
            ("95 % are at most", text.number(found["p95"]), "", "p95"),
            ("99 % are at most", text.number(found["p99"]), "", "p99"),
            ("Highest", text.number(found["max"]), "", "The largest value seen"),
        ]
    )
    st.caption(f"{_held(rule, window)} {_covered(found)}")


def _held(rule: Rule | None, window: Window) -> str:
    if rule is None:
        return ""
    found = cache.frame("rule_share", window, expression=rule.expression)
    share = found["share"]
    if share is None:
        return ""
    often = "at no look" if share == 0 else f"in {text.ratio(share)} of the time" if share < 1 else "all the time"
    return f"The condition held **{often}** (looked at every {text.span(found['look_s'])}), before “for” is counted."


def _covered(found: dict[str, Any]) -> str:
    seconds = found["covered_s"]
    whole = seconds >= SPREAD_DAYS * 0.99 * DAY.total_seconds()
    reach = f"the last {SPREAD_DAYS} days" if whole else f"{text.span(seconds)}, all that is kept of {SPREAD_DAYS} days"
    return f"The values are those of {reach}, looked at every {text.span(found['look_s'])}."


def lately() -> Window:
    """The last days, the same for all viewers for a quarter of an hour."""
    return Window.last(SPREAD_DAYS * DAY, clock.now()).floored(_SHARED)
