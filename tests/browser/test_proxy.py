"""The dashboard behind the shipped nginx configuration, as a viewer's browser sees it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.proxy import PASSWORD, USER, proxied_app

pytestmark = pytest.mark.browser


def test_a_page_loads_through_the_proxy_by_websocket(browser: Browser, tmp_path: Path) -> None:
    with proxied_app(tmp_path) as proxied:
        context = browser.new_context(
            http_credentials={"username": USER, "password": PASSWORD}, ignore_https_errors=True
        )
        page = context.new_page()
        sockets: list[str] = []
        page.on("websocket", lambda opened: sockets.append(opened.url))
        page.goto(f"{proxied.origin}/errors")

        expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_visible(timeout=30_000)
        context.close()

    assert sockets == [f"wss://127.0.0.1:{proxied.https_port}/_stcore/stream"]
