"""The button that sends, and what each channel answered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lib.alerts.console import desk, hints, pace
from lib.alerts.console.desk import Trial
from lib.alerts.delivery.picture import SENT
from lib.alerts.model import Channel, Notice
from lib.errors import SourceError
from lib.identity.roles import Action
from lib.ui import clock, identity, text
from lib.ui.panel import source_down
from lib.ui.runtime import current
from lib.ui.severity import LOOKS, Status

LOOK_S, COUNT_S = 0.5, 1.0


def sending(title: str, notices: Sequence[Notice], channels: tuple[str, ...], key: str) -> None:
    """The button with what is left of the limit, and the receipts of what it sent last."""
    wait = st.fragment(_button, run_every=COUNT_S if _waiting(len(notices)) else None)
    wait(title, notices, channels, key)
    trial: Trial | None = st.session_state.get(f"_trial_{key}")
    if trial is not None and trial.queued:
        over = all(one.outcome is None or one.outcome.over for one in _receipts(trial))
        st.fragment(_shown, run_every=None if over else LOOK_S)(trial)


def _button(title: str, notices: Sequence[Notice], channels: tuple[str, ...], key: str) -> None:
    trial: Trial | None = st.session_state.get(f"_trial_{key}")
    if trial is not None and trial.queued and st.session_state.pop(f"_new_{key}", False):
        st.rerun()  # the receipts stand outside of this fragment
    wait, lacks = _waiting(len(notices)), identity.lacking(Action.TEST_ALERT)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Send {'[TEST]' if len(notices) == 1 else f'{len(notices)} [TEST] messages'}", type="primary",
            icon=":material/send:", key=f"send_{key}", disabled=bool(wait) or not channels or bool(lacks) or not notices,
            on_click=_send, args=(title, notices, channels, key),
        )  # fmt: skip
        if lacks:
            st.caption(lacks)
        elif wait:
            st.caption(f"{pace.PER_MINUTE} tests a minute are the limit: next test in {wait} s.")
        elif not channels:
            st.caption("Choose a channel that is set up.")
        else:
            names = " and ".join(desk.TITLES[name] for name in channels)
            counted = min(len(notices), pace.PER_MINUTE)
            these = f", and these count as {counted}" if counted > 1 else ""
            st.caption(
                f"Goes to {names}, marked [TEST]. At most {pace.PER_MINUTE} tests a minute{these}; kept in the audit."
            )


def _send(title: str, notices: Sequence[Notice], channels: tuple[str, ...], key: str) -> None:
    trial = Trial(clock.now(), title, channels)
    st.session_state[f"_trial_{key}"], st.session_state[f"_new_{key}"] = trial, True
    identity.act(desk.deed(trial, notices, clock.now))


def _waiting(count: int) -> int:
    state = current().state
    if state is None:
        return 0
    try:
        return int(-(-desk.wait_s(state, identity.actor(), clock.now(), count) // 1))
    except SourceError:
        return 0  # sending itself says what is wrong


def _receipts(trial: Trial) -> list[desk.Receipt]:
    state = current().state
    return desk.receipts(state, trial) if state is not None else []


def _shown(trial: Trial) -> None:
    try:
        found = _receipts(trial)
    except SourceError as error:
        source_down(error.source, reason=str(error))
        return
    channels = desk.configured(current().settings)
    st.markdown(f"**What came back** · sent {clock.stamp(trial.at, seconds=True)}")
    for one in found:
        _receipt(one, channels.get(one.channel), several=len(trial.ids[one.channel]) > 1)
    if all(one.outcome is None or one.outcome.over for one in found) and not st.session_state.get(f"_over_{id(trial)}"):
        st.session_state[f"_over_{id(trial)}"] = True
        st.rerun()


def _receipt(one: desk.Receipt, channel: Channel | None, *, several: bool) -> None:
    outcome, name = one.outcome, desk.TITLES[one.channel] + (f" {one.number}" if several else "")
    with st.container(border=True, gap="xsmall", key=f"receipt_{one.channel}_{one.number}"):
        if outcome is None or not outcome.over:
            st.markdown(
                f"**{name}** :blue-badge[● {'Being sent' if outcome and outcome.state == 'sending' else 'Waits for the sender'}]"
            )
            return
        look, word = (
            (LOOKS[Status.OK], "Accepted") if outcome.state == SENT else (LOOKS[Status.CRITICAL], "Not delivered")
        )
        code = f"code {outcome.code}" if outcome.code else "no answer"
        took = f" in {text.duration_ms(outcome.took_ms)}" if outcome.took_ms else ""
        st.markdown(f"**{name}** :{look.badge}-badge[{look.glyph} {word}] {code}{took}")
        st.code(text.visible(outcome.reply or "(an empty answer)"), language=None, wrap_lines=True)
        hint = hints.hint(channel, outcome.code, outcome.reply) if channel is not None else ""
        if hint:
            st.markdown(f":{look.badge}-badge[→ What to do] {text.esc_md(hint)}")
