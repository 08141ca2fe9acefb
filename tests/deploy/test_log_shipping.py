"""The Fluentd and Elasticsearch files by their structure, with the guide's mistakes in mind."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.proxy import DEPLOY

ELASTIC = DEPLOY / "elasticsearch"
GUIDE_FIELDS = {
    "timestamp", "level", "message", "service", "version", "method", "url", "status", "duration", "ip", "userAgent",
    "requestId", "headers", "body", "statusCode", "responseSize", "event", "leadId", "source", "company", "email",
    "prospectId", "opportunityId", "value", "probability", "expectedCloseDate", "stats", "operation", "error", "stack",
}  # fmt: skip


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ELASTIC / name).read_text(encoding="utf-8"))
    return loaded


def fluentd() -> str:
    lines = (DEPLOY / "fluentd" / "halopsa-integration.conf").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if not line.strip().startswith("#"))


def test_fluentd_reads_each_record_once() -> None:
    path = re.search(r"^path (\S+)$", fluentd(), re.MULTILINE)

    assert path
    names = [Path(f"/var/log/halopsa-integration/{name}") for name in ("combined.log", "combined1.log", "error.log")]
    assert [fnmatch.fnmatch(str(name), path[1]) for name in names] == [True, True, False]
    for line in ("follow_inodes true", "read_from_head true", "id_key _hash", "hash_id_key _hash"):
        assert re.search(rf"^{line}$", fluentd(), re.MULTILINE), line


def test_fluentd_keeps_the_events_own_time_and_writes_daily_indices() -> None:
    assert "time_key timestamp\ntime_type string\ntime_format %iso8601\nkeep_time_key true" in fluentd()
    assert "logstash_prefix halopsa-integration\nlogstash_dateformat %Y.%m.%d" in fluentd()


def test_fluentds_sections_are_closed_in_order_and_its_password_stands_nowhere() -> None:
    stack: list[str] = []
    for line in fluentd().splitlines():
        if opened := re.fullmatch(r"<(\w+)( [^>]*)?>", line):
            stack.append(opened[1])
        elif closed := re.fullmatch(r"</(\w+)>", line):
            assert stack.pop() == closed[1]

    assert stack == []
    assert re.findall(r"^password (.*)$", fluentd(), re.MULTILINE) == ["\"#{ENV['ES_PASSWORD']}\""]


def test_the_template_covers_the_indices_and_every_field_of_the_guide() -> None:
    template = load("index-template.json")
    fields = template["template"]["mappings"]["properties"]

    assert any(fnmatch.fnmatch("halopsa-integration-2026.11.24", one) for one in template["index_patterns"])
    assert set(fields) >= GUIDE_FIELDS | {"@timestamp", "pattern"}
    assert {fields[name]["type"] for name in ("level", "event", "source", "requestId", "url")} == {"keyword"}
    assert all(fields[name]["copy_to"] == "everything" for name in ("message", "error", "url", "requestId", "leadId"))
    assert all(fields[name] == {"type": "object", "enabled": False} for name in ("headers", "body"))
    assert set(template["ignore_missing_component_templates"]) == set(template["composed_of"])


def test_daily_indices_are_not_rolled_over_and_nothing_of_the_policy_is_gone_from_elasticsearch() -> None:
    phases = load("lifecycle-policy.json")["policy"]["phases"]
    actions = {action for phase in phases.values() for action in phase["actions"]}

    assert actions == {"set_priority", "readonly", "forcemerge", "delete"}


def test_an_index_gets_warm_cold_and_deleted_at_the_ages_of_the_guide() -> None:
    phases = load("lifecycle-policy.json")["policy"]["phases"]

    assert {name: phase["min_age"] for name, phase in phases.items()} == {
        "hot": "0ms", "warm": "7d", "cold": "30d", "delete": "90d"
    }  # fmt: skip
    name = load("lifecycle-component.json")["template"]["settings"]["index.lifecycle.name"]
    assert name == load("index-template.json")["index_patterns"][0].removesuffix("-*")


@pytest.mark.live
def test_fluentd_takes_its_file() -> None:
    if shutil.which("fluentd") is None:
        pytest.skip("fluentd is not on this machine, so this was not run: fluentd --dry-run")

    done = subprocess.run(
        ["fluentd", "--dry-run", "-c", str(DEPLOY / "fluentd" / "halopsa-integration.conf")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2000:]
