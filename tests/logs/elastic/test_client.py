"""The connection to Elasticsearch while the cluster, or what stands before it, misbehaves."""

from __future__ import annotations

import gzip
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from lib import notes
from lib.errors import SourceError, SourceRejected, SourceUnavailable
from lib.logs.elastic import bounded
from lib.logs.elastic.client import Access, Connection, Pauses, reason_of
from lib.logs.elastic.wire import Json
from tests import fault_server as faults
from tests.certificates import self_signed
from tests.fault_server import Fault, FaultServer, Seen

MSEARCH = "/_msearch"
WHOLE = {"hits": {"total": {"value": 3}, "hits": []}, "_shards": {"total": 1, "failed": 0}, "timed_out": False}
SEARCH: list[tuple[None, dict[str, Any]]] = [(None, {"size": 0})]


class Clock:
    """Monotonic seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def answer(content: Any, status: int = 200, **headers: object) -> Fault:
    body = orjson.dumps(content)
    named = {"x-elastic-product": "Elasticsearch"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return faults.answer(body, status, "application/json", named)


def found(*responses: Any) -> Fault:
    return answer({"responses": list(responses or (WHOLE,))})


def refusal(
    status: int, kind: str = "circuit_breaking_exception", reason: str = "too much at once", **headers: object
) -> Fault:
    return answer({"error": {"type": kind, "reason": reason}, "status": status}, status, **headers)


def asked_of(server: FaultServer) -> list[Seen]:
    return [request for request in list(server.requests) if request.path.startswith(MSEARCH)]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connection(server: FaultServer, clock: Clock) -> Iterator[Connection]:
    pauses = Pauses(clock, jitter=lambda: 1.0)
    opened = Connection(Access((server.url("").rstrip("/"),)), timeout_s=2, pauses=pauses, sleep=clock.sleep)
    yield opened
    opened.close()


@pytest.mark.parametrize("fault", [refusal(429), refusal(503), refusal(502), faults.reset()])
def test_a_hiccup_is_asked_again_after_a_growing_pause(
    server: FaultServer, connection: Connection, clock: Clock, fault: Fault
) -> None:
    server.says(MSEARCH, fault, fault, found())

    assert connection.search(SEARCH)[0]["hits"]["total"]["value"] == 3
    assert clock.slept == [0.4, 0.8]


def test_half_a_surrogate_pair_in_a_record_costs_no_answer(server: FaultServer, connection: Connection) -> None:
    body = rb'{"responses": [{"hits": {"total": {"value": 1}, "hits": [{"_source": {"message": "\ud800"}}]}, "_shards": {}}]}'
    server.says(MSEARCH, faults.answer(body, 200, "application/json", {"x-elastic-product": "Elasticsearch"}))

    (whole,) = connection.search(SEARCH)

    assert whole["hits"]["hits"][0]["_source"] == {"message": "\ud800"}
    assert Json().dumps({"message": "\ud800"}) == b'{"message":"\xed\xa0\x80"}'


def test_a_cluster_that_stays_down_is_left_alone_for_longer_and_longer(
    server: FaultServer, connection: Connection, clock: Clock
) -> None:
    server.says(MSEARCH, refusal(503))
    pauses = []
    for _ in range(8):
        with pytest.raises(SourceUnavailable, match="too much at once"):
            connection.search(SEARCH)
        asked = len(asked_of(server))
        with pytest.raises(SourceUnavailable, match="asked again in"):
            connection.search(SEARCH)
        assert len(asked_of(server)) == asked, "it was asked during the pause"
        before = clock.now
        while True:
            clock.now += 0.5
            try:
                connection._pauses.refuse()
            except SourceUnavailable:
                continue
            break
        pauses.append(clock.now - before)

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
    server.says(MSEARCH, found())
    assert connection.search(SEARCH)
    server.says(MSEARCH, refusal(503))
    with pytest.raises(SourceUnavailable):
        connection.search(SEARCH)
    assert connection._pauses.until - clock.now == pytest.approx(1)  # a success forgets them all


def test_retry_after_is_honoured(server: FaultServer, connection: Connection, clock: Clock) -> None:
    server.says(MSEARCH, refusal(429, retry_after=30))

    with pytest.raises(SourceUnavailable, match="429"):
        connection.search(SEARCH)

    assert len(asked_of(server)) == 1  # 30 s do not fit into the time that a page waits
    clock.now += 29
    with pytest.raises(SourceUnavailable, match="asked again in 1 s"):
        connection.search(SEARCH)
    clock.now += 2
    server.says(MSEARCH, found())
    assert connection.search(SEARCH)


def test_retry_after_may_be_a_date_and_may_be_nonsense(
    server: FaultServer, connection: Connection, clock: Clock
) -> None:
    server.says(
        MSEARCH, refusal(429, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    )

    with pytest.raises(SourceUnavailable, match="429"):
        connection.search(SEARCH)

    assert len(asked_of(server)) == 1
    assert 90 < connection._pauses.until - clock.now <= 100
    clock.now += 101
    server.says(MSEARCH, refusal(429, retry_after="soon"), found())
    assert connection.search(SEARCH)


def test_a_short_retry_after_is_waited_for(server: FaultServer, connection: Connection, clock: Clock) -> None:
    server.says(MSEARCH, refusal(503, retry_after=1), found())

    assert connection.search(SEARCH)
    assert clock.slept == [1.0]


@pytest.mark.slow
def test_a_hanging_cluster_costs_the_timeout_once(server: FaultServer, connection: Connection) -> None:
    server.says(MSEARCH, faults.hang())

    with pytest.raises(SourceUnavailable, match="no answer in time"):
        connection.search(SEARCH)

    assert len(asked_of(server)) == 1


@pytest.mark.slow
def test_a19_an_answer_that_unfolds_to_gigabytes_is_read_no_further_than_its_bound(
    server: FaultServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: all of it was unpacked into memory."""
    monkeypatch.setattr(bounded, "MOST_BYTES", 8 << 20)
    server.says(MSEARCH, faults.gzip_bomb(200_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(SourceUnavailable, match="the answer is longer than 8 MiB"):
        connection.search(SEARCH)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB; the server's own are in it


@pytest.mark.slow
def test_an_answer_that_drips_costs_the_timeout_once(server: FaultServer, connection: Connection) -> None:
    """Regression: each byte began the time-out anew."""
    server.says(MSEARCH, faults.drip(b'{"responses": []}' + b" " * 1000))
    began = time.monotonic()

    with pytest.raises(SourceUnavailable, match="no answer in time"):
        connection.search(SEARCH)

    assert time.monotonic() - began < 5


def test_questions_go_out_on_one_connection_also_after_a_refusal() -> None:
    """Each answer is read to its end, so that the connection can be used again."""
    clients = list[tuple[str, int]]()

    class Cluster(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            clients.append(self.client_address)
            body = gzip.compress(
                orjson.dumps({"responses": [WHOLE]} if len(clients) != 2 else {"error": "no", "status": 400})
            )
            self.send_response(200 if len(clients) != 2 else 400)
            for name, value in {"content-type": "application/json", "content-encoding": "gzip", "x-elastic-product": "Elasticsearch",
                                "content-length": str(len(body))}.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Connection(Access((f"http://127.0.0.1:{server.server_port}",)))
        for number in range(4):
            with suppress(SourceRejected):
                opened.search([(None, {"size": number})])
        opened.close()
        server.shutdown()

    assert len(clients) == 4
    assert len(set(clients)) == 1


def test_jitter_keeps_askers_apart() -> None:
    pauses = Pauses(lambda: 0.0, jitter=iter([0.0, 1.0]).__next__)
    pauses.failed("x")
    first = pauses.until
    pauses.went_well()
    pauses.failed("x")

    assert (first, pauses.until) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            refusal(401, "security_exception", "missing authentication credentials"),
            SourceRejected,
            "missing authentication",
        ),
        (refusal(403, "security_exception", "action is unauthorized"), SourceRejected, "unauthorized"),
        (refusal(400, "parsing_exception", "unknown key"), SourceRejected, "unknown key"),
        (refusal(500, "exception", "oh"), SourceUnavailable, "HTTP 500"),
        (faults.json_answer({"responses": []}), SourceRejected, "not Elasticsearch"),
        (answer({}, 301, location="http://127.0.0.1:1/"), SourceRejected, "HTTP 301"),
        (faults.not_http(), SourceUnavailable, "no connection"),
    ],
)
def test_what_an_error_means(
    server: FaultServer, connection: Connection, fault: Fault, kind: type[SourceError], words: str
) -> None:
    server.says(MSEARCH, fault)

    with pytest.raises(kind, match=words) as raised:
        connection.search(SEARCH)

    assert raised.value.source == "logs (Elasticsearch)"
    assert str(server.port) not in str(raised.value)


