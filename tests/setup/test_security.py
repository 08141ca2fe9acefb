"""What stands open: each finding on its own, and none where all is as it should be."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.settings import Settings
from lib.setup.base import Grade
from lib.setup.security import PYTHON_UNTIL, findings

SECRET = "s" * 24
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def of(tmp_path: Path, **given: object) -> dict[str, Grade]:
    tmp_path.chmod(0o755)
    rows = findings(Settings(data_dir=tmp_path, **given), tmp_path / ".env", NOW)  # type: ignore[arg-type]
    return {row.what: row.grade for row in rows}


def test_a_dashboard_at_home_has_no_open_finding(tmp_path: Path) -> None:
    assert set(of(tmp_path).values()) == {Grade.OK}


@pytest.mark.parametrize(
    ("given", "what", "grade"),
    [
        ({"sign_in": "proxy", "proxy_secret": SECRET}, "sign-in", Grade.WARNING),
        ({"sign_in": "proxy", "proxy_secret": SECRET, "admins": ("a@b.c",)}, "sign-in", Grade.OK),
        ({"sign_in": "proxy", "proxy_secret": SECRET, "default_role": "admin"}, "sign-in", Grade.FAILED),
        ({"es_verify": False}, "Elasticsearch's certificate", Grade.FAILED),
        ({"elasticsearch_node": "http://es.example:9200"}, "encryption", Grade.WARNING),
        ({"prometheus_url": "http://10.0.0.7:9090"}, "encryption", Grade.WARNING),
        ({"prometheus_url": "https://prometheus.example"}, "encryption", Grade.OK),
        (
            {"scrape_targets": ("http://localhost:3000/metrics", "http://127.0.0.1:3001/metrics")},
            "encryption",
            Grade.OK,
        ),
    ],
)
def test_each_setting_that_opens_something_is_found(
    tmp_path: Path, given: dict[str, object], what: str, grade: Grade
) -> None:
    assert of(tmp_path, **given)[what] is grade


@pytest.mark.parametrize(("mode", "grade"), [(0o600, Grade.OK), (0o640, Grade.OK), (0o644, Grade.WARNING)])
def test_a_file_of_secrets_that_everybody_can_read_is_found(tmp_path: Path, mode: int, grade: Grade) -> None:
    (tmp_path / ".env").write_text("ES_PASSWORD=x", encoding="utf-8")
    (tmp_path / ".env").chmod(mode)

    assert of(tmp_path)[".env"] is grade


def test_a_data_folder_that_everybody_can_write_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)

    rows = findings(Settings(data_dir=folder), tmp_path / ".env")

    assert next(row.grade for row in rows if row.what == "data folder") is Grade.WARNING


def test_an_old_version_with_known_holes_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["lib.setup.security"], "version", lambda name: "1.0.0" if name == "starlette" else "9.9.9"
    )

    found = of(tmp_path)

    assert (found["starlette"], found["streamlit"]) == (Grade.FAILED, Grade.OK)


def test_what_cannot_be_looked_at_is_no_ok(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(".env")  # leads to itself: found, and not to be read by anybody

    assert of(tmp_path)[".env"] is Grade.WARNING


def test_a_python_that_nobody_mends_any_more_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PYTHON_UNTIL, sys.version_info[:2], "2026-10")

    assert of(tmp_path)["Python"] is Grade.WARNING
