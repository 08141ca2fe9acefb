"""One door for every address that programs push to: the same order, the same words, whichever it is (A9; ASVS 5.0 4.1.3, 4.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from lib.alerts.api import AlertApi, Tally
from lib.doorkeeper import METHODS, MOST_SOURCES, Pace
from lib.heartbeats import api as heartbeats
from lib.heartbeats.log import HeartbeatLog
from lib.settings import Settings
from lib.state.database import State, sqlite_url
from lib.state.migrate import open_state

TOKEN = "t" * 24
JSON = {"content-type": "application/json"}
GOOD = {"authorization": f"Bearer {TOKEN}", **JSON}
BODIES = {"/api/alerts": b'{"key": "k", "status": "firing"}', "/api/heartbeat/backup": b"{}"}
Asked = Callable[..., TestClient]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield lambda **given: TestClient(app(state, **given), base_url="http://localhost:8501")
    state.close()


def app(state: State, token: str = TOKEN, now: Callable[[], float] = lambda: 0.0) -> Starlette:
    settings = Settings(_env_file=None, heartbeat_token=token, heartbeats=("backup=24h/2h",) if token else ())  # type: ignore[call-arg, arg-type]
    alerts = AlertApi(SecretStr(token), lambda: state, pace=Pace(clock=now), tally=Tally())
    beats = heartbeats.routes(settings, lambda: HeartbeatLog(state), pace=Pace(clock=now))
    return Starlette(routes=[Mount("/api", routes=[*alerts.routes(), *beats])])


WRONG = [
    ({"authorization": "Bearer x"}, 401), ({}, 401), ({"authorization": f"Basic {TOKEN}"}, 401),
    ({"authorization": f"Bearer {TOKEN}", "content-type": "text/plain"}, 415),
    ({**GOOD, "content-encoding": "gzip"}, 415),
]  # fmt: skip


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(("headers", "code"), WRONG)
def test_what_is_refused_has_its_code_and_repeats_nothing(
    asked: Asked, path: str, headers: dict[str, str], code: int
) -> None:
    got = asked().post(path, content=BODIES[path], headers=headers)

    assert got.status_code == code
    assert TOKEN not in got.text
    assert got.headers["cache-control"] == "no-store"
    assert got.headers.get("www-authenticate") == ("Bearer" if code == 401 else None)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("method", METHODS)
def test_while_it_is_off_every_request_is_a_404_that_says_what_to_set(asked: Asked, path: str, method: str) -> None:
    got = asked(token="").request(method, path, headers=GOOD)

    assert got.status_code == 404
    assert method == "HEAD" or "_TOKEN" in got.json()["error"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("method", [name for name in METHODS if name != "POST"])
def test_another_method_is_a_405_before_the_token_is_looked_at(asked: Asked, path: str, method: str) -> None:
    got = asked().request(method, path)

    assert (got.status_code, got.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", BODIES)
def test_sixty_a_minute_whether_right_or_wrong_and_a_right_one_then_waits_too(asked: Asked, path: str) -> None:
    now = [0.0]
    client = asked(now=lambda: now[0])
    codes = {client.post(path, content=BODIES[path], headers=JSON).status_code for _ in range(60)}

    refused = client.post(path, content=BODIES[path], headers=GOOD)
    now[0] = 60.0
    taken = client.post(path, content=BODIES[path], headers=GOOD)

    assert codes == {401}
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert taken.status_code == 200


def test_the_minute_slides_so_that_no_edge_lets_twice_as_many_in() -> None:
    now = [0.0]
    pace = Pace(2, lambda: now[0])

    waits: list[Any] = []
    for second in (0, 59, 59.5, 60, 61):
        now[0] = second
        waits.append(pace.wait_s("a"))

    assert waits == [0, 0, 0.5, 0, 58]


def test_a_crowd_of_addresses_costs_no_more_than_a_thousand_entries() -> None:
    pace = Pace(clock=lambda: 0.0)

    for number in range(5000):
        pace.wait_s(str(number))

    assert pace.sources == MOST_SOURCES
