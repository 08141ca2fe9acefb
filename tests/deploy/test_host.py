"""The systemd unit, judged by systemd itself, and the image: what it copies is enough to run. No image is built."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lib import settings
from tests.proxy import DEPLOY, ROOT, free_ports, replaced, until

DOCKER = DEPLOY / "docker"


def instructions() -> list[tuple[str, list[str]]]:
    """(word, arguments) of each line of the Dockerfile."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split()[1:]) for line in lines]


@pytest.mark.live
def test_the_unit_is_valid_to_systemd(tmp_path: Path) -> None:
    shipped = (DEPLOY / "systemd" / "halo-ops.service").read_text(encoding="utf-8")
    unit = tmp_path / "halo-ops.service"
    unit.write_text(replaced(shipped, {"/opt/halo-ops/.venv/bin/python": sys.executable, "/opt/halo-ops": str(ROOT)}))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.live
def test_systemd_would_notice_a_wrong_line(tmp_path: Path) -> None:
    unit = tmp_path / "halo-ops.service"
    unit.write_text(f"[Service]\nExecStart={sys.executable}\nProtectSystems=strict\n")

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )

    assert "ProtectSystems" in done.stderr


def test_the_unit_does_not_restart_on_settings_that_are_wrong() -> None:
    unit = (DEPLOY / "systemd" / "halo-ops.service").read_text(encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env={"PATH": os.environ["PATH"], "HALO_OPS_PORT": "0"}, check=False,
        capture_output=True, timeout=60,
    )  # fmt: skip

    assert f"RestartPreventExitStatus={ended.returncode}\n" in unit


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the Dockerfile copies, and nothing else of the project."""
    folder = tmp_path / "app"
    for word, arguments in instructions():
        if word == "COPY" and not arguments[0].startswith("--from") and arguments[-1].startswith("./"):
            source, target = ROOT / arguments[0], folder / arguments[1]
            file = source.is_file() and arguments[1].endswith("/")
            _copy(source, target / source.name if file else target)
    return folder


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("lib.settings --check", 0, ""),
        ("lib.state backup backup.sqlite", 1, "there is no"),
        ("lib.logs.elastic.install", 1, "no connection"),
        ("lib.contract --metrics metrics.prom", 1, "missing"),
        ("lib.collect.backfill none*.log", 2, ""),
    ],
)
def test_the_commands_of_the_docs_work_in_the_image(image: Path, command: str, code: int, words: str) -> None:
    (image / "metrics.prom").write_text("queue_size 1\n", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HALO_OPS_DATA_DIR": str(image / "data"), "HOME": str(image),
                   "ELASTICSEARCH_NODE": "http://127.0.0.1:9"}  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=image, env=environment, check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert words in done.stdout + done.stderr


def test_what_the_image_copies_is_enough_to_serve(image: Path, tmp_path: Path) -> None:
    [port] = free_ports(1)
    environment = {"PATH": os.environ["PATH"], "HALO_OPS_DATA_DIR": str(tmp_path / "data"), "HALO_OPS_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=image, env=environment | {"HOME": str(tmp_path)})
    try:
        until(lambda: _status(f"http://127.0.0.1:{port}/livez") == 200, process)
        assert _status(f"http://127.0.0.1:{port}/readyz") == 200
        assert _status(f"http://127.0.0.1:{port}/api/health") == 200
    finally:
        process.terminate()
        process.wait(20)


def test_the_build_context_holds_what_is_copied_and_nothing_private() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    copied = {a[0] for word, a in instructions() if word == "COPY" and not a[0].startswith("--from")}

    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / path).exists() for path in copied)


def test_the_image_runs_as_nobody_and_says_whether_it_lives() -> None:
    found = dict(instructions())
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    probe = re.search(r"HEALTHCHECK.*?CMD (\[.*?\])$", text, re.DOTALL | re.MULTILINE)

    assert found["USER"] == ["10001:10001"]
    assert "--require-hashes" in text
    assert probe
    assert f"127.0.0.1:{settings.Settings.model_fields['port'].default}/livez" in probe[1]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _status(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text(encoding="utf-8"))
    return loaded


def test_compose_shares_the_dashboards_loopback_with_nginx_and_opens_nothing_else() -> None:
    services = compose()["services"]

    assert services["nginx"]["network_mode"] == "service:dashboard"
    assert services["dashboard"]["ports"] == ["80:80", "443:443"]
    assert [name for name, one in services.items() if "ports" in one] == ["dashboard"]


def test_composes_files_and_volumes_are_there_and_its_settings_exist() -> None:
    loaded = compose()
    known = {
        name for field, info in settings.Settings.model_fields.items() for name in settings.variable_names(field, info)
    }
    for name, service in loaded["services"].items():
        for volume in service.get("volumes", []):
            source = volume.replace(":-", "").split(":")[0]
            there = source in loaded["volumes"] or source.startswith("${") or "secrets/" in source
            assert there or (DOCKER / source).exists(), f"{name} mounts {source}"
    assert set(loaded["services"]["dashboard"]["environment"]) <= known
    assert (DOCKER / loaded["services"]["dashboard"]["build"]["context"]).resolve() == ROOT


@pytest.mark.live
def test_prometheus_takes_its_configuration_of_compose(tmp_path: Path) -> None:
    for source in (DOCKER / "prometheus.yml", DEPLOY / "prometheus" / "rules.yml"):
        shutil.copy(source, tmp_path)

    command = shlex.split(f"promtool check config {tmp_path / 'prometheus.yml'}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.live
@pytest.mark.parametrize(
    ("needs", "command"),
    [
        ("docker version", "docker build -f deploy/docker/Dockerfile -t halo-ops:test ."),
        ("docker compose version", "docker compose -f deploy/docker/compose.yml config --quiet"),
    ],
)
def test_docker_takes_the_files(needs: str, command: str) -> None:
    if shutil.which("docker") is None or _run(needs, 30).returncode:
        pytest.skip(f"`{needs}` does not work on this machine, so this was not run: {command}")

    done = _run(command, 900)

    assert done.returncode == 0, done.stderr[-2000:]


def _run(command: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )
