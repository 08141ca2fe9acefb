"""What the hand-over page asks: its range, the story of it, and what a person does there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import SourceError
from lib.handover import notes
from lib.handover.markdown import markdown
from lib.handover.story import KINDS, Story, story
from lib.state.audit import Deed
from lib.ui import address, cache, clock, runtime, time_range
from lib.ui.identity import actor
from lib.window import LONGEST, Window

LAST, RANGE = "I last took over", "the page's range"
CHOICES = (LAST, "8 h", "12 h", "24 h", RANGE)
KEY = "since"
USUAL = timedelta(hours=12)
SECOND = timedelta(seconds=1)
_READ = "_handover_read"
LONGEST_NOTE = notes.LONGEST
_NOTES = "_notes_written"
TITLES = KINDS


def window() -> tuple[Window, str]:
    """The range of the hand-over, and a word about it where it is not what was chosen. It ends with this second, so that
    what one just wrote is in it."""
    moment, choice = clock.now().replace(microsecond=0) + SECOND, address.value(KEY)
    if choice == RANGE:
        return time_range.time_window(), ""
    if choice != LAST and choice in CHOICES:
        return Window.last(choice.replace(" ", ""), moment, clock.display_zone()), ""
    since, words = _last_read()
    since = moment - USUAL if since is None else min(max(since, moment - LONGEST), moment - SECOND)
    return Window(since, moment, clock.display_zone()), words


def _last_read() -> tuple[datetime | None, str]:
    state, who = runtime.current().state, actor().name
    usual = "Shown: the last 12 hours."
    if state is None:
        return None, f"Nobody's reading is remembered here. {usual}"
    if not who:
        return None, f"You did not say who you are, so it is not known what you have read. {usual}"
    try:
        found = notes.read_until(state, who)
    except SourceError:
        return None, f"The state database does not answer. {usual}"
    return found, "" if found is not None else f"You have not taken over before. {usual}"


def told(chosen: Window) -> Story:
    """What happened, asked once for all who look at the same range."""
    (events, silent, unknown), _ = _told(chosen.start, chosen.end, chosen.zone)
    return Story(chosen, events, silent, unknown)


def tell(chosen: Window) -> None:
    """Tells the panel that is being drawn how `told` was asked."""
    cache.tell("hand-over", _told(chosen.start, chosen.end, chosen.zone)[1])


@st.cache_data(ttl=30, max_entries=50, show_spinner=False)
def _told(
    start: datetime, end: datetime, zone: str
) -> tuple[tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]], cache.Told]:
    here = runtime.current()
    found, told = cache.asking(lambda: story(here.stores, here.state, Window(start, end, zone)))
    return (found.events, found.silent, found.unknown), told


cache.others.append(_told.clear)


def report(found: Story, zone: str) -> bytes:
    """The hand-over as a Markdown file, on the clock of the zone."""
    return markdown(found, zone).encode()


def report_name(found: Story) -> str:
    """A file name that says which range."""
    start, end = (clock.local(moment) for moment in (found.window.start, found.window.end))
    return f"hand-over_{start:%Y%m%d-%H%M}_{end:%Y%m%d-%H%M}.md"


def part(found: Story, kind: str) -> pd.DataFrame:
    """The events of one kind, newest first."""
    events: Any = found.events[found.events["kind"] == kind]
    return pd.DataFrame(events.iloc[::-1].reset_index(drop=True))


def mark_read(until: datetime) -> None:
    """For the button's callback, which is given the end of what the person saw, not of what came since."""
    st.session_state[_READ] = until


def taking_over() -> Deed | None:
    """What the person asked for by the button, once."""
    until = st.session_state.pop(_READ, None)
    return None if until is None else notes.taken_over(min(until, clock.now()))


def note_key() -> str:
    """The box of the next note: it is emptied only once the note in it is kept."""
    return f"note_words_{st.session_state.get(_NOTES, 0)}"


def note(words: str) -> Deed:
    """Adds a note. Raises Refused without words."""
    return replace(notes.written(words), then=_noted)


def _noted() -> None:
    st.session_state[_NOTES] = st.session_state.get(_NOTES, 0) + 1
    _told.clear()