def test_no_connection_is_no_rejection() -> None:
    connection = Connection(Access(("http://127.0.0.1:9",)), timeout_s=1, sleep=lambda _: None)

    with pytest.raises(SourceUnavailable, match="no connection: Connection refused"):
        connection.search(SEARCH)
    connection.close()


def test_each_fault_of_tls_names_what_mends_it_and_no_host(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)

    def told(url: str, ca_file: str = "") -> str:
        connection = Connection(Access((url,), ca_file=ca_file), timeout_s=2, sleep=lambda _: None)
        with pytest.raises(SourceRejected) as raised:
            connection.search(SEARCH)
        connection.close()
        return str(raised.value)

    with faults.refuses_tls() as plain, FaultServer(tls=certificate.server_context()) as secure:
        speaks_http = told(f"https://127.0.0.1:{plain}")
        stranger = told(secure.url(""))
        another_name = told(f"https://localhost:{secure.port}", str(certificate.certificate))

    assert "does not speak TLS" in speaks_http
    assert "ELASTICSEARCH_NODE" in speaks_http
    assert "not trusted (self" in stranger
    assert "HALO_OPS_ES_CA_FILE" in stranger
    assert "for another name (Hostname mismatch)" in another_name
    assert not any(sign in text for text in (speaks_http, stranger, another_name) for sign in ("localhost", "127.0"))


