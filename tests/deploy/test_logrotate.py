"""The shipped logrotate file, run by logrotate under a service that keeps its file open, as Winston does."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import threading
from pathlib import Path

import pytest

from lib.settings import Settings
from tests.collect.log_files import Desk, line_of
from tests.proxy import DEPLOY, replaced, until

pytestmark = pytest.mark.live
TURNS, LINES = 6, 100


def test_every_line_of_a_service_that_never_reopens_its_file_is_read_once(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    changes = {"/var/log/halopsa-integration": str(logs), "su halopsa halopsa": f"su {user} {group}"}
    configuration = tmp_path / "rotate.conf"
    shipped = (DEPLOY / "logrotate" / "halopsa-integration").read_text(encoding="utf-8")
    configuration.write_text(replaced(shipped, changes), encoding="utf-8")
    desk, stop = Desk(logs, pattern="combined*.log"), threading.Event()
    reader = threading.Thread(target=desk.tail.run, args=(stop,))
    reader.start()

    written = []
    with (logs / "combined.log").open("ab", buffering=0) as service:
        for turn in range(TURNS):
            for n in range(LINES):
                written.append(f"turn {turn} line {n}")
                service.write(line_of(written[-1]))
            until(lambda: len(desk.sink.rows) == len(written))
            command = ["/usr/sbin/logrotate", "-f", "-s", str(tmp_path / "state"), str(configuration)]
            subprocess.run(command, check=True, capture_output=True)
        size = (logs / "combined.log").stat().st_size
        service.write(line_of("last"))
        grew = (logs / "combined.log").stat().st_size - size
    until(lambda: "last" in desk.sink.messages)
    stop.set()
    reader.join()

    assert grew == len(line_of("last")), "the service writes into a file that was rotated away"
    assert sorted(desk.sink.messages) == sorted([*written, "last"])
    assert len(list(logs.glob("combined.log.*.gz"))) == TURNS - 1
    assert (logs / "combined.log.1").exists()


def test_it_keeps_as_many_days_as_the_dashboard_does() -> None:
    shipped = (DEPLOY / "logrotate" / "halopsa-integration").read_text(encoding="utf-8")
    days = Settings.model_fields["retention_logs_days"].default

    assert "    daily\n" in shipped
    assert f"    rotate {days}\n" in shipped
