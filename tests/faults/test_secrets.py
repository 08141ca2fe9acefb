"""A15 (ASVS 5.0 14.2.1, 16.2.5): no planted credential survives in a file, a page, an export or our own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pytest
from streamlit.testing.v1 import AppTest

from lib import wiring
from lib.logs.base import LogQuery
from lib.settings import Settings
from lib.ui import cache, runtime, text
from lib.ui.pages import PAGES, entry
from lib.window import Window
from tests import fault_server as faults
from tests import planted
from tests.browser.conftest import free_port
from tests.fault_server import FaultServer
from tests.planted import Planter

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "lib" / "ui" / "shell.py")


@dataclass
class Leaked:
    """What the run left behind: the data folder, and everything that was said by name."""

    plant: Planter
    data: Path
    said: dict[str, str | bytes]


def until(condition: Callable[[], object], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)


def stamped(record: dict[str, object], number: int) -> bytes:
    head = {"timestamp": datetime.now(UTC).isoformat(), "level": "ERROR", "message": "m", "planted": number}
    return json.dumps(head | record).encode() + b"\n"


def write_logs(path: Path, plant: Planter, where: str) -> int:
    """Writes all records and bad lines; how many."""
    lines = [stamped(record, number) for number, record in enumerate(planted.records(plant, where))]
    lines += [line + b"\n" for line in planted.bad_lines(plant, where)]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(lines))
    return len(lines)


def environment(folder: Path, plant: Planter, server: FaultServer, port: int) -> dict[str, str]:
    userinfo = f"ops:{plant.secret('settings: password of a target')}@"
    query = f"?token={plant.secret('settings: query of a target')}"
    refused = f"http://u:{plant.secret('settings: password of a dead target')}@127.0.0.1:1/metrics"
    return {
        "HALO_OPS_DATA_DIR": str(folder / "data"), "HALO_OPS_PORT": str(port),
        "HALO_OPS_LOG_FILES": str(folder / "logs" / "combined*.log"),
        "HALO_OPS_SCRAPE_TARGETS": ",".join((server.url(f"/metrics{query}", userinfo), server.url("/broken"), refused)),
        "HALO_OPS_HEALTH_TARGETS": ",".join((server.url(f"/health{query}", userinfo), server.url("/garbage"))),
        "HALO_OPS_SCRAPE_INTERVAL_S": "1", "HALO_OPS_PROBE_INTERVAL_S": "1", "HALO_OPS_PROBE_FAILURES": "1",
        "LOG_LEVEL": "debug", "ES_USERNAME": "reader", "ES_PASSWORD": plant.secret("settings: ES_PASSWORD"),
        "SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/T1/B1/{plant.secret('settings: SLACK_WEBHOOK_URL')}",
    }  # fmt: skip


@contextmanager
def dashboard(env: dict[str, str], log: Path) -> Iterator[str]:
    """`python app.py` with its own log in a file."""
    url = f"http://127.0.0.1:{env['HALO_OPS_PORT']}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=os.environ | env, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: answers(f"{url}/livez"))
            yield url
        finally:
            process.terminate()
            assert process.wait(30) is not None


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def command(env: dict[str, str], *arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


def write_past(folder: Path, plant: Planter) -> list[str]:
    """Files to import: logs, metrics (one line of them broken), answers of /health (one of them no report)."""
    past_ms = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp() * 1000)
    write_logs(folder / "past" / "old.log", plant, "import")
    broken = f'a_total{{token="{plant.secret("import: broken metrics line")} 1 {past_ms}\n'
    (folder / "past" / "old.prom").write_text(planted.exposition(plant, "imported metrics", past_ms) + broken)
    ts = datetime.fromtimestamp(past_ms / 1000, UTC).isoformat()
    answers = [
        {"target": "old:1", "ts": ts, "status_code": 503, "body": planted.report(plant, "imported health")},
        {"target": "old:2", "ts": ts, "status_code": 200, "body": f"pwd={plant.secret('imported garbage')}"},
        {"target": "old:3", "ts": ts, "status_code": None, "error": f"token={plant.secret('imported error')}"},
    ]
    (folder / "past" / "health.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers))
    return [str(folder / "past" / name) for name in ("old.log", "old.prom", "health.jsonl")]


def watch_spool(spool: Path, importing: subprocess.Popen[bytes], kept: dict[str, str | bytes]) -> None:
    """Keeps a copy of all that ever lies in the spool."""
    while importing.poll() is None:
        for path in list(spool.glob("*")):
            try:
                kept[f"spool {path.name}"] = path.read_bytes()
            except FileNotFoundError:
                continue
        time.sleep(0.005)


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaked]:
    folder, plant, said = tmp_path_factory.mktemp("leaked"), Planter(), dict[str, str | bytes]()
    with FaultServer() as server:
        server.says("/metrics", faults.answer(planted.exposition(plant, "metrics")))
        broken = f'a_total{{token="{plant.secret("broken metrics")} 1\n'
        server.says("/broken", faults.answer(broken))
        server.says("/health", faults.json_answer(planted.report(plant, "health"), 503))
        server.says("/garbage", faults.answer(f"password={plant.secret('garbage')}", 200, "text/plain"))
        env = environment(folder, plant, server, free_port())
        count = write_logs(folder / "logs" / "combined.log", plant, "log")
        past = write_past(folder, plant)
        said["settings"] = command(env, "lib.settings")
        wrong = {"HALO_OPS_SCRAPE_TARGETS": plant.secret("settings: wrong"),
                 "ELASTICSEARCH_NODE": f"https://elastic:{plant.secret('settings: URL of Elasticsearch')}@es:9200"}  # fmt: skip
        said["wrong settings"] = command(env | wrong, "lib.settings")
        with dashboard(env, folder / "own.log") as url:
            until(lambda: httpx.get(f"{url}/api/health").json()["tail"]["records"] >= count)
            importing = subprocess.Popen(
                [sys.executable, "-m", "lib.collect.backfill", *past], cwd=ROOT, env=os.environ | env,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            watch_spool(folder / "data" / "spool", importing, said)
            said["import"] = importing.communicate()[0]
            until(lambda: all(t["attempts"] > 1 for t in httpx.get(f"{url}/api/health").json()["probes"]))
            for path in ("/api/health", "/metrics", "/readyz", "/api/none"):
                said[path] = httpx.get(url + path).content
            # The address bar belongs to the viewer, not to us: what is asked for must not be told to the log either.
            httpx.get(f"{url}/api/health?token={plant.secret('asked for')}")
        said["own log"] = (folder / "own.log").read_bytes()
    yield Leaked(plant, folder / "data", said)


def test_everything_planted_arrived(leaked: Leaked) -> None:
    with duckdb.connect(str(leaked.data / "logs.duckdb"), read_only=True) as logs:
        records = len(list(planted.records(Planter(), "x")))
        found = logs.execute("SELECT count(*) FROM records WHERE json_exists(fields, 'planted')").fetchone()
        bad = logs.execute("SELECT count(*) FROM records WHERE level = 'UNPARSED'").fetchone()
    with duckdb.connect(str(leaked.data / "metrics.duckdb"), read_only=True) as metrics:
        series = metrics.execute("SELECT count(*) FROM series WHERE labels LIKE '%[REDACTED]%'").fetchone()
    assert found == (2 * records,)
    assert bad is not None and bad[0] >= 12
    assert series is not None and series[0] >= 12
    assert len(leaked.plant.needles) >= 100
    assert b"records" in leaked.said["import"]
    assert any(name.startswith("spool ") and name.endswith(".arrow") for name in leaked.said)


def test_nothing_that_was_said_holds_a_secret(leaked: Leaked) -> None:
    found = {name: kinds for name, told in leaked.said.items() if (kinds := leaked.plant.found_in(told))}

    assert found == {}


def test_no_byte_of_any_file_is_of_a_secret(leaked: Leaked) -> None:
    files = [path for path in leaked.data.rglob("*") if path.is_file()]

    assert {"logs.duckdb", "metrics.duckdb", "state.sqlite"} <= {path.name for path in files}
    assert {p.name: kinds for p in files if (kinds := leaked.plant.found_in(p.read_bytes()))} == {}


@pytest.mark.parametrize("name", ["logs.duckdb", "metrics.duckdb"])
def test_no_text_of_any_table_holds_a_secret(leaked: Leaked, name: str) -> None:
    with duckdb.connect(str(leaked.data / name), read_only=True) as store:
        tables = [row[0] for row in store.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        told = {table: str(store.execute(f'SELECT * FROM "{table}"').fetchall()) for table in tables}

    assert len(told) >= 2
    assert {table: kinds for table, text in told.items() if (kinds := leaked.plant.found_in(text))} == {}


def on_page(test: AppTest) -> bytes:
    """All that a page sends to the browser, and each of its tables as CSV."""
    parts = [element.proto.SerializeToString() for element in test if getattr(element, "proto", None)]
    return b"\n".join([*parts, *(text.csv_bytes(frame.value) for frame in test.dataframe)])


def test_no_page_and_no_export_shows_a_secret(leaked: Leaked) -> None:
    settings = Settings(data_dir=leaked.data, rules_file=ROOT / "deploy" / "prometheus" / "rules.yml")
    opened = wiring.open_stores(settings)
    now = datetime.now(UTC)  # "1h" ends before what was logged a moment ago, in the first seconds of a minute
    until_after_now = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}/{now + timedelta(minutes=2):%Y-%m-%dT%H:%M}"
    cache.forget()
    try:
        runtime.install(runtime.Runtime(settings, opened.stores, lambda: None, rulebook=opened.rulebook))
        shown: dict[str, bytes] = {}
        for page in PAGES:
            test = AppTest.from_file(SHELL, default_timeout=60)
            test.query_params["range"] = until_after_now
            test = test.run()
            if page.url_path:
                test = test.switch_page(str(entry(page.url_path).path)).run()
            assert [str(e) for e in test.exception] == []
            shown[page.title] = on_page(test)
        window = Window.last("2d", datetime.now(UTC) + timedelta(minutes=5))
        for pattern in cache.frame("error_patterns", window)["pattern_id"]:
            samples = cache.frame("error_samples", window, pattern_id=pattern)
            shown[f"samples of {pattern}"] = text.csv_bytes(samples)
        shown["every record"] = text.csv_bytes(opened.logs.search(LogQuery(window), limit=10_000))
    finally:
        runtime.install(None)
        cache.forget()
        opened.close()

    assert sum(map(len, shown.values())) > 100_000
    assert b"[REDACTED]" in shown["Errors"]
    assert {name: kinds for name, told in shown.items() if (kinds := leaked.plant.found_in(told))} == {}
