"""A process that evaluates one rule, whose condition holds always, and sends by a channel that writes lines to a file.

`python -m tests.alerts.engine.child <state url> <folder> <name> <ttl_s>`
"""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.engine.evaluator import Evaluator
from lib.alerts.lease import Lease
from lib.alerts.model import Notice, Receipt, Rendered
from lib.alerts.rules import Rule
from lib.errors import OpsError
from lib.metrics.base import Result, epoch_ms
from lib.state.database import connect
from lib.window import Window

RULE = Rule("Always", "queue_size > 1", labels={"severity": "critical"}, annotations={"group_wait": "0s"}, group="g")


class Always:
    """A metric store in which the condition holds."""

    name = "metrics"

    def instant(self, expression: str, at: datetime) -> Result:
        return Result(np.array([epoch_ms(at)]), ({"queue_name": "a"},), np.array([[9.0]]), np.array([[True]]))

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        raise NotImplementedError

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        return []

    def newest(self) -> datetime | None:
        return None

    def oldest(self) -> datetime | None:
        return None


class Lines:
    """A channel that writes who sent which notice."""

    name = "lines"

    def __init__(self, file: Path, sender: str) -> None:
        self._file, self._sender = file, sender

    def render(self, notice: Notice) -> Rendered:
        return Rendered(f"{notice.kind.value} {notice.key}".encode(), "text/plain", "", key=notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(f"{self._sender} {rendered.body.decode()}\n")
        return Receipt(200, "ok", 1.0)

    def hint(self, code: int, reply: str) -> str:
        return ""


def main(url: str, folder: Path, name: str, ttl_s: float) -> None:
    state = connect(url)
    lease = Lease(state, name, ttl_s=ttl_s)
    dispatcher = Dispatcher(Plan(("lines",)))
    sender = Sender(state, {"lines": Lines(folder / "sent.txt", name)}, dispatcher, holds=lease.holds)
    engine = Evaluator(state, Always(), lambda: (RULE,), lease, dispatcher.dispatch, interval_s=1)
    print("ready", flush=True)
    while True:
        with contextlib.suppress(OpsError):
            lease.renew()
            engine.look()
            engine.keep()
            sender.turn()
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
