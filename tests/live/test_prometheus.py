"""F18 on a real Prometheus: down and up again, too much asked, too slow, who may ask, and what it tells of rules and targets."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lib.errors import QueryError, SourceRejected, SourceUnavailable
from lib.metrics.ingest import Samples
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.window import Window
from tests.certificates import self_signed
from tests.prometheus_server import prometheus
from tests.proxy import DEPLOY, free_ports, until

pytestmark = pytest.mark.live
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=2)
BCRYPT_OF_TEST = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"


def _samples(series: int = 20) -> Samples:
    ts_ms = np.arange(int(START.timestamp() * 1000), int(END.timestamp() * 1000), 15_000)
    labels = tuple({"__name__": "busy_total", "n": str(n)} for n in range(series))
    values = np.tile(np.arange(len(ts_ms), dtype="float64"), series)
    return Samples(labels, np.repeat(np.arange(series, dtype=np.int32), len(ts_ms)), np.tile(ts_ms, series), values)


def _store(url: str, **access: str) -> PrometheusMetrics:
    return PrometheusMetrics(Access(url, **access), timeout_s=3, clock=lambda: END)  # type: ignore[arg-type]


def test_a_server_that_goes_down_and_comes_back_is_asked_again_by_the_same_store(tmp_path: Path) -> None:
    [port] = free_ports(1)
    with prometheus(tmp_path, port=port) as server:
        server.write(_samples(1))
        store = _store(server.url)
        before = store.instant("busy_total", END).scalar()

    with pytest.raises(SourceUnavailable, match="Connection refused"):
        store.instant("busy_total", END)

    with prometheus(tmp_path, port=port):
        assert store.instant("busy_total", END).scalar() == before == 479
    store.close()


def test_too_many_samples_are_the_questions_fault(tmp_path: Path) -> None:
    with prometheus(tmp_path, "{}", "--query.max-samples=50") as server:
        server.write(_samples())
        store = _store(server.url)

        with pytest.raises(QueryError, match="too many samples"):
            store.range("busy_total", Window(START, END), timedelta(minutes=1))
        assert store.instant('busy_total{n="0"}', END).scalar() == 479
        store.close()


def test_a_question_that_takes_too_long_is_given_up_by_the_server_and_not_repeated(tmp_path: Path) -> None:
    with prometheus(tmp_path, "{}", "--query.timeout=1ms") as server:
        server.write(_samples())
        store = _store(server.url)
        began = time.monotonic()

        with pytest.raises(SourceUnavailable, match="gave up"):
            store.range("sum(rate(busy_total[1h]))", Window(START, END), timedelta(seconds=1))
        assert time.monotonic() - began < 1
        store.close()


def test_it_asks_by_tls_with_a_password_and_says_when_either_is_wrong(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    web = tmp_path / "web.yml"
    web.write_text(
        f"tls_server_config: {{cert_file: {certificate.certificate}, key_file: {certificate.key}}}\n"
        f"basic_auth_users: {{reader: {BCRYPT_OF_TEST}}}\n",
        encoding="utf-8",
    )
    with prometheus(tmp_path / "p", "{}", f"--web.config.file={web}", scheme="https", prefix="/prom") as server:
        ca = str(certificate.certificate)
        right = _store(server.url, user="reader", password="test", ca_file=ca)
        wrong = _store(server.url, user="reader", password="guess", ca_file=ca)
        unknown = _store(server.url, user="reader", password="test")
        elsewhere = _store(server.url.removesuffix("/prom"), user="reader", password="test", ca_file=ca)

        assert right.instant("1 + 1", END).scalar() == 2
        with pytest.raises(SourceRejected, match="credentials"):
            wrong.instant("1", END)
        with pytest.raises(SourceRejected, match="PROMETHEUS_CA"):
            unknown.instant("1", END)
        with pytest.raises(SourceRejected, match=r"path prefix|redirects"):
            elsewhere.instant("1", END)
        for store in (right, wrong, unknown, elsewhere):
            store.close()


def test_its_rules_alerts_and_targets_can_be_read(tmp_path: Path) -> None:
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_text(rules, encoding="utf-8")
    (tmp_path / "firing.yml").write_text(
        "groups: [{name: now, interval: 1s, rules: [{alert: Always, expr: vector(7)}]}]\n", encoding="utf-8"
    )
    [nobody] = free_ports(1)
    config = (
        "rule_files: [rules.yml, firing.yml]\nscrape_configs:\n"
        f"  - {{job_name: crm, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{nobody}']}}]}}\n"
    )
    with prometheus(tmp_path, config) as server:
        store = PrometheusMetrics(Access(server.url), job="crm")
        until(store.alerts, within_s=20)
        until(lambda: [one for one in store.targets() if one["health"] != "unknown"], within_s=20)

        [group] = [one for one in store.rules() if one["name"] == "halopsa_integration"]
        assert len(group["rules"]) == 5
        assert [(one["labels"]["alertname"], one["state"]) for one in store.alerts()] == [("Always", "firing")]
        [target] = store.targets()
        assert (target["health"], target["labels"]["job"]) == ("down", "crm")
        newest = store.newest()
        assert newest is not None  # of `up`, which is there although the target is down
        assert timedelta(0) <= datetime.now(UTC) - newest < timedelta(seconds=30)
        store.close()


def test_the_ends_of_the_samples_are_found_in_a_gappy_history(tmp_path: Path) -> None:
    early, late = START - timedelta(days=3, hours=7, seconds=11), START + timedelta(milliseconds=250)
    moments = np.array([int(one.timestamp() * 1000) for one in (early, late)])
    samples = Samples(({"__name__": "up"},), np.zeros(2, dtype=np.int32), moments, np.ones(2))
    with prometheus(tmp_path) as server:
        server.write(samples)
        store = PrometheusMetrics(Access(server.url), clock=lambda: START + timedelta(hours=20))

        assert (store.oldest(), store.newest()) == (early, late)
        store.close()
