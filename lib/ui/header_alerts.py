"""What the top of every page, the menu and the browser's tab say of alerts: what fires, who looks, who can be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from lib.alerts.delivery.condition import ChannelStatus
from lib.errors import SourceError
from lib.ui import clock, runtime, text
from lib.ui.alerts import asked, verdict
from lib.ui.alerts.verdict import Verdict
from lib.ui.links import link
from lib.ui.severity import LOOKS, Status, look

TITLE, ICON = "Halo Ops", "🩺"
_MOST_SHOWN = 99
_TROUBLE = {Status.CRITICAL: "broken", Status.WARNING: "fails"}
_QUIET = {
    Status.NO_DATA: "Alerts unknown", Status.WARNING: "No alert, as far as judged", Status.OK: "No alert",
}  # fmt: skip


def alerts() -> None:
    """Firing alerts, the evaluator's heartbeat and the channels, in the header; sets title and icon of the tab."""
    if runtime.current().state is None:
        return
    try:
        found = verdict.verdict()
    except SourceError as error:
        _mark(Status.CRITICAL, f"Alerts unknown: {error}")
        return
    _tab(found)
    _firing(found)
    _heart(found, clock.now())
    _channels()


def firing_words(title: str) -> str:
    """The title, with the number of alerts that fire where there are any."""
    plain = text.esc_md(title)
    if runtime.current().state is None:
        return plain
    try:
        found = verdict.verdict()
    except SourceError:
        return plain
    if not found.total:
        return plain
    worst = LOOKS[next(iter(found.firing))]
    return f"{plain} :{worst.badge}-badge[{worst.glyph} {text.number(found.total)}]"


def _tab(found: Verdict) -> None:
    """The tab's title and icon: seen while another tab is in front."""
    if not found.total:
        st.set_page_config(TITLE, ICON)
        return
    shown = str(found.total) if found.total <= _MOST_SHOWN else f"{_MOST_SHOWN}+"
    st.set_page_config(f"({shown}) {TITLE}", icon(shown, next(iter(found.firing))))


def icon(shown: str, status: Status) -> str:
    """A small picture: the number on the colour of the worst that fires."""
    size = {1: 44, 2: 38}.get(len(shown), 28)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" rx="14" fill="{LOOKS[status].light}"/>'
        f'<text x="32" y="34" fill="#fff" font-family="sans-serif" font-weight="bold" font-size="{size}" '
        f'text-anchor="middle" dominant-baseline="central">{shown}</text></svg>'
    )


def _firing(found: Verdict) -> None:
    if found.total:
        words = " ".join(
            f":{LOOKS[one].badge}[{LOOKS[one].glyph} {text.number(count)}]" for one, count in found.firing.items()
        )
        said = ", ".join(f"{text.number(count)} {LOOKS[one].word.lower()}" for one, count in found.firing.items())
        words, said = f"{words} firing", f"Alerts that fire: {said}"
    else:
        shape = LOOKS[found.quiet]
        words = f":{shape.badge}[{shape.glyph} {_QUIET[found.quiet]}]"
        said = "What fires, and what to do about it"
    link("alerts", words, help=said)


def _heart(found: Verdict, moment: datetime) -> None:
    status = runtime.current().status()
    if status is not None and status.alerting.not_kept_why:
        _mark(Status.CRITICAL, f"Alerts not persisted: {status.alerting.not_kept_why}")
    if status is not None and status.alerting.rule_problem:
        shape = look(Status.WARNING)
        link(
            "rules", f":{shape.badge}[{shape.glyph} The newest rules are not used]", help="Which file and line, and why"
        )
    if found.starting:
        _mark(Status.NO_DATA, "Rules: first evaluation")
    elif found.checked is None:
        _mark(Status.CRITICAL, "Rules never evaluated")
    else:
        shown = Status.CRITICAL if found.stalled else Status.WARNING if found.unwell else Status.OK
        unwell = f", {found.unwell} not judged" if found.unwell else ""
        words = "Rules not evaluated since" if found.stalled else "Rules"
        _mark(shown, f"{words} {text.age(found.checked, moment)}{unwell}")


def _mark(status: Status, words: str) -> None:
    shape = look(status)
    st.markdown(f":{shape.badge}[{shape.glyph} {text.esc_md(words)}]", width="content")


def _channels() -> None:
    """When a notice was accepted last, and the channels that are broken or fail."""
    try:
        found = asked.channels()
    except SourceError:
        return  # said already
    if not found:
        _mark(Status.NO_DATA, "No channel set up")
        return
    status, words = standing(found, clock.now())
    shape = look(status)
    with st.popover(f":{shape.badge}[{shape.glyph} {text.esc_md(words)}]", type="tertiary", key="channels"):
        for one in found:
            _channel(one)


def _channel(channel: ChannelStatus) -> None:
    """When somebody was told there, and while it fails: how many notices wait, until when, and why; never cut off."""
    status = condition(channel)
    said = [f"told {clock.stamp(channel.last_success)}" if channel.last_success else "nobody told yet"]
    if status in _TROUBLE:
        said.append(_TROUBLE[status])
        said += [f"{text.number(channel.waiting)} waiting"] if channel.waiting else []
        said += [f"next try {clock.local(channel.next_try):%H:%M:%S}"] if channel.next_try else []
    shape = look(status)
    name = f":{shape.badge}[{shape.glyph}] **{text.esc_md(channel.name)}**"
    st.markdown(" · ".join([name, *map(text.esc_md, said)]))
    if why := channel.broken_why or channel.failing_why:
        st.text(text.visible(why))


def condition(channel: ChannelStatus) -> Status:
    """Critical while nothing is sent there, warning while tries fail, no data before the first notice."""
    if channel.broken:
        return Status.CRITICAL
    if channel.failing_since is not None:
        return Status.WARNING
    return Status.OK if channel.last_success is not None else Status.NO_DATA


def standing(found: Sequence[ChannelStatus], moment: datetime) -> tuple[Status, str]:
    """All channels in a word: "slack broken", "email fails", "Told 12 min ago"."""
    for status, word in _TROUBLE.items():
        if names := [one.name for one in found if condition(one) is status]:
            return status, f"{', '.join(names)} {'fail' if word == 'fails' and len(names) > 1 else word}"
    newest = max((one.last_success for one in found if one.last_success), default=None)
    return (Status.NO_DATA, "Nobody told yet") if newest is None else (Status.OK, f"Told {text.age(newest, moment)}")
