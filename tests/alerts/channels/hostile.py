"""Alerts whose every text is an attack, and what notices of them look like."""

from __future__ import annotations

from dataclasses import replace

from lib.alerts.model import Alert, AlertState, Kind, Links, Measure, Notice, Origin
from tests.alerts.delivery.world import alert, at

CANARY = "xoxb-123456789012-abcdefABCDEF"
EVIL = (
    "<!channel> <@U123> <http://evil.example|ok> ```break``` `x` *b* _i_ @here #general\r\nBcc: evil@example.net\n"
    "<script>alert(1)</script>\"><img src=x onerror=1> {{7*7}} {{ ''.__class__ }} {% for %} & \u202e\x00\x1b[2J\ud800 "
    f"https://evil.example token={CANARY} user:hunter2@db"
)


def hostile(state: AlertState = AlertState.FIRING, origin: Origin = Origin.API) -> Alert:
    """Every field is EVIL."""
    made = alert(EVIL, severity=EVIL, instance=EVIL, team=EVIL)
    told = dict.fromkeys(("summary", "description", "runbook_url", "unit"), EVIL)
    ended = at(720) if state is AlertState.RESOLVED else None
    return replace(
        made, annotations=told, state=state, origin=origin, resolved_at=ended, resolved_why=EVIL, value=float("nan")
    )


def notice(test: bool = False) -> Notice:
    """Firing and ended, hostile in every field, with links of ours."""
    links = Links(
        "https://ops.example/alerts?alert=1", "https://ops.example/alerts?silence=a%3D%22b%22", "https://wiki.example/r"
    )
    return Notice(
        key=f"k/{EVIL}", group={"alertname": EVIL}, kind=Kind.FIRING, at=at(720), firing=(hostile(),) * 30,
        resolved=(hostile(AlertState.RESOLVED),), firing_total=4000, resolved_total=1, suppressed=7, links=links, test=test,
        measures={EVIL: Measure(EVIL, 1.0, EVIL, float("inf"))},
    )  # fmt: skip


def plain(kind: Kind = Kind.FIRING, minutes: float = 12, test: bool = False) -> Notice:
    """A notice as it usually is."""
    told = {
        "summary": "7.3% of requests fail", "description": "7.3% of all requests were answered with a 5xx.",
        "runbook_url": "https://wiki.example/high-error-rate",
    }  # fmt: skip
    one = replace(alert("HighErrorRate", instance="app-1:3000"), annotations=told, value=0.0731)
    over = kind is Kind.RESOLVED
    if over:
        one = replace(one, state=AlertState.RESOLVED, resolved_at=at(minutes * 60))
    return Notice(
        key="HighErrorRate#1/slack/7/firing/1", group={"alertname": "HighErrorRate"}, kind=kind, at=at(minutes * 60),
        firing=() if over else (one,), resolved=(one,) if over else (), firing_total=0 if over else 1,
        resolved_total=1 if over else 0,
        links=Links("https://ops.example/alerts?alert=1", "https://ops.example/alerts?silence=x", told["runbook_url"]),
        measures={"HighErrorRate": Measure("ratio", 1.0, ">", 0.05)}, test=test,
    )  # fmt: skip
