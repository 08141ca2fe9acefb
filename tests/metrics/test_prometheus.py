"""F18: what becomes of a Prometheus server's faults, refusals and warnings; how it is spoken to."""

from __future__ import annotations

import base64
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from lib import notes
from lib.errors import OpsError, QueryError, SourceError, SourceRejected, SourceUnavailable
from lib.metrics import prometheus_session
from lib.metrics.prometheus import Access, PrometheusMetrics
from lib.window import Window
from tests import fault_server as faults
from tests.certificates import self_signed
from tests.fault_server import FaultServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUERY, RANGE = "/api/v1/query", "/api/v1/query_range"
TIMEOUT_S = 1.2


def success(data: Any, **more: Any) -> faults.Fault:
    return faults.json_answer({"status": "success", "data": data, **more})


def vector(*values: str, **more: Any) -> faults.Fault:
    found = [{"metric": {"n": str(n)}, "value": [NOW.timestamp(), value]} for n, value in enumerate(values)]
    return success({"resultType": "vector", "result": found}, **more)


def failure(status: int, kind: str, text: str) -> faults.Fault:
    return faults.json_answer({"status": "error", "errorType": kind, "error": text}, status)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def store(server: FaultServer) -> Iterator[PrometheusMetrics]:
    opened = PrometheusMetrics(Access(server.url("")), timeout_s=TIMEOUT_S, clock=lambda: NOW)
    yield opened
    opened.close()


def asked(server: FaultServer, path: str = QUERY) -> list[dict[str, str]]:
    """The forms that came in at a path."""
    return [{k: v[0] for k, v in parse_qs(request.body.decode()).items()} for request in server.seen(path)]


