"""The decision to notify against a real Alertmanager: sixty groups with random lives, flush by flush, 0 differences.

Alertmanager also announces the end of an alert that fired and ended between two flushes of a group that fires on. Ours
does not (nobody saw it fire): that is `decide`'s part, so here `needs_update` alone is compared.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from lib.alerts.delivery.decision import Policy, Told, Why, needs_update
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.proxy import free_ports, until

pytestmark = pytest.mark.live
GROUPS, STEPS, EVERY_S, REPEAT_S = 60, 8, 2.0, 5.0
NAMES = "abc"
CONFIG = """
route:
  receiver: none
  group_by: [alertname, group]
  group_wait: 200ms
  group_interval: {every}ms
  repeat_interval: {repeat}ms
  routes: [{{receiver: with-ends, continue: true}}, {{receiver: without-ends}}]
receivers:
  - name: none
  - name: with-ends
    webhook_configs: [{{url: "{url}/with", send_resolved: true}}]
  - name: without-ends
    webhook_configs: [{{url: "{url}/without", send_resolved: false}}]
"""


@dataclass(frozen=True)
class Life:
    """Which alerts of a group fire after each step, and which ended during it."""

    firing: tuple[frozenset[str], ...]
    ended: tuple[frozenset[str], ...]


def life(dice: random.Random) -> Life:
    """Each step every alert may change its state, or change it and change it back."""
    now, firing, ended = frozenset(dice.sample(NAMES, dice.randint(1, 2))), [], [frozenset[str]()]
    firing.append(now)
    for _ in range(STEPS - 1):
        turned = frozenset(name for name in NAMES if dice.random() < 0.25)
        brief = frozenset(name for name in NAMES if name not in now | turned and dice.random() < 0.1)
        ended.append((now & turned) | brief)
        now = now ^ turned
        firing.append(now)
    return Life(tuple(firing), tuple(ended))


def wanted(one: Life, send_resolved: bool) -> list[tuple[int, list[str], list[str]]]:
    """What ours says: at which flush, about what."""
    policy = Policy(cooldown=timedelta(0), repeat=timedelta(seconds=REPEAT_S), send_resolved=send_resolved)
    told, start, said = None, datetime(2026, 3, 2, tzinfo=UTC), []
    for step, (firing, ended) in enumerate(zip(one.firing, one.ended, strict=True)):
        now = start + timedelta(seconds=step * EVERY_S)
        why = needs_update(told, firing, ended, policy, now)
        if why is None:
            continue
        told = Told(firing, ended, now)
        if why is not Why.CLEARED:
            said.append((step, sorted(firing), sorted(ended) if send_resolved else []))
    return said


class OffBeat(Exception):  # noqa: N818 - what happened
    """The machine was too slow to live every step between two flushes: this run says nothing."""


def test_ours_and_alertmanager_decide_alike(tmp_path: Path) -> None:
    dice = random.Random(20260302)
    lives = [life(dice) for _ in range(GROUPS)]
    for attempt in range(5):
        try:
            with_ends, without = _run(tmp_path / str(attempt), lives)
            break
        except OffBeat:
            continue
    else:
        pytest.fail("the machine never kept the beat")

    for told, send_resolved in ((with_ends, True), (without, False)):
        differences = {
            number: (told.get(number, []), said)
            for number, one in enumerate(lives)
            if told.get(number, []) != (said := wanted(one, send_resolved))
        }
        assert differences == {}
        assert sum(map(len, told.values())) > 2 * GROUPS


Said = dict[int, list[tuple[int, list[str], list[str]]]]


def _run(folder: Path, lives: list[Life]) -> tuple[Said, Said]:
    folder.mkdir()
    [port] = free_ports(1)
    with FaultServer() as server:
        for path in ("/with", "/without"):
            server.says(path, faults.answer("ok"))
        text = CONFIG.format(every=int(EVERY_S * 1000), repeat=int(REPEAT_S * 1000), url=server.url("").rstrip("/"))
        (folder / "alertmanager.yml").write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [
                "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=", "--log.level=error",
            ]
        )  # fmt: skip
        try:
            began = _live(f"http://127.0.0.1:{port}", lives, process)
        finally:
            process.terminate()
            process.wait(20)

        return _told(server, "/with", began), _told(server, "/without", began)


def _live(url: str, lives: list[Life], process: subprocess.Popen[bytes]) -> float:
    """Lives every step in the middle between two flushes; when the first flush was due."""

    def ready() -> bool:
        assert process.poll() is None, "alertmanager ended; its reason stands above"
        try:
            return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until(ready)
    with httpx.Client(base_url=url, trust_env=False) as client:
        first = time.monotonic() + 0.2
        _post(client, [_alert(n, name, False) for n, one in enumerate(lives) for name in sorted(one.firing[0])])
        for step in range(1, STEPS):
            time.sleep(max(0.0, first + (step - 0.5) * EVERY_S - time.monotonic()))
            brief = [
                _alert(n, name, False) for n, one in enumerate(lives)
                for name in sorted(one.ended[step] - one.firing[step - 1])
            ]  # fmt: skip
            _post(client, brief)
            _post(client, [_alert(n, name, True) for n, one in enumerate(lives) for name in sorted(one.ended[step])])
            _post(
                client,
                [
                    _alert(n, name, False)
                    for n, one in enumerate(lives)
                    for name in sorted(one.firing[step] - one.firing[step - 1])
                ],
            )
            if time.monotonic() > first + (step - 0.15) * EVERY_S:
                raise OffBeat
        time.sleep(EVERY_S)
    return first


def _alert(group: int, name: str, over: bool) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    made: dict[str, object] = {"labels": {"alertname": "T", "group": str(group), "name": name}}
    return made | ({"endsAt": now} if over else {"startsAt": now})


def _post(client: httpx.Client, alerts: list[dict[str, object]]) -> None:
    if alerts:
        assert client.post("/api/v2/alerts", json=alerts).status_code == 200


def _told(server: FaultServer, path: str, began: float) -> Said:
    found: Said = {}
    for request in server.seen(path):
        body = json.loads(request.body)
        names: dict[str, list[str]] = {"firing": [], "resolved": []}
        for one in body["alerts"]:
            names[one["status"]].append(one["labels"]["name"])
        step = round((request.at - began) / EVERY_S)
        if abs(request.at - began - step * EVERY_S) > EVERY_S / 4:
            raise OffBeat
        found.setdefault(int(body["groupLabels"]["group"]), []).append(
            (step, sorted(names["firing"]), sorted(names["resolved"]))
        )
    return found
