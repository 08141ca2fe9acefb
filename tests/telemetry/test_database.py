"""The hooks measure what a real SQLite engine does."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from lib.telemetry.database import counting_timeouts, instrument, query_type
from lib.telemetry.metrics import Metrics


@pytest.fixture
def engine(tmp_path: Path, metrics: Metrics) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path}/crm.db", pool_size=2, max_overflow=1, pool_timeout=0.05)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE leads (id INTEGER PRIMARY KEY)"))
    instrument(made, metrics)
    yield made
    made.dispose()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_queries_are_timed_by_their_kind(engine: Engine, metrics: Metrics) -> None:
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO leads VALUES (:id)"), [{"id": 1}, {"id": 2}])
        connection.execute(text("select * from leads")).all()
        connection.execute(text("\n  SELECT 1")).all()
        connection.execute(text("UPDATE leads SET id = 3 WHERE id = 2"))
        connection.execute(text("DELETE FROM leads"))

    kinds = ("select", "insert", "update", "delete")
    counts = {kind: value(metrics, "db_query_duration_seconds_count", query_type=kind) for kind in kinds}
    assert counts == {"select": 2, "insert": 1, "update": 1, "delete": 1}
    spent_s = value(metrics, "db_query_duration_seconds_sum", query_type="select")
    assert spent_s is not None
    assert 0 < spent_s < time.perf_counter() - began


def test_errors_are_counted_by_class_and_never_by_text(engine: Engine, metrics: Metrics) -> None:
    with pytest.raises(OperationalError), engine.begin() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    for _ in range(2):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text("INSERT INTO leads VALUES (:id)"), [{"id": 1}, {"id": 1}])

    assert value(metrics, "db_errors_total", error_type="OperationalError") == 1
    assert value(metrics, "db_errors_total", error_type="IntegrityError") == 2


def test_connections_in_use_and_allowed_are_those_of_the_pool(engine: Engine, metrics: Metrics) -> None:
    with engine.connect(), engine.connect():
        during = value(metrics, "db_connections_active")
    after = value(metrics, "db_connections_active")

    assert (during, after) == (2, 0)
    assert value(metrics, "db_connections_max") == 3


def test_a_pool_that_was_replaced_is_still_watched(engine: Engine, metrics: Metrics) -> None:
    engine.dispose()

    with engine.connect():
        during = value(metrics, "db_connections_active")

    assert during == 1


def test_an_exhausted_pool_counts_as_an_error_and_shows_full(engine: Engine, metrics: Metrics) -> None:
    held = [engine.connect() for _ in range(3)]

    with pytest.raises(PoolTimeout), counting_timeouts(metrics):
        engine.connect()

    assert value(metrics, "db_errors_total", error_type="PoolTimeout") == 1
    assert value(metrics, "db_connections_active") == value(metrics, "db_connections_max")
    for connection in held:
        connection.close()


def test_a_pool_without_a_limit_says_so(tmp_path: Path, metrics: Metrics) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/crm.db", poolclass=NullPool)
    instrument(engine, metrics)

    with engine.connect():
        during = value(metrics, "db_connections_active")

    assert (during, value(metrics, "db_connections_active")) == (1, 0)
    assert value(metrics, "db_connections_max") == float("inf")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [("SELECT 1", "select"), (" insert\tinto x", "insert"), ("WITH a AS (SELECT 1) SELECT 1", "other"), ("", "other")],
)
def test_the_kind_is_the_first_word(sql: str, kind: str) -> None:
    assert query_type(sql) == kind
