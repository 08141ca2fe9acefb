"""The shipped rules, judged by Prometheus' own tool: what they do, and that its tests would notice a change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lib.alerts.rules import load_rules

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
GUIDE = ROOT / "tests" / "alerts"
pytestmark = pytest.mark.live


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs promtool; its absence is a failure, not a skip."""
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: install it with `apt-get install prometheus`"
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", [DEPLOY / "rules.yml", GUIDE / "guide-rules.yml"], ids=["ours", "guide"])
def test_both_rule_files_are_valid_and_hold_the_five_rules(path: Path) -> None:
    checked = promtool("check", "rules", path)

    assert checked.returncode == 0, checked.stderr
    assert "5 rules found" in checked.stdout
    assert len(load_rules(path)) == 5


def test_the_rules_about_the_dashboard_are_valid() -> None:
    path = DEPLOY / "halo-ops-rules.yml"

    checked = promtool("check", "rules", path)

    assert checked.returncode == 0, checked.stderr
    assert f"{len(load_rules(path))} rules found" in checked.stdout


def test_the_scrape_configuration_is_valid() -> None:
    checked = promtool("check", "config", DEPLOY / "prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "path", [*sorted((DEPLOY / "tests").glob("*.yml")), GUIDE / "guide-rules_test.yml"], ids=lambda path: path.name
)
def test_the_rules_do_what_their_tests_say(path: Path) -> None:
    tested = promtool("test", "rules", path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> 0.05", "> 0.045"),
        ("> 0.05", "> 0.07"),
        ("> 5\n", "> 8\n"),
        ("sum by (le) (rate(http_request_duration_seconds_bucket[5m]))", "rate(http_request_duration_seconds_bucket[5m])"),
        ("> 0.9", ">= 0.9"),
        ("> 1000", ">= 1000"),
        ("* 60 > 10", "> 10"),
        ("sum by (source)", "sum"),
        ("for: 5m", "for: 1m"),
        ("for: 2m", "for: 5m"),
        ("humanizePercentage", "humanize"),
        ("humanizeDuration", "humanize"),
        ("severity: critical", "severity: warning"),
    ],
)  # fmt: skip
def test_a_changed_rule_does_not_pass_its_tests(tmp_path: Path, old: str, new: str) -> None:
    text = (DEPLOY / "rules.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules.yml").write_text(text.replace(old, new), encoding="utf-8")
    shutil.copy(DEPLOY / "tests" / "rules_test.yml", tmp_path / "tests")

    assert promtool("test", "rules", tmp_path / "tests" / "rules_test.yml").returncode != 0
