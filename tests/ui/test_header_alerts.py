"""The header's words about alerts: the channels in a word, and the small picture of the browser's tab."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lib.alerts.delivery.condition import ChannelStatus
from lib.ui import header_alerts
from lib.ui.severity import LOOKS, Status

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
AGO = NOW - timedelta(minutes=12)
WELL = ChannelStatus("slack", last_success=AGO)
BROKEN = ChannelStatus("email", last_success=NOW, broken_since=AGO, broken_why="no such user")
FAILING = ChannelStatus("webhook", failing_since=AGO, failing_why="timed out")
NEW = ChannelStatus("fresh")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ((WELL, NEW), (Status.OK, "Told 12 min ago")),
        ((WELL, FAILING), (Status.WARNING, "webhook fails")),
        ((FAILING, replace(FAILING, name="slack")), (Status.WARNING, "webhook, slack fail")),
        ((WELL, FAILING, BROKEN), (Status.CRITICAL, "email broken")),
        ((NEW,), (Status.NO_DATA, "Nobody told yet")),
    ],
)
def test_the_worst_channel_is_named_else_when_somebody_was_told(
    channels: tuple[ChannelStatus, ...], said: tuple[Status, str]
) -> None:
    assert header_alerts.standing(channels, NOW) == said


@pytest.mark.parametrize("shown", ["1", "12", "99+"])
def test_the_tabs_picture_is_well_formed_and_holds_the_number(shown: str) -> None:
    picture = ET.fromstring(header_alerts.icon(shown, Status.CRITICAL))

    assert [part.text for part in picture if part.text] == [shown]
    assert picture[0].attrib["fill"] == LOOKS[Status.CRITICAL].light
