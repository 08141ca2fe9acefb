"""A sender in a process of its own, to be killed: python -m tests.alerts.delivery.counting STATE URL."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

from lib.alerts.channels.outbound import Allowed, Outbound
from lib.alerts.channels.webhook import WebhookChannel
from lib.alerts.delivery import sender as sending
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.state.migrate import open_state


def main(url: str, hook: str) -> None:
    """Sends until it is killed, with a claim short enough for a test."""
    sending.CLAIM = timedelta(seconds=0.3)
    state = open_state(url)
    outbound = Outbound(Allowed(frozenset(), frozenset({urlsplit(hook).netloc})))
    dispatcher = Dispatcher(Plan(("webhook",)))
    sender = sending.Sender(state, {"webhook": WebhookChannel(hook, "s" * 24, outbound)}, dispatcher)
    print("ready", flush=True)
    while True:
        sender.turn()
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