PASSING = {
    "503": faults.answer(b"down for lunch\n", 503),
    "500": failure(500, "internal", "block is corrupt"),
    "429": faults.too_many(0),
    "reset": faults.reset(),
    "not http": faults.not_http(),
    "half a body": faults.close_mid_body(b'{"status": "success"'),
    "a cut chunk": faults.cut_chunked(b'{"status": "success"'),
    "a cut archive": faults.packed(b'{"status": "success", "data": {}}' * 9, cut=True),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_passing_fault_is_asked_again_at_once(
    server: FaultServer, store: PrometheusMetrics, fault: faults.Fault
) -> None:
    server.says(QUERY, fault, vector("7"))

    assert store.instant("x", NOW).scalar() == 7
    assert len(server.seen(QUERY)) == 2


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_stays_is_a_source_that_does_not_answer(
    server: FaultServer, store: PrometheusMetrics, fault: faults.Fault
) -> None:
    server.says(QUERY, fault)
    began = time.monotonic()

    with pytest.raises(SourceUnavailable) as down:
        store.instant("x", NOW)

    assert down.value.source == "Prometheus"
    assert 1 < len(server.seen(QUERY)) <= prometheus_session.ATTEMPTS
    assert time.monotonic() - began < TIMEOUT_S + 1


LATE = {
    "no word": faults.hang(),
    "no body": faults.hang_after_headers("application/json"),
    "a drip": faults.drip(b" " * 1_000, gap_s=0.05),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", LATE.values(), ids=LATE.keys())
def test_a_server_that_hangs_or_drips_costs_the_time_out_once(
    server: FaultServer, store: PrometheusMetrics, fault: faults.Fault
) -> None:
    server.says(QUERY, fault)
    began = time.monotonic()

    with pytest.raises(SourceUnavailable, match=r"no whole answer within 1\.2 s"):
        store.instant("x", NOW)

    assert TIMEOUT_S - 0.2 < time.monotonic() - began < TIMEOUT_S + 1
    assert len(server.seen(QUERY)) == 1


@pytest.mark.slow
def test_a_late_byte_does_not_start_the_time_out_anew(server: FaultServer, store: PrometheusMetrics) -> None:
    server.says(QUERY, faults.drip(b" " * 6, gap_s=TIMEOUT_S * 0.8))
    began = time.monotonic()

    with pytest.raises(SourceUnavailable):
        store.instant("x", NOW)

    assert time.monotonic() - began < TIMEOUT_S * 2  # the last byte would come after four times as long


def test_retry_after_is_kept_to_and_a_wait_beyond_the_time_out_is_not_begun(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(QUERY, faults.too_many(30))
    began = time.monotonic()

    with pytest.raises(SourceUnavailable, match="429"):
        store.instant("x", NOW)

    assert time.monotonic() - began < 1
    assert len(server.seen(QUERY)) == 1


def test_nobody_listening_says_so_without_the_address() -> None:
    with FaultServer() as gone:
        url = gone.url("/secret-place")
    store = PrometheusMetrics(Access(url, user="reader", password="canary"), timeout_s=TIMEOUT_S)

    with pytest.raises(SourceUnavailable, match="cannot connect: Connection refused") as down:
        store.instant("canary_metric", NOW)

    assert "canary" not in str(down.value)
    assert "secret-place" not in str(down.value)


REFUSED = {
    "401": (faults.answer(b"who are you\n", 401), "credentials"),
    "403 with words": (failure(403, "bad_data", "no tenant"), "credentials"),
    "404": (faults.answer(b"nothing here\n", 404), "path prefix"),
    "301": (faults.redirect("https://login.example/?token=canary"), "redirects"),
    "a login page": (faults.answer(b"<html>log in</html>", 200, "text/html"), "does not speak"),
    "another api": (faults.json_answer({"ok": True}), "does not speak"),
    "a list": (faults.json_answer([]), "does not speak"),
    "400 without a reason": (faults.answer(b"bad\n", 400), "HTTP 400"),
    "no result": (success({}), "not in Prometheus' form"),
    "data of a label question": (success([]), "not in Prometheus' form"),
    "points that are words": (vector("many"), "no numbers"),
}


@pytest.mark.parametrize(("fault", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_no_is_not_asked_again(
    server: FaultServer, store: PrometheusMetrics, fault: faults.Fault, words: str
) -> None:
    server.says(QUERY, fault)

    with pytest.raises(SourceRejected, match=words) as refused:
        store.instant("x", NOW)

    assert len(server.seen(QUERY)) == 1
    assert "canary" not in str(refused.value)


WRONG = {
    "a place": (failure(400, "bad_data", 'invalid parameter "query": 2:3: parse error: unexpected end of input'), 9),
    "execution": (
        failure(422, "execution", "query processing would load too many samples into memory in query execution"),
        None,
    ),
    "a server that says no place": (failure(422, "422", "cannot parse query: unparsed data left"), 11),
}


@pytest.mark.parametrize(("fault", "position"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_question_is_the_askers_and_says_where(
    server: FaultServer, store: PrometheusMetrics, fault: faults.Fault, position: int | None
) -> None:
    server.says(QUERY, fault)
    text = "sum(x)\n+ rate(x[5m]" if position == 9 else "sum(x[5m]) )" if position else "x"

    with pytest.raises(QueryError) as refused:
        store.instant(text, NOW)

    assert refused.value.position == position
    assert len(server.seen(QUERY)) == 1


def test_a_question_that_the_server_gave_up_is_not_asked_again_at_once(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(QUERY, failure(503, "timeout", "query timed out in expression evaluation"))

    with pytest.raises(SourceUnavailable, match="gave up"):
        store.instant("x", NOW)

    assert len(server.seen(QUERY)) == 1


def test_a_huge_answer_is_cut_off_before_it_fills_the_memory(
    server: FaultServer, store: PrometheusMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_session, "LARGEST_ANSWER", 1_000_000)
    for fault in (faults.huge(5_000_000), faults.gzip_bomb(5_000_000)):
        server.says(QUERY, fault)

        with pytest.raises(QueryError, match="larger than 1 MB"):
            store.instant("x", NOW)


def test_too_many_series_for_one_chart_are_refused(
    server: FaultServer, store: PrometheusMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.metrics.prometheus_answer.MOST_CELLS", 100)
    many = [{"metric": {"n": str(n)}, "values": [[NOW.timestamp(), "1"]]} for n in range(20)]
    server.says(RANGE, success({"resultType": "matrix", "result": many}))

    with pytest.raises(QueryError, match="20 series at 11 points"):
        store.range("x", Window(NOW, NOW + 10 * MINUTE), MINUTE)


def test_warnings_come_with_the_answer_and_are_said_to_whoever_listens(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(QUERY, vector("7", warnings=["block 01H is missing"], infos=["x might not be a counter"]))

    with notes.collected() as said:
        result = store.instant("x", NOW)

    assert result.scalar() == 7
    assert result.warnings == ("block 01H is missing",)
    assert [(note.source, note.text, note.doubtful) for note in said] == [
        ("Prometheus", "block 01H is missing", True),
        ("Prometheus", "x might not be a counter", False),
    ]


def test_nan_infinities_and_absence_are_three_things(server: FaultServer, store: PrometheusMetrics) -> None:
    points = [[NOW.timestamp(), "NaN"], [NOW.timestamp() + 60, "+Inf"], [NOW.timestamp() + 120, "-Inf"]]
    server.says(RANGE, success({"resultType": "matrix", "result": [{"metric": {}, "values": points}]}))

    result = store.range("x", Window(NOW, NOW + 3 * MINUTE), MINUTE)

    assert result.present.tolist() == [[True, True, True, False]]
    np.testing.assert_array_equal(result.values, [[math.nan, math.inf, -math.inf, math.nan]])
    assert len(result.frame()) == 3


def test_a_partial_answer_of_a_cluster_is_doubtful(server: FaultServer, store: PrometheusMetrics) -> None:
    server.says(QUERY, vector("7", isPartial=True))

    with notes.collected() as said:
        store.instant("x", NOW)

    assert [note.doubtful for note in said] == [True]


@pytest.mark.slow
def test_a_page_of_questions_does_not_wait_for_a_hanging_server_one_by_one(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(QUERY, faults.hang())
    began = time.monotonic()

    for _ in range(10):
        with pytest.raises(SourceUnavailable, match="no whole answer"):
            store.instant("x", NOW)

    assert time.monotonic() - began < 2 * TIMEOUT_S + 1
    assert len(server.seen(QUERY)) == 2


def test_questions_that_are_too_much_do_not_count_against_the_server(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(QUERY, *[failure(503, "timeout", "query timed out")] * 3, vector("7"))
    for _ in range(3):
        with pytest.raises(SourceUnavailable, match="gave up"):
            store.instant("x", NOW)

    assert store.instant("x", NOW).scalar() == 7


def test_native_histograms_are_left_out_and_said_so(server: FaultServer, store: PrometheusMetrics) -> None:
    found = [{"metric": {}, "histogram": [NOW.timestamp(), {"count": "3", "sum": "1"}]}]
    server.says(QUERY, success({"resultType": "vector", "result": found}))

    result = store.instant("x", NOW)

    assert result.labels == ()
    assert "1 native histogram" in result.warnings[0]


def test_a_servers_own_grid_is_taken_as_the_nearest_steps(server: FaultServer, store: PrometheusMetrics) -> None:
    points = [[NOW.timestamp() + 4 + 60 * n, str(n)] for n in range(3)]
    server.says(RANGE, success({"resultType": "matrix", "result": [{"metric": {}, "values": points}]}))

    result = store.range("x", Window(NOW, NOW + 2 * MINUTE), MINUTE)

    assert result.values.tolist() == [[0.0, 1.0, 2.0]]


def test_a_question_travels_in_the_body_with_its_exact_times_and_its_time_out(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    server.says(RANGE, success({"resultType": "matrix", "result": []}))
    start = NOW + timedelta(milliseconds=7)

    store.range('x{a="ü&b=c"}', Window(start, start + MINUTE), timedelta(milliseconds=15_250))

    [form] = asked(server, RANGE)
    assert form["query"] == 'x{a="ü&b=c"}'
    assert (float(form["start"]), float(form["end"]), form["step"]) == (
        start.timestamp(), pytest.approx(start.timestamp() + 45.75), "15.250",
    )  # fmt: skip
    assert form["timeout"] == "1080ms"  # less than ours; Prometheus knows no 1.08s
    assert server.requests[0].path == RANGE


def test_credentials_and_headers_go_with_every_question(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.says("/prom" + QUERY, vector("1"))
    server.says("/prom/api/v1/label/job/values", success(["b", "a"]))
    server.says("/prom/api/v1/rules", success({"groups": [{"name": "g"}]}))
    server.says("/prom/api/v1/alerts", success({"alerts": [{"state": "firing"}]}))
    server.says("/prom/api/v1/targets", success({"activeTargets": [{"health": "up"}]}))
    basic = Access(server.url("/prom/"), user="rëader", password="pä:ss", headers={"X-Scope-OrgID": "ops"})
    bearer = Access(server.url("/prom"), bearer="t0ken")

    for access in (basic, bearer):
        store = PrometheusMetrics(access)
        assert store.instant("x", NOW).scalar() == 1
        assert store.label_values("job", "up") == ["a", "b"]
        assert store.rules() == [{"name": "g"}]
        assert store.alerts() == [{"state": "firing"}]
        assert store.targets() == [{"health": "up"}]
        store.close()

    pair = base64.b64encode("rëader:pä:ss".encode()).decode()
    sent = [request.headers for request in server.requests]
    assert [headers["authorization"] for headers in sent] == [f"Basic {pair}"] * 5 + ["Bearer t0ken"] * 5
    assert [headers.get("x-scope-orgid") for headers in sent] == ["ops"] * 5 + [None] * 5


def test_a_certificate_is_trusted_by_the_authority_that_the_settings_name_and_by_no_other(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with FaultServer(tls=certificate.server_context()) as server:
        server.says(QUERY, vector("1"))
        known = PrometheusMetrics(Access(server.url(""), ca_file=str(certificate.certificate)), timeout_s=TIMEOUT_S)
        unknown = PrometheusMetrics(Access(server.url("")), timeout_s=TIMEOUT_S)

        assert known.instant("x", NOW).scalar() == 1
        with pytest.raises(SourceRejected, match=r"not trusted \(self.signed certificate\): PROMETHEUS_CA"):
            unknown.instant("x", NOW)
        known.close()
        unknown.close()

    assert len(server.seen(QUERY)) == 1


def test_secrets_show_nowhere(
    server: FaultServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    access = Access(server.url(""), user="u", password="canary-1", bearer="canary-2", headers={"X-Key": "canary-3"})
    caplog.set_level(logging.DEBUG)
    said = [repr(access)]
    for fault in (faults.answer(b"", 401), faults.answer(b"", 503), faults.reset(), failure(400, "bad_data", "no")):
        server.says(QUERY, fault)
        with pytest.raises(OpsError) as error:
            PrometheusMetrics(access, timeout_s=TIMEOUT_S).instant("x", NOW)
        said.append(repr(error.value))

    everything = " ".join([*said, caplog.text, *capfd.readouterr()])
    assert "canary" not in everything


def test_many_threads_share_a_store_and_keep_their_answers_and_warnings_apart(
    server: FaultServer, store: PrometheusMetrics
) -> None:
    for n in range(8):
        server.says(f"/{n}{QUERY}", vector(str(n), warnings=[f"warning {n}"]))
    heard: dict[int, tuple[float | None, tuple[str, ...]]] = {}

    def ask(n: int) -> None:
        result = PrometheusMetrics(Access(server.url(f"/{n}"))).instant("x", NOW)
        heard[n] = result.scalar(), result.warnings

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert heard == {n: (float(n), (f"warning {n}",)) for n in range(8)}


FRESH = {
    "its own job": ({'max(timestamp(up{job="crm"}))': "100"}, 100),
    "its job an hour ago": ({'max(max_over_time(timestamp(up{job="crm"})[1d:240s]))': "90"}, 90),
    "another job": ({"max(timestamp(up))": "80"}, 80),
    "no up at all": ({'max(timestamp({__name__=~".+"}))': "70"}, 70),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("known", "expected"), FRESH.values(), ids=FRESH.keys())
def test_the_newest_sample_is_looked_for_where_the_service_is_scraped(
    server: FaultServer, known: dict[str, str], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PrometheusMetrics(Access(server.url("")), job="crm", clock=lambda: NOW)
    asked_for: list[str] = []

    def custom_query(query: str, params: object) -> list[object]:
        asked_for.append(query)
        return [{"metric": {}, "value": [NOW.timestamp(), known[query]]}] if query in known else []

    monkeypatch.setattr(store._client, "custom_query", custom_query)

    newest = store.newest()

    assert newest == (None if expected is None else datetime.fromtimestamp(expected, UTC))
    assert asked_for[-1] in known or not known


def test_every_question_of_a_dead_server_is_an_error_and_none_an_empty_answer(
    store: PrometheusMetrics, server: FaultServer
) -> None:
    questions: dict[str, Callable[[], object]] = {
        "instant": lambda: store.instant("x", NOW),
        "range": lambda: store.range("x", Window(NOW, NOW + MINUTE), MINUTE),
        "label_values": lambda: store.label_values("job"),
        "newest": store.newest,
        "oldest": store.oldest,
        "rules": store.rules,
        "alerts": store.alerts,
        "targets": store.targets,
    }  # fmt: skip

    for name, question in questions.items():  # what was not scripted is a 404
        with pytest.raises(SourceError):
            pytest.fail(f"{name} answered {question()!r}")
