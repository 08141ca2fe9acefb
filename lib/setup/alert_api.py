"""Checks the alert API: whether it is on, and what came in."""

from __future__ import annotations

from lib.alerts.api import PATHS, TALLY
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores


def alert_api(settings: Settings, stores: Stores) -> Check:
    """One row: off, nothing yet, or when something came last; another where Alertmanager left alerts out."""
    del stores

    def ask() -> list[Row]:
        what = " and ".join(PATHS)
        if not settings.api_token.get_secret_value():
            return [Row(what, Grade.OFF, "off", "Set HALO_OPS_API_TOKEN: openssl rand -hex 24 makes one.")]
        counts = TALLY.counts
        last = f", the last at {counts.last_at:%Y-%m-%d %H:%M:%S} UTC" if counts.last_at else ""
        said = f"on; since the start {counts.kept} deliveries kept{last}, {counts.refused} refused, {counts.failed} not kept"
        rows = [Row(what, Grade.OK, said)]
        if counts.last_refusal:
            rows.append(
                Row(
                    "last refusal",
                    Grade.WARNING,
                    counts.last_refusal,
                    "Look at the sender's own log if that was no trial.",
                )
            )
        if counts.truncated:
            hint = (
                "Raise max_alerts of the webhook in Alertmanager's configuration: what was left out is not known here."
            )
            rows.append(Row("Alertmanager", Grade.WARNING, f"left {counts.truncated} alerts out of a delivery", hint))
        return rows

    return Check("alert_api", "Alert API", "Where Alertmanager and programs push alerts to.", ask)
