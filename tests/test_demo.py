"""`make demo` as a person meets it: it comes up, says where, ends with everything it started, and says what went wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]
ROOT = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lib.demo", "--dir", str(folder), "--port", str(port), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def up(demo: subprocess.Popen[str], port: int, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        assert demo.poll() is None, demo.stdout and demo.stdout.read()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not answer")


def announced(demo: subprocess.Popen[str], port: int) -> str:
    """What it printed until it named its address; it may answer a moment before it says so."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if f"http://127.0.0.1:{port}" in line:
            break
    return "".join(lines)


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_the_demo_comes_up_and_ends_with_everything_it_started(tmp_path: Path, end: int, code: int) -> None:
    port = free_port()
    demo = start(tmp_path, port, "--days", "0")
    up(demo, port)
    said = announced(demo, port)
    family = psutil.Process(demo.pid).children(recursive=True)

    os.kill(demo.pid, end)
    demo.communicate(timeout=10)

    assert demo.returncode == code
    assert f"http://127.0.0.1:{port}" in said
    assert len(family) == 5
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_a_part_that_dies_is_named_and_ends_the_demo(tmp_path: Path) -> None:
    port = free_port()
    demo = start(tmp_path, port, "--days", "0")
    up(demo, port)
    dashboard = next(c for c in psutil.Process(demo.pid).children() if c.cmdline()[-1].endswith("app.py"))

    dashboard.kill()
    said, _ = demo.communicate(timeout=15)

    assert demo.returncode == 1
    assert "dashboard ended with signal SIGKILL" in said


def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        demo = start(tmp_path, port)
        said, _ = demo.communicate(timeout=20)

    assert demo.returncode == 1
    assert f"port {port} is taken" in said
    assert list(tmp_path.iterdir()) == []


def test_a_second_demo_in_the_same_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    port = free_port()
    demo = start(tmp_path, port, "--days", "0")
    up(demo, port)

    second = start(tmp_path, free_port(), "--days", "0")
    said, _ = second.communicate(timeout=20)

    assert second.returncode == 1
    assert "another demo runs" in said
    assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    demo.terminate()
    assert demo.wait(10) == 0
    assert demo.stdout is not None
    demo.stdout.close()
