"""Lives of a process that takes in, evaluates and sends, each forked off and ended where a failpoint says.

`python -m tests.alerts.engine.nursery <state url> <folder>` reads lines "<round> <second> <point>" ("-": none) and answers
each with how that life ended: killed, done, or stuck. In a round the series of that number is above the limit and that of
the round before is not any more; the same is pushed. A life is done when everybody was told.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from lib.alerts.api import AlertApi, Tally
from lib.alerts.delivery.dispatch import Dispatcher, Plan
from lib.alerts.delivery.sender import Sender
from lib.alerts.engine.evaluator import Evaluator
from lib.alerts.lease import Lease
from lib.alerts.model import Notice, Receipt, Rendered
from lib.alerts.rules import Rule
from lib.alerts.tables import OutboxRow
from lib.doorkeeper import Pace
from lib.failpoints import VARIABLE
from lib.metrics.base import Result, epoch_ms
from lib.state.database import State, connect
from tests.alerts.engine.child import Always, Lines
from tests.alerts.engine.world import T0, Inline
from tests.alerts.pushing import HEADERS, OPEN, TOKEN

ROUND_S = 600
STEP = timedelta(seconds=0.25)
MOST_TURNS = 80
RULE = Rule(
    "Depth", "queue_size > 1", labels={"severity": "critical"}, annotations={"group_by": "alertname,n"}, group="g"
)


class Rounds(Always):
    """The series of this round is above the limit, that of the round before below it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def instant(self, expression: str, at: datetime) -> Result:
        numbers = range(max(0, self._number - 1), self._number + 1)
        values = np.array([[9.0 if number == self._number else 0.0] for number in numbers])
        labels = tuple({"n": str(number)} for number in numbers)
        return Result(np.array([epoch_ms(at)]), labels, values, np.ones_like(values, dtype=bool))


class Told(Lines):
    """A line of JSON per notice: its kind, its key, and the numbers of the alerts that fire and that ended."""

    def render(self, notice: Notice) -> Rendered:
        fire, over = ([f"{a.name} {a.labels['n']}" for a in some] for some in (notice.firing, notice.resolved))
        body = json.dumps({"kind": notice.kind.value, "key": notice.key, "firing": fire, "resolved": over})
        return Rendered(body.encode(), "text/plain", "", key=notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        with self._file.open("ab") as lines:
            lines.write(rendered.body + b"\n")
        return Receipt(200, "ok", 1.0)


def delivery(number: int) -> dict[str, object]:
    """What Alertmanager posts in this round, the same each time that it does."""

    def alert(of: int) -> dict[str, object]:
        starts, ends = (T0 + timedelta(seconds=ROUND_S * place) for place in (of, of + 1))
        return {
            "status": "firing" if of == number else "resolved", "startsAt": starts.isoformat(),
            "endsAt": OPEN if of == number else ends.isoformat(),
            "labels": {"alertname": "Pushed", "severity": "warning", "n": str(of)},
            "annotations": {"group_by": "alertname,n"},
        }  # fmt: skip

    alerts = [alert(of) for of in (number - 1, number) if of >= 0]
    return {
        "version": "4",
        "groupKey": "{}",
        "truncatedAlerts": 0,
        "receiver": "r",
        "status": "firing",
        "alerts": alerts,
    }


def live(url: str, folder: Path, number: int, second: float) -> int:
    """One life; 0 when everybody was told, 3 where that did not come."""
    now = [T0 + timedelta(seconds=ROUND_S * number + second)]
    state = connect(url)
    lease = Lease(state, ttl_s=0.02, clock=lambda: now[0])
    dispatcher = Dispatcher(Plan(("lines",)))
    sender = Sender(
        state, {"lines": Told(folder / "told.txt", "")}, dispatcher, clock=lambda: now[0], holds=lease.holds
    )
    engine = Evaluator(
        state, Rounds(number), lambda: (replace(RULE),), lease, dispatcher.dispatch, interval_s=1, clock=lambda: now[0],
        lanes=(Inline(), Inline()),
    )  # fmt: skip
    while not lease.renew():
        time.sleep(0.005)
    api = AlertApi(
        SecretStr(TOKEN), lambda: state, dispatcher.dispatch, clock=lambda: now[0], pace=Pace(10**6), tally=Tally()
    )
    app = Starlette(routes=[Mount("/api", routes=list(api.routes()))])
    answer = TestClient(app).post("/api/alertmanager", json=delivery(number), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    for _ in range(MOST_TURNS):
        now[0] += STEP
        lease.renew()
        engine.look()
        engine.keep()
        with state.writing() as session:
            dispatcher.dispatch(session, now[0])
        sender.turn()
        if settled(state, folder, number):
            return 0
    return 3


def settled(state: State, folder: Path, number: int) -> bool:
    """Whether what begins and what ends in this round was told, and nothing more waits."""
    with state.reading() as session:
        if session.scalar(select(func.count()).where(OutboxRow.state.in_(["waiting", "sending"]))):
            return False
    told = [json.loads(line) for line in (folder / "told.txt").read_text(encoding="utf-8").splitlines()]
    begun = {name for one in told for name in one["firing"]}
    over = {name for one in told for name in one["resolved"]}
    names = ("Depth", "Pushed")
    return all(f"{name} {number}" in begun for name in names) and (
        number == 0 or all(f"{name} {number - 1}" in over for name in names)
    )


def main(url: str, folder: Path) -> None:
    """One life after the other."""
    (folder / "told.txt").touch()
    print("ready", flush=True)
    for line in sys.stdin:
        number, second, point = line.split()
        child = os.fork()
        if child == 0:
            os.environ[VARIABLE] = "" if point == "-" else point
            code = 4
            try:
                code = live(url, folder, int(number), float(second))
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        ended = "killed" if os.WIFSIGNALED(status) else {0: "done"}.get(os.WEXITSTATUS(status), "stuck")
        print(ended, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
