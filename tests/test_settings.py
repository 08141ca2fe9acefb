"""Settings: where values come from, and how wrong ones are refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from lib import settings
from lib.errors import SettingsError
from lib.setting_remote import hosts_of

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, field in settings.Settings.model_fields.items():
        for variable in settings.variable_names(name, field):
            monkeypatch.delenv(variable, raising=False)
            monkeypatch.delenv(variable + "_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_guides_own_names_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_NODE", "https://es.example:9200")
    monkeypatch.setenv("ES_USERNAME", "reader")
    monkeypatch.setenv("ES_PASSWORD", "hunter2")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x")
    monkeypatch.setenv("HALOPSA_BASE_URL", "https://acme.halopsa.com")
    monkeypatch.setenv("LOG_LEVEL", "WARN")

    loaded = settings.load()

    assert loaded.elasticsearch_node == "https://es.example:9200"
    assert loaded.es_username == "reader"
    assert loaded.es_password.get_secret_value() == "hunter2"
    assert loaded.slack_webhook_url.get_secret_value().endswith("/x")
    assert loaded.halopsa_base_url == "https://acme.halopsa.com"
    assert loaded.log_level == "warning"


def test_a_secret_is_read_from_the_file_that_its_name_points_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("from-file\n", encoding="utf-8")
    monkeypatch.setenv("ES_USERNAME", "reader")
    monkeypatch.setenv("ES_PASSWORD_FILE", str(tmp_path / "password"))

    loaded = settings.load()

    assert loaded.es_password.get_secret_value() == "from-file"


def test_the_env_file_can_name_a_file_too_and_what_the_environment_names_goes_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(f"from-{name}\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"ES_API_KEY_FILE={tmp_path / 'first'}\nES_API_KEY=plain\n", encoding="utf-8")

    in_env_file = settings.load()
    origin = {row["name"]: row["origin"] for row in settings.table(in_env_file)}["ES_API_KEY"]
    monkeypatch.setenv("ES_API_KEY_FILE", str(tmp_path / "second"))
    in_environment = settings.load()

    assert in_env_file.es_api_key.get_secret_value() == "from-first"
    assert origin == f"file {tmp_path / 'first'} (ES_API_KEY_FILE)"
    assert in_environment.es_api_key.get_secret_value() == "from-second"


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HALO_OPS_PORT=9000\nHALO_OPS_JOB=from-file\n", encoding="utf-8")
    monkeypatch.setenv("HALO_OPS_PORT", "9001")

    loaded = settings.load()

    assert (loaded.port, loaded.job) == (9001, "from-file")


def test_every_problem_is_listed_at_once_by_the_name_that_was_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HALO_OPS_PORT", "eight")
    monkeypatch.setenv("HALO_OPS_ZONE", "Mars/Olympus")
    monkeypatch.setenv("HALO_OPS_ADDRESS", "0.0.0.0")
    monkeypatch.setenv("HALO_OPS_SCRAPE_TARGETS", "localhost:3000/metrics")
    monkeypatch.setenv("HALO_OPS_LOG_FILES", "logs/combined*.log")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("ES_PASSWORD_FILE", "/no/such/file")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("HALO_OPS_JOB_FILE", str(tmp_path / "binary"))

    with pytest.raises(SettingsError) as refused:
        settings.load()

    problems = str(refused.value).splitlines()
    named = {line.partition(":")[0] for line in problems}
    assert named == {
        "HALO_OPS_PORT", "HALO_OPS_ZONE", "HALO_OPS_ADDRESS", "HALO_OPS_SCRAPE_TARGETS", "HALO_OPS_LOG_FILES", "LOG_LEVEL", "ES_PASSWORD",
        "HALO_OPS_JOB",
    }  # fmt: skip
    assert "ES_PASSWORD: the file /no/such/file that ES_PASSWORD_FILE names cannot be read" in str(refused.value)


def test_a_secret_is_shown_only_as_set_or_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/canary")

    rows = settings.table(settings.load())

    assert next(r for r in rows if r["name"] == "SLACK_WEBHOOK_URL")["value"] == "set"
    assert "canary" not in repr(rows)


def test_several_elasticsearch_addresses_are_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_NODE", "https://a.example:9200/, https://b.example ")

    assert hosts_of(settings.load().elasticsearch_node) == ("https://a.example:9200", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ELASTICSEARCH_NODE", "elastic:9200", "must look like"),
        ("ELASTICSEARCH_NODE", "https://", "must look like"),
        ("ELASTICSEARCH_NODE", "https://a:port", "must look like"),
        ("ELASTICSEARCH_NODE", "https://reader:canary@elastic:9200", "ES_USERNAME and ES_PASSWORD"),
        ("HALO_OPS_ES_INDEX", "*", "each must be a name"),
        ("HALO_OPS_ES_INDEX", "_all", "each must be a name"),
        ("HALO_OPS_ES_INDEX", "logs-*,-logs-1", "each must be a name"),
        ("HALO_OPS_ES_INDEX", "logs/_search", "each must be a name"),
        ("HALO_OPS_ES_INDEX", "", "each must be a name"),
    ],
)
def test_a_wrong_elasticsearch_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=words) as refused:
        settings.load()

    assert str(refused.value).startswith(f"{name}: ")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ES_API_KEY": "canary-a", "ES_PASSWORD": "canary-b"}, "ES_API_KEY and ES_PASSWORD: only one way"),
        ({"ES_BEARER_TOKEN": "canary", "ES_USERNAME": "reader"}, "ES_BEARER_TOKEN and ES_USERNAME: only one way"),
        ({"ES_PASSWORD": "canary"}, "ES_PASSWORD: needs ES_USERNAME"),
    ],
)
def test_two_ways_to_sign_in_are_one_too_many_and_half_a_one_is_none(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=words) as refused:
        settings.load()

    assert "canary" not in str(refused.value)


def test_every_setting_has_a_sentence_and_stands_in_the_example_file() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    rows = settings.table(settings.load())

    assert [r["name"] for r in rows if not r["help"].endswith((".", ")"))] == []
    assert [r["name"] for r in rows if f"{r['name']}=" not in example] == []


def test_the_check_command_lists_the_problems_and_fails(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lib.settings", "--check"], cwd=ROOT, text=True, capture_output=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HALO_OPS_PORT": "0", "HALO_OPS_ZONE": "nowhere", "HOME": str(tmp_path)},
    )  # fmt: skip

    assert ran.returncode == 1
    assert "HALO_OPS_PORT" in ran.stderr
    assert "HALO_OPS_ZONE" in ran.stderr


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("HALO_OPS_PORT", "eight", "must be a whole number from 1 to 65535"),
        ("HALO_OPS_PORT", "70000", "must be a whole number from 1 to 65535"),
        ("HALO_OPS_PORT", "8501.5", "must be a whole number from 1 to 65535"),
        ("HALO_OPS_SCRAPE_INTERVAL_S", "0.5", "must be a number from 1 to 300 (s)"),
        ("HALO_OPS_SCRAPE_INTERVAL_S", "nan", "must be a number from 1 to 300 (s)"),
    ],
)
def test_a_wrong_number_is_told_with_both_limits_and_its_unit(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, form: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        settings.load()

    assert str(refused.value) == f"{name}: {form}"


def test_a_name_that_is_no_setting_is_told_with_the_nearest_that_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("HALO_OPS_JOBS=crm\nOTHER=1\n", encoding="utf-8")
    monkeypatch.setenv("HALO_OPS_SCRAPE_TARGET", "http://a/metrics")
    monkeypatch.setenv("HALO_OPS_SMTP_PASWORD_FILE", "/run/secrets/smtp")
    monkeypatch.setenv("HALO_OPS_XYZZY", "canary")

    assert settings.unknown_settings() == [
        "HALO_OPS_JOBS: there is no such setting: did you mean HALO_OPS_JOB?",
        "HALO_OPS_SCRAPE_TARGET: there is no such setting: did you mean HALO_OPS_SCRAPE_TARGETS?",
        "HALO_OPS_SMTP_PASWORD_FILE: there is no such setting: did you mean HALO_OPS_SMTP_PASSWORD_FILE?",
        "HALO_OPS_XYZZY: there is no such setting",
    ]


def test_names_that_others_set_are_no_slips_of_the_pen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HALO_OPS_ALERTS_URL", "HALO_OPS_SERVICE_HOST", "HALO_OPS_PORT_8501_TCP_ADDR", "HALO_OPS_SERVICE_PORT_HTTP",
                 "HALO_OPS_ES_CA_FILE", "HALO_OPS_ES_CA_FILE_FILE", "HALO_OPS_LOG_LEVEL"):  # fmt: skip
        monkeypatch.setenv(name, "x")

    assert settings.unknown_settings() == []


def test_the_check_command_fails_for_a_name_that_is_no_setting(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lib.settings", "--check"], cwd=ROOT, text=True, capture_output=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HALO_OPS_ZONES": "UTC", "HOME": str(tmp_path)},
    )  # fmt: skip

    assert ran.returncode == 1
    assert "HALO_OPS_ZONES: there is no such setting: did you mean HALO_OPS_ZONE?" in ran.stderr


@pytest.mark.parametrize("command", [["-m", "lib.settings", "--check"], ["app.py"]])
def test_a_mistake_in_a_checklist_or_in_the_rules_is_told_with_file_and_line(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "night.yaml").write_text("name: night\ntitle: Night\nperiod: dusk\nitems: [{key: a, title: b}]\n")
    (tmp_path / "rules.yml").write_text("groups:\n  - name: g\n    rulez: []\n")

    ran = subprocess.run(
        [sys.executable, *command], cwd=ROOT, text=True, capture_output=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "HALO_OPS_CHECKLISTS_DIR": str(tmp_path), "HOME": str(tmp_path),
             "HALO_OPS_RULES_FILE": str(tmp_path / "rules.yml"), "HALO_OPS_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip

    assert ran.returncode == (2 if command == ["app.py"] else 1)
    assert f"{tmp_path}/night.yaml:3: `period` must be day, week, month, not 'dusk'" in ran.stderr
    assert f"{tmp_path}/rules.yml:3: unknown key 'rulez'" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "data").exists()


def test_no_secret_shows_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_PASSWORD_FILE", "/nowhere/canary")
    monkeypatch.setenv("ES_PASSWORD", "canary-password")
    monkeypatch.setenv("HALO_OPS_PORT", "0")

    with pytest.raises(SettingsError) as refused:
        settings.load()

    assert "canary-password" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROMETHEUS_URL", "prometheus:9090"),
        ("PROMETHEUS_URL", "ftp://prometheus:9090"),
        ("PROMETHEUS_URL", "https://reader:canary@prometheus/"),
        ("PROMETHEUS_URL", "https://prometheus/?token=canary"),
        ("PROMETHEUS_CA", "/nowhere/ca.pem"),
        ("PROMETHEUS_HEADERS", "canary"),
        ("PROMETHEUS_HEADERS", "X-Scope OrgID: canary"),
        ("PROMETHEUS_HEADERS", "X-Key: canary\rX-Other: y"),
        ("PROMETHEUS_PASSWORD", "canary"),
    ],
)
def test_a_wrong_prometheus_setting_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        settings.load()

    assert str(refused.value).startswith(f"{variable}: ")
    assert "canary" not in str(refused.value)


def test_two_ways_to_sign_in_at_prometheus_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_USERNAME", "reader")
    monkeypatch.setenv("PROMETHEUS_BEARER_TOKEN", "canary")

    with pytest.raises(SettingsError, match="not both"):
        settings.load()


def test_more_headers_for_prometheus_come_from_one_line_or_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("X-Scope-OrgID: ops\nX-Key: a:b\n", encoding="utf-8")
    monkeypatch.setenv("PROMETHEUS_HEADERS_FILE", str(tmp_path / "headers"))

    loaded = settings.load()

    assert loaded.prometheus_header_fields == {"X-Scope-OrgID": "ops", "X-Key": "a:b"}
    assert "a:b" not in repr(settings.table(loaded))


def test_the_table_tells_where_each_value_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HALO_OPS_PORT=9000\nHALO_OPS_JOB=crm\n", encoding="utf-8")
    (tmp_path / "password").write_text("canary\n", encoding="utf-8")
    monkeypatch.setenv("HALO_OPS_PORT", "9001")
    monkeypatch.setenv("HALO_OPS_LOG_LEVEL", "debug")
    monkeypatch.setenv("ES_USERNAME", "reader")
    monkeypatch.setenv("ES_PASSWORD_FILE", str(tmp_path / "password"))

    origin = {row["name"]: row["origin"] for row in settings.table(settings.load(zone="Europe/London"))}

    assert origin["HALO_OPS_PORT"] == "environment"
    assert origin["HALO_OPS_JOB"] == ".env"
    assert origin["LOG_LEVEL"] == "environment HALO_OPS_LOG_LEVEL"
    assert origin["ES_PASSWORD"] == f"file {tmp_path / 'password'} (ES_PASSWORD_FILE)"
    assert origin["HALO_OPS_ZONE"] == "given at the start"
    assert origin["HALO_OPS_DATA_DIR"] == "default"


def test_a_value_is_written_as_its_default_is() -> None:
    rows = settings.table(settings.Settings())

    assert [(row["name"], row["value"]) for row in rows if row["value"] != row["default"]] == []