def test_the_next_host_answers_for_one_that_is_gone(server: FaultServer) -> None:
    server.says(MSEARCH, found())
    hosts = ("http://127.0.0.1:9", server.url("").rstrip("/"))
    connection = Connection(Access(hosts), timeout_s=2, sleep=lambda _: None)

    assert all(connection.search(SEARCH) for _ in range(4))
    connection.close()


def test_failed_shards_and_a_cut_off_search_are_noted_as_partial(server: FaultServer, connection: Connection) -> None:
    reason = {"type": "illegal_argument_exception", "reason": "Text fields are not optimised"}
    failures = [{"index": "halopsa-integration-2026.03.10", "reason": reason}]
    partial = WHOLE | {"_shards": {"total": 5, "failed": 2, "failures": failures}}
    server.says(MSEARCH, found(partial, WHOLE | {"timed_out": True}))

    with notes.collected() as said:
        assert len(connection.search(SEARCH * 2)) == 2

    assert [note.doubtful for note in said] == [True, True]
    assert "2 of 5 shards did not answer" in said[0].text
    assert "Text fields are not optimised" in said[0].text
    assert "cut off after 8 s" in said[1].text


@pytest.mark.parametrize(
    ("status", "kind"), [(400, SourceRejected), (503, SourceUnavailable), (429, SourceUnavailable)]
)
def test_one_refused_search_of_several_is_an_error(
    server: FaultServer, connection: Connection, status: int, kind: type[SourceError]
) -> None:
    refused = {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed",
                         "failed_shards": [{"reason": {"type": "x", "reason": "the true reason"}}]}, "status": status}  # fmt: skip
    server.says(MSEARCH, found(WHOLE, refused))

    with pytest.raises(kind, match="the true reason"):
        connection.search(SEARCH * 2)


def test_a_closed_index_that_is_named_is_an_error_with_its_reason(server: FaultServer) -> None:
    closed = {"type": "index_closed_exception", "reason": "closed", "index": "halopsa-integration-old"}
    server.says(
        "/halopsa-integration-old/_field_caps",
        answer({"error": {"root_cause": [closed], **closed}, "status": 400}, 400),
    )
    connection = Connection(Access((server.url("").rstrip("/"),), "halopsa-integration-old"), timeout_s=2)

    with pytest.raises(SourceRejected, match=r"closed \(halopsa-integration-old\)"):
        connection.field_caps(["level"])
    connection.close()


def test_a_missing_index_is_no_data(server: FaultServer) -> None:
    missing = {"type": "index_not_found_exception", "reason": "no such index [x]", "index": "x"}
    server.says("/x/_field_caps", answer({"error": {"root_cause": [missing], **missing}, "status": 404}, 404))
    connection = Connection(Access((server.url("").rstrip("/"),), "x"), timeout_s=2)

    assert connection.field_caps(["level"])["indices"] == []
    connection.close()


@pytest.mark.parametrize(
    ("access", "header"),
    [
        ({"username": "reader", "password": "hunter2"}, "Basic cmVhZGVyOmh1bnRlcjI="),
        ({"api_key": "a2V5"}, "ApiKey a2V5"),
        ({"bearer": "tok"}, "Bearer tok"),
        ({}, None),
    ],
)
def test_each_way_to_sign_in_is_sent_and_never_shown(
    server: FaultServer, access: dict[str, str], header: str | None
) -> None:
    server.says(MSEARCH, found())
    given = Access((server.url("").rstrip("/"),), **access)
    connection = Connection(given, timeout_s=2)

    connection.search(SEARCH)

    assert asked_of(server)[0].headers.get("authorization") == header
    assert not any(secret in repr(given) for secret in ("hunter2", "a2V5", "'tok'"))
    connection.close()


def test_every_search_has_a_limit_of_its_own_and_only_the_given_index(
    server: FaultServer, connection: Connection
) -> None:
    server.says(MSEARCH, found(WHOLE, WHOLE))

    connection.search([(None, {"size": 0}), (["a", "b"], {"size": 1})])

    head, body, second, _ = map(orjson.loads, gzip.decompress(asked_of(server)[0].body).splitlines())
    assert (head["index"], second["index"]) == ("halopsa-integration-*", ["a", "b"])
    assert body["timeout"] == "8s"


def test_a_reason_is_short_whatever_the_body_is() -> None:
    assert reason_of("<html>" * 1000) == ("<html>" * 1000)[:300]
    assert reason_of({"error": "plain"}) == "plain"
    assert reason_of({"error": {"type": "x"}}) == "x: x"
    assert reason_of(None) == "None"
