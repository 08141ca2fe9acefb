"""The Kubernetes manifests against the API's own schemas, and what they must promise beyond these. No cluster is run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lib import settings
from tests.proxy import DEPLOY, replaced

FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
PORTS = {
    "listen 80;": "listen 8081;",
    "listen 443 ssl": "listen 8443 ssl",
    "/etc/nginx/halo-ops.htpasswd": "/etc/nginx/auth/halo-ops.htpasswd",
}


def manifests() -> Iterator[dict[str, Any]]:
    for path in FILES:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def only(kind: str, name: str = "") -> dict[str, Any]:
    [found] = [one for one in manifests() if one["kind"] == kind and (not name or one["metadata"]["name"] == name)]
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = only("Deployment")["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    [found] = [one for one in (*pod()["containers"], *pod()["initContainers"]) if one["name"] == name]
    return dict(found)


@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("manifest", list(manifests()), ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_every_manifest_is_what_the_api_takes(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_wrong_field_would_be_noticed() -> None:
    wrong = only("Service")
    wrong["spec"]["port"] = 443

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_liveness_asks_the_process_alone_and_readiness_its_loops() -> None:
    dashboard = container("dashboard")

    assert dashboard["livenessProbe"]["httpGet"] == {"path": "/livez", "port": 8080}
    assert dashboard["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8080}
    assert dashboard["startupProbe"]["httpGet"]["path"] == "/livez"


def test_the_owner_of_the_stores_is_alone() -> None:
    deployment = only("Deployment")["spec"]

    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert only("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOncePod"]


@pytest.mark.parametrize("name", ["dashboard", "nginx"])
def test_a_container_can_do_nothing_but_its_work(name: str) -> None:
    locked = container(name)["securityContext"]

    assert locked == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod()["securityContext"]["runAsNonRoot"]
    assert pod()["automountServiceAccountToken"] is False
    assert "memory" in container(name)["resources"]["limits"]


def test_everything_mounted_and_selected_is_there() -> None:
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    mounted = {mount["name"] for name in ("dashboard", "nginx") for mount in container(name)["volumeMounts"]}
    labels = only("Deployment")["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in container("nginx")["ports"]}

    assert mounted == set(volumes)
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == only("PersistentVolumeClaim")["metadata"]["name"]
    assert volumes["nginx"]["configMap"]["name"] == only("ConfigMap", "halo-ops-nginx")["metadata"]["name"]
    for name in ("secret", "htpasswd"):
        keys = {item["key"] for item in volumes[name]["secret"]["items"]}
        assert keys <= set(only("Secret")["stringData"])
    assert only("Service")["spec"]["selector"] == only("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert {port["targetPort"] for port in only("Service")["spec"]["ports"]} <= set(ports)
    assert ports["probes"] == container("dashboard")["livenessProbe"]["httpGet"]["port"]


def test_every_setting_that_is_set_exists_and_holds_no_secret() -> None:
    known = {
        name: field
        for field_name, field in settings.Settings.model_fields.items()
        for name in settings.variable_names(field_name, field)
    }
    given = set(only("ConfigMap", "halo-ops")["data"])
    by_file = {one["name"].removesuffix("_FILE") for one in container("dashboard")["env"]}

    assert given <= set(known)
    assert by_file <= set(known)
    assert not [name for name in given if "SecretStr" in str(known[name].annotation)]


def test_the_settings_of_the_manifest_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in only("ConfigMap", "halo-ops")["data"].items():
        monkeypatch.setenv(name, value)

    assert settings.load().prometheus_url == "http://prometheus:9090"


def test_its_nginx_site_is_the_shipped_one_on_ports_that_need_no_root() -> None:
    shipped = (DEPLOY / "nginx" / "halo-ops.conf").read_text(encoding="utf-8")

    assert only("ConfigMap", "halo-ops-nginx")["data"]["site.conf"] == replaced(shipped, PORTS)


@pytest.mark.live
def test_nginx_takes_both_of_its_files(tmp_path: Path) -> None:
    from tests.certificates import self_signed

    certificate = self_signed(tmp_path)
    places = {
        "/etc/nginx/tls/halo-ops.pem": str(certificate.certificate),
        "/etc/nginx/tls/halo-ops.key": str(certificate.key),
    }
    for name, text in only("ConfigMap", "halo-ops-nginx")["data"].items():
        (tmp_path / name).write_text(replaced(text, places) if "site" in name else text, encoding="utf-8")
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; include {tmp_path}/site.conf; "
        f"include {tmp_path}/probes.conf; }}",
        encoding="utf-8",
    )

    done = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-c", str(main)], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr
