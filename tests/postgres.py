"""A private PostgreSQL server for the tests, in a folder of its own and by a user who is not root."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

USER = "owner"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server: its port and the password of USER, who may do everything."""

    port: int
    password: str
    folder: Path

    def url(self, database: str, user: str = USER, password: str = "") -> URL:
        """The address of a database on it."""
        return URL.create("postgresql+psycopg", user, password or self.password, "127.0.0.1", self.port, database)

    def new_database(self) -> URL:
        """A database that nobody has used."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Comes back when the server answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._control("-t", "60", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """At once, as a crash would."""
        self._control("-m", "immediate", "stop")

    def restart_without(self, meanwhile: Callable[[], None]) -> None:
        """Stops the server, does something, and starts it again."""
        self.stop()
        try:
            meanwhile()
        finally:
            self.start()

    def _control(self, *arguments: object) -> None:
        _as_postgres("pg_ctl", "-D", self.folder / "data", "-w", *arguments)

    def run(self, database: str, *statements: str) -> None:
        """Statements as USER, each committed by itself."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server on a free port until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="halo-ops-postgres-"))
    running = Cluster(_free_port(), secrets.token_hex(8), folder)
    (folder / "password").write_text(running.password, encoding="utf-8")
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    try:
        _as_postgres(
            "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-N"
        )
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder)


def program(name: str) -> str:
    """Where a program of the server is: Debian keeps them off the path."""
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[::-1]), None)
    assert found, f"PostgreSQL's {name} is not installed: run tests/install_tools.sh"
    return found


def _as_postgres(name: str, *arguments: object) -> None:
    command = [program(name), *map(str, arguments)]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    ran = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == 0, f"{name} failed:\n{ran.stdout}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
