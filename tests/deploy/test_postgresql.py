"""The shipped roles: the dashboard's own can add to the audit and read it, and nothing else (A24)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from lib.errors import SourceUnavailable
from lib.identity.roles import Action, Actor, Role, Via
from lib.state import audit
from lib.state.database import State
from lib.state.health_sql import SqlHealthLog
from lib.state.migrate import open_state
from lib.window import Window
from tests.postgres import USER, Cluster, cluster, program
from tests.state.test_health_sql import history, probe

ROLES = Path(__file__).parents[2] / "deploy" / "postgresql" / "roles.sql"
ANNA = Actor("anna@example.com", Role.ADMIN, Via.OIDC)
pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server of its own, as roles are the whole server's, set up by the shipped file."""
    with cluster() as running:
        given = ["-v", "owner_password=owns", "-v", "password=runs", "-v", "ON_ERROR_STOP=1", "-f", str(ROLES)]
        where = ["-h", "127.0.0.1", "-p", str(running.port), "-U", USER, "-d", "postgres"]
        environment = os.environ | {"PGPASSWORD": running.password}
        ran = subprocess.run(
            [program("psql"), "-X", "-q", *given, *where], env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        yield running


@pytest.fixture(scope="module")
def state(server: Cluster) -> Iterator[State]:
    """The state as the dashboard opens it, after the owner has migrated it, with one line in the audit."""
    with pytest.raises(SourceUnavailable, match="permission denied"):
        open_state(server.url("halo_ops", "halo_ops", "runs"))  # before that it cannot, and says so
    open_state(server.url("halo_ops", "halo_ops_owner", "owns")).close()
    opened = open_state(server.url("halo_ops", "halo_ops", "runs"))
    audit.act(opened, ANNA, audit.Deed(Action.REVEAL, "lead 7"))
    yield opened
    opened.close()


def test_the_dashboards_role_does_its_work(state: State) -> None:
    health = SqlHealthLog(state)
    probe(health, 0)
    probe(health, 15)

    assert history(health) == [("healthy", 0, 15)]
    assert health.retain(datetime(2027, 1, 1, tzinfo=UTC)) == 2


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit SET who = 'eve'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DROP TABLE audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_append_only ON audit",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_dashboards_role_can_only_add_to_the_audit(state: State, attempt: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"permission denied|must be owner"), state.connected() as connection:
        connection.execute(text(attempt))

    moment = datetime.now(UTC)
    found = audit.search(state, ANNA, Window(moment - timedelta(hours=1), moment + timedelta(minutes=1)))
    assert found["who"].tolist() == [ANNA.name]


@pytest.mark.parametrize("attempt", ["UPDATE audit SET who = 'eve'", "DELETE FROM audit", "TRUNCATE audit"])
def test_not_even_the_owner_changes_it_by_a_slip(server: Cluster, state: State, attempt: str) -> None:
    owner = open_state(server.url("halo_ops", "halo_ops_owner", "owns"))

    with pytest.raises(SourceUnavailable, match="append-only"), owner.connected() as connection:
        connection.execute(text(attempt))
    owner.close()
