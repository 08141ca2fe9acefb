"""How a Prometheus is asked for its history, against one that is scripted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pytest
import stamina

from lib.collect.prometheus_history import History, Journal
from lib.collect.prometheus_range import Access, PrometheusRange, length_of, moment_of
from lib.errors import QueryError, SettingsError, SourceRejected, SourceUnavailable

START, END = datetime(2024, 11, 1, 6, tzinfo=UTC), datetime(2024, 11, 1, 18, tzinfo=UTC)
START_S = int(START.timestamp())


def wanted(**more: object) -> PrometheusRange:
    given = {"access": Access("http://p:9090/prom"), "start": START, "end": END, "match": ('{job="crm"}',)} | more
    return PrometheusRange(**given)  # type: ignore[arg-type]


class Server:
    """Two metrics with a sample per minute each; refuses over `most` samples at once; `answers` come before all else."""

    def __init__(self, most: int = 10**6) -> None:
        self.most = most
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            return self.answers.pop(0)
        if request.url.path == "/prom/api/v1/label/__name__/values":
            return answer(["a", "b"])
        query, end = request.url.params["query"], float(request.url.params["time"])
        begin = end - int(query.rpartition("[")[2][:-2])
        times = [ts for ts in range(START_S - 3600, START_S + 20 * 3600, 60) if begin <= ts <= end]
        if len(times) > self.most:
            return httpx.Response(422, json={"status": "error", "errorType": "execution", "error": "too many samples"})
        metric = {"__name__": query.partition('"')[2].partition('"')[0], "job": "crm"}
        return answer({"resultType": "matrix", "result": [{"metric": metric, "values": [[ts, "NaN"] for ts in times]}]})


def answer(data: object, **more: object) -> httpx.Response:
    return httpx.Response(200, content=orjson.dumps({"status": "success", "data": data, **more}))


@pytest.fixture(autouse=True)
def no_waiting():
    with stamina.set_testing(True, attempts=3):
        yield


def read(server: Server, folder: Path, **more: object) -> list[tuple[str, int]]:
    history = History(wanted(**more), Journal(folder / "journal"), httpx.MockTransport(server))
    found = []
    for samples, _ in history.portions():
        if samples is not None:
            found += [
                (samples.labels[at]["__name__"], int(ts)) for at, ts in zip(samples.series, samples.ts_ms, strict=True)
            ]
    return found


@pytest.mark.parametrize("most", [10**6, 700, 100, 3])
def test_every_sample_of_the_range_is_read_once_however_few_the_server_takes(tmp_path, most):
    found = read(Server(most), tmp_path)

    minutes = [(START_S + 60 * n) * 1000 for n in range(12 * 60)]
    assert found == [("a", ms) for ms in minutes] + [("b", ms) for ms in minutes]


def test_what_the_journal_names_is_not_read_again_and_it_goes_in_the_end(tmp_path):
    server = Server()
    portions = History(wanted(), Journal(tmp_path / "journal"), httpx.MockTransport(server)).portions()
    assert next(portions)[0].labels[0]["__name__"] == "a"
    assert next(portions)[0].labels[0]["__name__"] == "b"  # so that a's piece is noted

    rest = read(server, tmp_path)

    assert {name for name, _ in rest} == {"b"}
    assert not (tmp_path / "journal").exists()


def test_a_step_keeps_the_first_sample_of_each_whatever_the_slices(tmp_path):
    assert read(Server(), tmp_path, step_s=300) == read(Server(100), tmp_path, step_s=300)


@pytest.mark.parametrize(
    "bad", [httpx.Response(503, text="busy"), httpx.Response(429), httpx.Response(502, text="<html>")]
)
def test_a_passing_failure_is_asked_again(tmp_path, bad):
    server = Server()
    server.answers = [bad, bad]

    assert len(read(server, tmp_path)) == 1440


def test_a_lasting_failure_is_told(tmp_path):
    server = Server()
    server.answers = [httpx.Response(503, text="busy")] * 9

    with pytest.raises(SourceUnavailable, match="503"):
        read(server, tmp_path)


def test_refused_credentials_are_not_tried_again(tmp_path):
    server = Server()
    server.answers = [httpx.Response(401, text="no")]

    with pytest.raises(SourceRejected, match="credentials"):
        read(server, tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            httpx.Response(200, text="<html>Grafana</html>"),
            "no Prometheus answers there; give its address with the path prefix",
        ),
        (httpx.Response(404, text="404 page not found"), "no Prometheus answers there"),
        (httpx.Response(302, headers={"location": "/login"}), "it sends us elsewhere, to a sign-in perhaps"),
        (
            httpx.Response(403, json={"status": "error", "error": "not you"}),
            "not you: the credentials are not accepted",
        ),
        (httpx.Response(400, json={"status": "error", "error": "bad form"}), "p:9090 says: bad form$"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path, bad, said):
    """Regression: a web page, a sign-in and a wrong path were told as "says: HTTP 200", 302 and 404."""
    server = Server()
    server.answers = [bad]

    with pytest.raises(SourceRejected, match=said):
        read(server, tmp_path)


def test_a_selection_of_nothing_is_told(tmp_path):
    """Regression: zero samples, and all well."""
    server = Server()
    server.answers = [answer([])]
    history = History(wanted(), Journal(tmp_path / "journal"), httpx.MockTransport(server))

    assert [samples for samples, _ in history.portions()] == [None]
    assert history.problems == ['p:9090 holds no series of {job="crm"} in that range; --match selects others']


def test_what_is_no_prometheus_is_told(tmp_path):
    server = Server()
    server.answers = [answer(["a"]), answer([])]

    with pytest.raises(SourceRejected, match="Prometheus"):
        read(server, tmp_path)


def test_credentials_go_into_headers_and_nowhere_else(tmp_path):
    server = Server()

    access = Access("http://p:9090/prom", bearer="hunter2")
    read(server, tmp_path, access=access)

    assert {one.headers["authorization"] for one in server.requests} == {"Bearer hunter2"}
    assert "hunter2" not in repr(access)
    assert "hunter2" not in str([one.url for one in server.requests])


def test_warnings_and_native_histograms_are_told(tmp_path):
    server = Server()
    histogram = {"metric": {"__name__": "h"}, "histograms": [[START_S, {}]]}
    server.answers = [
        answer(["h"]),
        answer({"resultType": "matrix", "result": [histogram]}, warnings=["a store is gone"]),
    ]
    history = History(wanted(), Journal(tmp_path / "journal"), httpx.MockTransport(server))

    assert [samples for samples, _ in history.portions()] == [None]
    assert history.problems == ["p:9090 warns: a store is gone", "h: native histograms are left out"]


@pytest.mark.parametrize(
    ("given", "error"),
    [({"match": ("up[5m]",)}, QueryError), ({"step_s": 7}, SettingsError), ({"start": END}, SettingsError)],
)
def test_a_range_that_cannot_be_is_refused_before_anything_is_asked(given, error):
    with pytest.raises(error):
        wanted(**given)


@pytest.mark.parametrize("url", ["p:9090", "http://", "http://u:p@p:9090", "http://p/?x=1"])
def test_an_address_of_the_wrong_form_is_refused(url):
    with pytest.raises(SettingsError, match="--prometheus"):
        Access(url)


def test_times_are_ages_or_moments():
    assert moment_of("12h", "--since", END) == START
    assert moment_of("2024-11-01T06:00", "--since", END) == moment_of("2024-11-01T07:00+01:00", "--since", END) == START
    assert length_of("5m", "--step").total_seconds() == 300
    for wrong in ("yesterday", "99999999d", "0001-01-01T00:00+05:00", "2026-11-24T10:00+99:00"):
        with pytest.raises(SettingsError, match="--since"):
            moment_of(wrong, "--since", END)
