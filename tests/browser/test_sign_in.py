"""Signing in by OpenID Connect, and giving a name without a login, as a person's browser does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Page, expect

from lib.identity.roles import Actor, Role, Via
from lib.state import audit
from lib.state.database import sqlite_url
from lib.state.migrate import open_state
from lib.window import Window
from tests.oidc_provider import Provider, provider, secrets_toml
from tests.proxy import free_ports

pytestmark = pytest.mark.browser
App = Callable[..., AbstractContextManager[str]]
ANNA = {"sub": "1", "email": "anna@example.com", "email_verified": True, "name": "Anna"}


@pytest.fixture(scope="module")
def signing_in(app_server: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Provider]]:
    """The dashboard and its provider."""
    home = tmp_path_factory.mktemp("home")
    [port, app_port] = free_ports(2)
    with provider(port, ANNA) as running:
        (home / ".streamlit").mkdir()
        (home / ".streamlit" / "secrets.toml").write_text(
            secrets_toml(running.url, f"http://127.0.0.1:{app_port}"), encoding="utf-8"
        )
        settings = {
            "HOME": str(home), "HALO_OPS_SIGN_IN": "oidc", "HALO_OPS_ADMINS": "anna@example.com",
            "HALO_OPS_PORT": str(app_port),
        }  # fmt: skip
        with app_server(home / "data", **settings) as url:
            yield url, running


def test_a_person_signs_in_at_the_provider_and_lands_where_they_wanted(
    signing_in: tuple[str, Provider], page: Page
) -> None:
    url, _ = signing_in

    page.goto(f"{url}/audit?range=1h")

    expect(page.get_by_role("heading", name="Audit", exact=True)).to_be_visible()
    assert page.url.startswith(f"{url}/audit?range=1h")
    expect(page.get_by_text("No action in this range")).to_be_visible()  # an admin sees it, not a refusal
    page.get_by_role("button", name=re.compile("anna")).click()
    expect(page.get_by_text("Role: admin")).to_be_visible()


def test_signing_out_ends_it_and_the_cookie_with_it(signing_in: tuple[str, Provider], page: Page) -> None:
    url, running = signing_in
    page.goto(url)
    page.get_by_role("button", name=re.compile("anna")).click()
    running.person = {"sub": "2", "email": "boris@example.com"}

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name=re.compile("boris"))).to_be_visible()  # the provider's next person
    page.goto(f"{url}/audit")
    expect(page.get_by_text("needs the role admin")).to_be_visible()
    running.person = ANNA


@contextmanager
def _signed_in_by(key: RSAKey, running: Provider) -> Iterator[None]:
    running.published, running.key = running.key, key
    try:
        yield
    finally:
        running.key, running.published = running.published, None


def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(signing_in: tuple[str, Provider]) -> None:
    url, running = signing_in
    forged = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})

    with _signed_in_by(forged, running), httpx.Client(trust_env=False) as client:
        asked = client.get(f"{url}/errors", headers={"accept": "text/html"})
        steps = []
        while asked.is_redirect and len(steps) < 5:
            steps.append(str(asked.next_request.url) if asked.next_request else "")
            asked = client.get(steps[-1], headers={"accept": "text/html"})
        answer = client.get(f"{url}/errors")

    assert any("/oauth2callback" in step for step in steps)
    assert answer.status_code == 401


def test_without_the_cookie_no_asset_no_page_and_no_socket_is_served(signing_in: tuple[str, Provider]) -> None:
    url, _ = signing_in
    socket = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip

    codes = {
        path: httpx.get(f"{url}{path}", headers=headers, trust_env=False).status_code
        for path, headers in (
            ("/", {}), ("/errors", {}), ("/static/", {}), ("/_stcore/health", {}), ("/_stcore/host-config", {}),
            ("/_stcore/metrics", {}), ("/media/x", {}), ("/api/nope", {}), ("/_stcore/stream", socket),
        )
    }  # fmt: skip

    assert codes == dict.fromkeys(codes, 401) | {"/_stcore/stream": 403}
    assert httpx.get(f"{url}/livez", trust_env=False).status_code == 200


def test_a_name_is_given_once_kept_by_the_browser_and_told_in_the_audit(
    app_server: App, page: Page, poll: Callable[..., None], tmp_path: Path
) -> None:
    with app_server(tmp_path) as url:
        page.goto(f"{url}/errors")
        expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_visible()  # reading needs no name
        page.get_by_role("button", name=re.compile("Who are you")).click()
        page.get_by_role("textbox", name="Your name").fill("Zoë Ops")
        page.get_by_role("button", name="Use this name").click()
        expect(page.get_by_role("button", name=re.compile("Zoë Ops"))).to_be_visible()
        poll(lambda: "halo_ops_name" in {cookie["name"] for cookie in page.context.cookies()})
        page.reload()
        expect(page.get_by_role("button", name=re.compile("Zoë Ops"))).to_be_visible()
    state = open_state(sqlite_url(tmp_path / "state.sqlite"))
    found = audit.search(state, Actor("x", Role.ADMIN, Via.COMMAND), _today())
    state.close()
    assert found[["who", "action", "subject", "via", "address"]].to_numpy().tolist() == [
        ["Zoë Ops", "identity.name", "Zoë Ops", "name", "127.0.0.1"]
    ]


def _today() -> Window:
    moment = datetime.now(UTC)
    return Window(moment - timedelta(hours=1), moment + timedelta(minutes=1))
