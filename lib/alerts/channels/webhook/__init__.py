"""A signed JSON webhook for programs: HMAC-SHA256 over "<timestamp>.<body>", as docs/channels.md tells."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from lib.alerts import words
from lib.alerts.channels.outbound import Outbound
from lib.alerts.model import Alert, Notice, Receipt, Rendered
from lib.collect.cadence import Clock, utc_now

VERSION = 1
_HINTS = {
    0: "The receiver was not reached: check HALO_OPS_WEBHOOK_URL, HALO_OPS_ALERT_HOSTS and the network.",
    401: "The receiver does not accept the signature: check HALO_OPS_WEBHOOK_SECRET on both sides.",
    403: "The receiver does not accept the signature: check HALO_OPS_WEBHOOK_SECRET on both sides.",
    404: "There is nothing at this address: check the path in HALO_OPS_WEBHOOK_URL.",
    429: "The receiver asks for fewer messages; it is tried again when it said so.",
}


class WebhookChannel:
    """Posts to one address. `secret` signs; the receiver checks the signature and that the timestamp is not old."""

    name = "webhook"

    def __init__(self, url: str, secret: str, outbound: Outbound, clock: Clock = utc_now) -> None:
        self._url = url
        self._secret = secret.encode()
        self._outbound = outbound
        self._clock: Callable[[], datetime] = clock

    def render(self, notice: Notice) -> Rendered:
        """See Channel."""
        payload = _payload(notice)
        pretty = orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
        return Rendered(orjson.dumps(payload), "application/json", pretty, words.headline(notice), notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        """See Channel. The signature is made anew for each try."""
        timestamp = str(int(self._clock().timestamp()))
        headers = {
            "content-type": rendered.content_type,
            "x-halo-ops-key": words.digest(rendered.key),
            "x-halo-ops-timestamp": timestamp,
            "x-halo-ops-signature": f"v1={signature(self._secret, timestamp, rendered.body)}",
        }
        return self._outbound.post(self._url, rendered.body, headers)

    def hint(self, code: int, reply: str) -> str:
        """See Channel."""
        return _HINTS.get(code, "The receiver has trouble of its own; it is tried again." if code >= 500 else "")


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Hexadecimal HMAC-SHA256 of `<timestamp>.<body>`."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _payload(notice: Notice) -> dict[str, Any]:
    links = notice.links
    return {
        "version": VERSION,
        "key": words.digest(notice.key),
        "test": notice.test,
        "kind": notice.kind.value,
        "status": "firing" if notice.firing else "resolved" if notice.resolved else "test",
        "headline": words.headline(notice),
        "severity": words.severity(notice),
        "at": notice.at.isoformat(),
        "group": {words.line(name): words.clean(value) for name, value in notice.group.items()},
        "groups": notice.groups,
        "firing_total": notice.firing_total,
        "resolved_total": notice.resolved_total,
        "suppressed": notice.suppressed,
        "links": {"view": links.view, "silence": links.silence, "runbook": links.runbook},
        "alerts": [
            *(_alert(notice, alert, "firing") for alert in notice.firing),
            *(_alert(notice, alert, "resolved") for alert in notice.resolved),
        ],
    }


def _alert(notice: Notice, alert: Alert, status: str) -> dict[str, Any]:
    measure = notice.measures.get(alert.name)
    value = alert.value if alert.value is not None and math.isfinite(alert.value) else None
    return {
        "status": status,
        "fingerprint": alert.fingerprint,
        "labels": {words.line(name): words.clean(told) for name, told in sorted(alert.labels.items())},
        "annotations": {words.line(name): words.clean(told, 2000) for name, told in sorted(alert.annotations.items())},
        "value": value,
        "measured": words.measured(alert, measure),
        "limit": measure.limit if measure else None,
        "starts_at": words.started(alert).isoformat(),
        "ends_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
    }
