"""Whose clock the pages show: the viewer's, UTC or the team's; the only place that knows local time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from lib.ui import runtime

ZONES = ("local", "UTC", "team")
ZONE_KEY = "zone"


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def display_zone() -> str:
    """The IANA name of the zone that this viewer reads times in."""
    return {"UTC": "UTC", "team": runtime.current().settings.zone}.get(chosen_zone()) or browser_zone()


def chosen_zone() -> str:
    """One of ZONES; before the control is drawn for the first time, the one in the address."""
    choice = st.session_state.get(ZONE_KEY) or st.query_params.get(ZONE_KEY)
    return choice if choice in ZONES else ZONES[0]


def browser_zone() -> str:
    """The browser's own zone; the team's where the browser does not say or says one that is not known here."""
    zone = st.context.timezone
    return zone if zone in _known_zones() else runtime.current().settings.zone


@cache
def _known_zones() -> frozenset[str]:
    """Read once: the library walks the whole folder of zones each time it is asked."""
    return frozenset(available_timezones())


def local(moment: datetime) -> datetime:
    """A moment on this viewer's clock."""
    return moment.astimezone(ZoneInfo(display_zone()))


def stamp(moment: datetime, *, seconds: bool = False) -> str:
    """Day and time on this viewer's clock, without the zone: "29 Mar 09:14"."""
    return f"{local(moment):%d %b %H:%M:%S}" if seconds else f"{local(moment):%d %b %H:%M}"
