"""The integration's database: leads, prospects, opportunities and backups in SQLite behind a small pool."""

from __future__ import annotations

import random
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, text

from lib.simulator import catalogue as c
from lib.telemetry.database import counting_timeouts, instrument
from lib.telemetry.metrics import Metrics

POOL_TIMEOUT_S = 2.0
DAY_S = 86_400.0
_SEED_LEADS = 6_000
_SCHEMA = """
CREATE TABLE leads (id TEXT PRIMARY KEY, email TEXT, company TEXT, domain TEXT, source TEXT, score INTEGER,
                    created REAL, converted REAL);
CREATE INDEX leads_created ON leads (created);
CREATE TABLE prospects (id TEXT PRIMARY KEY, lead TEXT, client INTEGER, created REAL);
CREATE TABLE opportunities (id TEXT PRIMARY KEY, prospect TEXT, value REAL, probability INTEGER, created REAL);
CREATE TABLE backups (ended REAL);
"""


def prepare(path: Path, now_s: float) -> None:
    """A new database with a month of leads behind it."""
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("PRAGMA journal_mode = WAL")
        made.executescript(_SCHEMA)
        leads, prospects = [], []
        for _ in range(_SEED_LEADS):
            lead, created = _lead(), now_s - random.random() * 30 * DAY_S
            converted = created + DAY_S if random.random() < c.CONVERSION_RATE else None
            leads.append((*lead, random.choice(c.SOURCES), random.randint(1, 99), created, converted))
            if converted:
                prospects.append((f"pros_{uuid.uuid4().hex[:10]}", lead[0], random.randint(1000, 9999), converted))
        made.executemany("INSERT INTO leads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", leads)
        made.executemany("INSERT INTO prospects VALUES (?, ?, ?, ?)", prospects)
        made.execute("INSERT INTO backups VALUES (?)", [last_backup_due(now_s)])


def _lead() -> tuple[str, str, str, str]:
    name, company = random.choice(c.PEOPLE), random.choice(c.COMPANIES)
    domain = company.lower().replace(" ", "-") + ".example"
    return f"lead_{uuid.uuid4().hex[:10]}", f"{name}.{random.randint(1, 900)}@{domain}", company, domain


def last_backup_due(now_s: float) -> float:
    """When the last nightly backup ended, if all went well: 02:00:41 UTC."""
    return (now_s - 7200) // DAY_S * DAY_S + 7200 + 41


class Database:
    """Blocking questions: call them in a thread. Each may raise the pool's TimeoutError."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path, self._metrics = path, metrics
        self.engine: Engine = create_engine(
            f"sqlite:///{path}", poolclass=QueuePool, pool_size=c.POOL_SIZE, max_overflow=c.POOL_OVERFLOW,
            pool_timeout=POOL_TIMEOUT_S, connect_args={"check_same_thread": False, "timeout": 5},
        )  # fmt: skip
        event.listen(self.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous = OFF"))
        instrument(self.engine, metrics)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with counting_timeouts(self._metrics), self.engine.begin() as connection:
            yield connection

    def _rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with self._begin() as connection:
            return [dict(row) for row in connection.execute(text(sql), values).mappings()]

    def _do(self, sql: str, **values: Any) -> None:
        with self._begin() as connection:
            connection.execute(text(sql), values)

    def ping(self) -> None:
        """Raises where the database does not answer."""
        self._rows("SELECT 1")

    def leads(self, page: int) -> list[dict[str, Any]]:
        """Fifty leads, newest first."""
        sql = "SELECT id, email, company, source, score, converted FROM leads ORDER BY created DESC LIMIT 50 OFFSET :n"
        return self._rows(sql, n=50 * (page - 1))

    def lead(self, lead_id: str) -> dict[str, Any] | None:
        """One lead; None where there is none."""
        return next(iter(self._rows("SELECT * FROM leads WHERE id = :id", id=lead_id)), None)

    def add_lead(self, lead: dict[str, Any], source: str) -> None:
        """Keeps a new lead."""
        self._do(
            "INSERT INTO leads VALUES (:id, :email, :company, :domain, :source, 0, :now, NULL)",
            **{key: lead.get(key, "") for key in ("id", "email", "company", "domain")}, source=source, now=time.time(),
        )  # fmt: skip

    def touch_lead(self, lead_id: str) -> None:
        """Looks for a synced lead and updates it."""
        self._rows("SELECT id FROM leads WHERE id = :id", id=lead_id)
        self._do("UPDATE leads SET score = score WHERE id = :id", id=lead_id)

    def score_lead(self, lead_id: str, score: int) -> None:
        """Keeps a lead's score."""
        self._do("UPDATE leads SET score = :score WHERE id = :id", id=lead_id, score=score)

    def convert(self, lead_id: str, client: int) -> str:
        """The lead becomes a prospect, whose id is returned."""
        prospect, now = f"pros_{uuid.uuid4().hex[:10]}", time.time()
        self._do("UPDATE leads SET converted = :now WHERE id = :id", id=lead_id, now=now)
        self._do("INSERT INTO prospects VALUES (:id, :lead, :client, :now)",
                 id=prospect, lead=lead_id, client=client, now=now)  # fmt: skip
        return prospect

    def prospect(self, prospect_id: str) -> dict[str, Any] | None:
        """One prospect; None where there is none."""
        return next(iter(self._rows("SELECT * FROM prospects WHERE id = :id", id=prospect_id)), None)

    def prospects(self) -> list[str]:
        """Ids of the newest prospects."""
        return [row["id"] for row in self._rows("SELECT id FROM prospects ORDER BY created DESC LIMIT 100")]

    def opportunities(self, page: int) -> list[dict[str, Any]]:
        """Fifty opportunities, newest first."""
        return self._rows("SELECT * FROM opportunities ORDER BY created DESC LIMIT 50 OFFSET :n", n=50 * (page - 1))

    def add_opportunity(self, opportunity: dict[str, Any]) -> None:
        """Keeps a new opportunity."""
        self._do("INSERT INTO opportunities VALUES (:id, :prospect, :value, :probability, :now)",
                 **{k: opportunity[k] for k in ("id", "prospect", "value", "probability")}, now=time.time())  # fmt: skip

    def pipeline(self) -> list[dict[str, Any]]:
        """Leads and conversions by source."""
        return self._rows("SELECT source, count(*) AS leads, count(converted) AS converted FROM leads GROUP BY source")

    def conversion_rate(self, days: int) -> float | None:
        """Converted share (0–1) of the leads that came in the last `days`; None where none came."""
        sql = "SELECT count(*) AS leads, count(converted) AS converted FROM leads WHERE created > :since"
        row = self._rows(sql, since=time.time() - days * DAY_S)[0]
        return row["converted"] / row["leads"] if row["leads"] else None

    def last_backup(self) -> float:
        """When the last good backup ended, seconds since the epoch."""
        return float(self._rows("SELECT max(ended) AS ended FROM backups")[0]["ended"])

    def backup(self) -> int:
        """Copies the database beside itself and notes when that was done; the copy's size in bytes."""
        with closing(sqlite3.connect(self._path)) as source:
            target = self._path.with_suffix(".backup")
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        self._do("INSERT INTO backups VALUES (:now)", now=time.time())
        return target.stat().st_size
