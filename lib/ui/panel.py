"""A card of a page: its frame, its loading state, and the five things it says instead of a blank chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

import streamlit as st

from lib.errors import QueryError, Refused, SourceError, SourceRejected
from lib.ui import cache, clock, text, time_range
from lib.ui.links import link
from lib.ui.pages import PAGES
from lib.ui.query_error import query_error

_DRAWN = "_drawn_panels"
of_page: ContextVar[list[tuple[str, cache.Asked]] | None] = ContextVar("of_page", default=None)
"""Where the page that is being drawn collects what its cards asked: title and question."""

_title: ContextVar[str] = ContextVar("_title", default="")
"""The card that is being drawn: two cards may say the same words with the same button."""


@contextmanager
def panel(title: str, help: str | None = None, *, height: int = 0, query: str = "") -> Iterator[None]:
    """A bordered card (without a title: no border). A dead source or a question that cannot be asked costs this card, not the page.

    `height` (px) reserves the card's final size with a skeleton until it is drawn for the first time. `query` is what was typed, to
    show in it where a question that cannot be asked is wrong.
    """
    questions: list[cache.Asked] = []
    with st.container(border=bool(title), height="stretch" if title else "content"):
        if title:
            st.header(title, help=help, anchor=False)
        loading = st.empty()
        if height and _first_time(title):
            loading.skeleton(height)
        token, named = cache.asked.set(questions), _title.set(title)
        try:
            yield
        except SourceRejected as error:
            _rejected(error)
        except SourceError as error:
            source_down(error.source, cache.down_since(error.source), reason=str(error))
        except Refused as error:
            _state("⊘", text.esc_md(error).capitalize() + ".")
        except QueryError as error:
            if query:
                query_error(query, error)
            else:
                st.warning(text.esc_md(error), icon=":material/edit:")
        finally:
            cache.asked.reset(token)
            _title.reset(named)
            loading.empty()
        collect(title, questions)
        _say_stale(questions)
        _say_notes(questions)


def collect(title: str, questions: list[cache.Asked]) -> None:
    """Has the page list how a card was asked; a card of a panel does so by itself."""
    collected = of_page.get()
    if collected is not None:
        collected += [(title, question) for question in questions]


def _first_time(title: str) -> bool:
    drawn: set[str] = st.session_state.setdefault(_DRAWN, set())
    if title in drawn:
        return False
    drawn.add(title)
    return True


def _say_stale(questions: list[cache.Asked]) -> None:
    """Each source that does not answer, once, with the age of the oldest value that the card has of it."""
    oldest: dict[str, cache.Asked] = {}
    for question in questions:
        if question.stale_for is not None:
            known = oldest.setdefault(question.source, question)
            oldest[question.source] = min(known, question, key=lambda one: one.at)
    for source, question in oldest.items():
        since = cache.down_since(source)
        when = f" since {clock.local(since):%H:%M:%S}" if since else ""
        shown = f"{text.esc_md(source)} does not answer{when}: this is from {text.span(question.stale_for)} ago."
        st.caption(f":orange-badge[◆ Old values] {shown}", help=text.esc_md(question.source_error))


def _say_notes(questions: list[cache.Asked]) -> None:
    """What may be missing from the card's figures, or is estimated, in the words of the source."""
    said = dict.fromkeys(note for question in questions for note in question.notes)
    for doubtful, badge in ((True, ":orange-badge[◆ May be incomplete]"), (False, ":gray-badge[≈ Note]")):
        texts = [f"{text.esc_md(note.source)}: {text.esc_md(note.text)}" for note in said if note.doubtful is doubtful]
        if texts:
            more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
            st.caption(f"{badge} {texts[0]}{more}", help="\n\n".join(texts))


def _state(
    glyph: str, words: str, detail: str = "", action: tuple[str, Callable[[], None]] | None = None,
    page: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """One quiet block in the middle of a card: shape, sentence, and what can be done about it, here or on a page."""
    with st.container(horizontal_alignment="center", vertical_alignment="center", gap="xsmall"):
        st.markdown(f"{glyph} {words}", text_alignment="center")
        if detail:
            st.caption(detail, text_alignment="center")
        if action:
            name, callback = action
            st.button(name, on_click=callback, key=f"act_{_title.get()}_{name}_{words}", type="tertiary")
        if page and page[0] in {one.url_path for one in PAGES}:
            link(*page)


def nothing_in_range(what: str = "Nothing", own_range: str = "") -> None:
    """There was none of it in the range; offers the next wider one, unless the card has a range of its own, named in words."""
    if own_range:
        _state("○", f"{text.esc_md(what)} in {own_range}.")
        return
    wider = time_range.wider()
    action = (f"Show the last {wider}", lambda: time_range.set_range(str(wider))) if wider else None
    _state("○", f"{text.esc_md(what)} in this range.", action=action)


def not_yet(words: str) -> None:
    """Nothing is wrong or missing: it is only too early."""
    _state("○", f"{text.esc_md(words)}.")


def filtered_out(hidden: int, clear: Callable[[], None] | None = None) -> None:
    """The filter hides everything; `clear` is a callback that takes the filter away."""
    words = f"The filter hides all {text.number(hidden)} rows."
    _state("○", words, action=("Clear the filter", clear) if clear else None)


def never_seen(what: str) -> None:
    """The field or metric has never been in the data: the integration does not send it. The contract page says more."""
    _state(
        "○",
        f"**{text.esc_md(what)}** has never been seen.",
        "The integration does not send it, or collection is not set up for it.",
        page=("contract", "See the telemetry contract"),
    )


def source_down(
    source: str, since: datetime | None = None, last_good_age: timedelta | None = None, *, reason: str = ""
) -> None:
    """The source does not answer: since when (aware datetime, if known) and how old the last good value is."""
    when = f" since {clock.stamp(since)}" if since else ""
    old = f"The last good value is {text.span(last_good_age)} old. " if last_good_age is not None else ""
    _state(":red-badge[▲ Source down]", f"{text.esc_md(source)} does not answer{when}.", old + text.esc_md(reason))


def all_good(words: str) -> None:
    """Nothing is wrong, which is worth saying, with the time it was looked at: "0 errors in 24 h"."""
    checked = f"checked {clock.local(clock.now()):%H:%M}"
    _state(":green-badge[✓ OK]", f"{text.esc_md(words)}, {checked}.")


def _rejected(error: SourceError) -> None:
    detail = "Asking again will not help: look at its settings. " + text.esc_md(error)
    _state(":red-badge[▲ Refused]", f"{text.esc_md(error.source)} refused the question.", detail)
