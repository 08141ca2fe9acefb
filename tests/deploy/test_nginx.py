"""The shipped nginx configuration, run by nginx in front of the app: who gets in, by which address, and what stays out."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lib.identity.sign_in import SECRET_HEADER
from tests import fault_server as faults
from tests.fault_server import FaultServer
from tests.proxy import HOST, PASSWORD, USER, Proxied, nginx, proxied_app

pytestmark = pytest.mark.live
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with proxied_app(tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture
def client(proxied: Proxied) -> Iterator[httpx.Client]:
    with viewer(proxied) as opened:
        yield opened


def viewer(proxied: Proxied) -> httpx.Client:
    """Somebody who knows the password."""
    trust = ssl.create_default_context(cafile=str(proxied.certificate.certificate))
    return httpx.Client(base_url=proxied.origin, headers={"authorization": BASIC}, verify=trust, trust_env=False)


def get(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    return client.get(path, headers=headers)


def test_plain_http_leads_to_https_and_to_the_right_name_whatever_was_asked(proxied: Proxied) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{proxied.http_port}/errors?range=1h", headers={"host": "evil.example"}, trust_env=False
    )

    assert answer.status_code == 301
    assert answer.headers["location"] == f"{proxied.origin}/errors?range=1h"


@pytest.mark.parametrize("path", ["/", "/errors", "/_stcore/health", "/api/health", "/media/x.csv", "/static/index.js"])
def test_nothing_is_shown_without_the_password(client: httpx.Client, path: str) -> None:
    assert get(client, path, authorization="").status_code == 401
    assert get(client, path, authorization="Basic " + base64.b64encode(b"anna:wrong").decode()).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics", "/errors/_stcore/host-config", "/_stcore/metrics/", "//_stcore/metrics",
        "/_stcore/%6detrics", "/x/../_stcore/metrics", "/metrics", "/livez", "/readyz",
    ],
)  # fmt: skip
def test_what_tells_about_the_process_is_not_there(client: httpx.Client, path: str, proxied: Proxied) -> None:
    raw = client.build_request("GET", "/")
    raw.url = raw.url.copy_with(raw_path=path.encode())

    assert client.send(raw).status_code == 404
    assert httpx.get(f"{proxied.app}/metrics", trust_env=False).status_code == 200  # there, behind the proxy


def test_programs_come_with_their_own_token_to_these_addresses_and_no_other(tmp_path: Path) -> None:
    """Without the password: the dashboard answers 401 or 404 by itself, as it does without nginx."""
    token = "0123456789abcdef0123456789abcdef"
    settings = {"HALO_OPS_API_TOKEN": token, "HALO_OPS_HEARTBEAT_TOKEN": token, "HALO_OPS_HEARTBEATS": "backup=24h/2h"}
    alert = {"key": "nightly", "status": "firing"}
    posts: dict[str, Any] = {"/api/heartbeat/backup": {}, "/api/alerts": alert, "/api/alertmanager": {}}

    with proxied_app(tmp_path, **settings) as proxied, viewer(proxied) as client:
        codes = {
            path: client.post(path, json=body, headers={"authorization": f"Bearer {token}"}).status_code
            for path, body in posts.items()
        }
        wrong = {client.post(path, json={}, headers={"authorization": "Bearer x"}).json()["error"] for path in posts}
        closed = [
            get(client, path, authorization=f"Bearer {token}").headers.get("www-authenticate", "")
            for path in ("/api/health", "/api/alerts/x", "/api/heartbeat/", "/api/heartbeat/a/b", "/api/alertsx")
        ]

    assert codes == {"/api/heartbeat/backup": 200, "/api/alerts": 200, "/api/alertmanager": 400}
    assert len(wrong) == 1, wrong  # in the dashboard's words, not nginx' page
    assert closed == ['Basic realm="Operations"'] * len(closed)


def test_no_foreign_site_may_steer_the_page(client: httpx.Client, proxied: Proxied) -> None:
    ours = get(client, "/_stcore/host-config").json()
    apps = httpx.get(f"{proxied.app}/_stcore/host-config", trust_env=False).json()

    assert ours == apps | {"allowedOrigins": []}
    assert apps["allowedOrigins"], "the app lists nobody any more: let its own answer through"


def test_pages_are_not_stored_and_scripts_are(client: httpx.Client) -> None:
    page, health = get(client, "/errors"), get(client, "/api/health")
    script = get(client, page.text.partition('src="./')[2].partition('"')[0].join(("/", "")))

    for answer in (page, health):
        assert answer.status_code == 200
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["content-security-policy"]
    assert script.status_code == 200
    assert "immutable" in script.headers["cache-control"]
    assert "nginx/" not in page.headers.get("server", "")


def test_another_name_for_this_machine_is_turned_away(client: httpx.Client) -> None:
    assert get(client, "/", host="evil.example").status_code == 421


def handshake(proxied: Proxied, **headers: str) -> int:
    """The status of a websocket handshake at Streamlit's own address."""
    trust = ssl.create_default_context(cafile=str(proxied.certificate.certificate))
    fields: dict[str, Any] = {
        "Host": f"{HOST}:{proxied.https_port}", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", "Authorization": BASIC,
    }  # fmt: skip
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    with (
        socket.create_connection(("127.0.0.1", proxied.https_port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        secure.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
        return int(secure.recv(4096).split(b" ", 2)[1])


def test_the_websocket_opens_for_the_dashboards_own_pages_only(proxied: Proxied) -> None:
    assert handshake(proxied, Origin=proxied.origin) == 101
    assert handshake(proxied, Origin="https://evil.example") == 403
    assert handshake(proxied, Origin="http://127.0.0.1") == 403
    assert handshake(proxied, Origin=f"{proxied.origin}.evil.example") == 403
    assert handshake(proxied, Origin="null") == 403
    assert handshake(proxied, Origin=proxied.origin, Authorization="") == 401
    assert handshake(proxied, Origin=proxied.origin, Host="evil.example") == 421


def test_the_viewers_name_comes_from_the_proxy_alone_and_the_password_goes_no_further(tmp_path: Path) -> None:
    with FaultServer() as app, nginx(tmp_path, app.instance) as proxied, viewer(proxied) as client:
        for path in ("/errors", "/api/alertmanager"):
            app.says(path, faults.answer(b"ok"))
        page = get(
            client, "/errors", **{"x-forwarded-user": "root", "x-forwarded-for": "10.0.0.1", "origin": proxied.origin}
        )
        hook = get(client, "/api/alertmanager", **{"x-forwarded-user": "root", "authorization": "Bearer hook"})

    assert page.status_code == hook.status_code == 200
    to_page, to_hook = (app.seen(path)[0].headers for path in ("/errors", "/api/alertmanager"))
    assert (to_page["x-forwarded-user"], to_page["x-forwarded-for"]) == (USER, HOST)
    assert (to_page["host"], to_page["origin"]) == (HOST, "http://127.0.0.1")
    assert "authorization" not in to_page
    assert to_hook["authorization"] == "Bearer hook"
    assert "x-forwarded-user" not in to_hook


def test_with_the_shared_secret_the_dashboard_knows_who_comes_and_lets_nobody_in_beside_nginx(tmp_path: Path) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    (tmp_path / "halo-ops-secret.conf").write_text(f'proxy_set_header {SECRET_HEADER} "{secret}";\n', encoding="utf-8")
    settings = {"HALO_OPS_SIGN_IN": "proxy", "HALO_OPS_PROXY_SECRET": secret}

    with proxied_app(tmp_path, **settings) as proxied, viewer(proxied) as client:
        assert get(client, "/errors").status_code == 200
        assert handshake(proxied, Origin=proxied.origin) == 101
        for forged in ({"x-forwarded-user": USER}, {"x-forwarded-user": USER, SECRET_HEADER: "guess"}):
            assert httpx.get(f"{proxied.app}/errors", headers=forged, trust_env=False).status_code == 401
            assert get(client, "/errors", **forged).status_code == 200  # nginx puts its own in their place
        assert get(client, "/metrics").status_code == 404
        assert httpx.get(f"{proxied.app}/metrics", trust_env=False).status_code == 200
        click = "/api/checklists/999/none?what=tick&seen=0"  # a box that is ticked: a request that changes something
        assert client.post(click, headers={"origin": proxied.origin}).json()["error"] == "this run has no such item"
        assert client.post(click, headers={"origin": "https://evil.example"}).status_code == 403
        assert (
            httpx.post(f"{proxied.app}{click}", headers={"x-forwarded-user": USER}, trust_env=False).status_code == 401
        )
