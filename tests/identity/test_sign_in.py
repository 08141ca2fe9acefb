"""Who comes in as whom: headers, secrets, roles, and what a page of another site gets (A7, A8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from lib import http
from lib.errors import SettingsError
from lib.identity.roles import Actor, Role, Via
from lib.identity.sign_in import ACTOR_HEADER, SECRET_HEADER, OpenIdConnect, role_of, unpacked
from lib.settings import Settings, load

SECRET = "s3cret-s3cret-s3cret-s3cret"
PROXY = Settings(
    sign_in="proxy", proxy_secret=SECRET, proxy_groups_header="X-Forwarded-Groups",
    admins="anna@example.com,group:sre", operators="group:support", hosts="ops.example.com",
)  # fmt: skip
BY_PROXY = {SECRET_HEADER: SECRET, "x-forwarded-user": "boris@example.com"}


def told(request: Request) -> Response:
    """What the pages get to see."""
    headers = {ACTOR_HEADER: request.headers.get(ACTOR_HEADER, "nobody")}
    return PlainTextResponse(request.headers.get(SECRET_HEADER, ""), headers=headers)


async def stream(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.headers.get(ACTOR_HEADER, "nobody"))
    await socket.close()


def client(settings: Settings, oidc: OpenIdConnect | None = None, peer: str = "10.9.9.9") -> TestClient:
    paths = ("/", "/livez", "/readyz", "/metrics", "/api/health", "/errors", "/auth/login")
    routes = [
        *(Route(path, told, methods=["GET", "POST"]) for path in paths),
        WebSocketRoute("/_stcore/stream", stream),
    ]
    app = Starlette(routes=routes, middleware=http.middleware(settings, oidc))
    return TestClient(app, base_url="http://localhost:8501", client=(peer, 1), follow_redirects=False)


def actor(settings: Settings, headers: dict[str, str], **more: Any) -> Actor:
    """Whom a websocket comes in as."""
    headers = {"host": "localhost:8501"} | headers
    with client(settings, **more).websocket_connect("/_stcore/stream", headers=headers) as socket:
        return unpacked(socket.receive_text())


def refused(settings: Settings, headers: dict[str, str]) -> bool:
    """Whether a websocket is closed before it is accepted."""
    try:
        with client(settings).websocket_connect("/_stcore/stream", headers={"host": "localhost:8501"} | headers):
            return False
    except WebSocketDisconnect:
        return True


def test_without_sign_in_who_sits_here_may_do_everything_but_has_no_name_yet() -> None:
    found = actor(Settings(), {}, peer="127.0.0.1")

    assert (found.name, found.role, found.via, found.address) == ("", Role.ADMIN, Via.NAME, "127.0.0.1")
    assert found.session


@pytest.mark.parametrize("header", ["X-Forwarded-User", "X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_without_sign_in_a_forwarded_person_is_a_nameless_viewer(header: str) -> None:
    found = actor(Settings(), {header: "anna@example.com"})

    assert (found.name, found.role) == ("", Role.VIEWER)


def test_without_sign_in_the_default_role_is_for_everybody() -> None:
    assert actor(Settings(default_role="operator"), {}).role is Role.OPERATOR


@pytest.mark.parametrize("settings", [Settings(), PROXY])
def test_nobody_can_hand_in_an_actor_of_their_own_making(settings: Settings) -> None:
    forged = '["eve", "admin", "proxy", "", ""]'
    headers = BY_PROXY | {ACTOR_HEADER: forged} if settings.sign_in else {ACTOR_HEADER: forged}

    assert actor(settings, headers).name != "eve"
    assert "eve" not in client(settings).get("/livez", headers={ACTOR_HEADER: forged}).headers[ACTOR_HEADER]


def test_the_proxys_person_comes_in_with_address_and_role() -> None:
    chain = {"x-forwarded-for": "1.2.3.4, 10.0.0.5", "x-forwarded-groups": "ops, support"}

    found = actor(PROXY, BY_PROXY | chain)

    assert (found.name, found.role, found.via) == ("boris@example.com", Role.OPERATOR, Via.PROXY)
    assert found.address == "10.0.0.5"  # the proxy's own word is the last; what stands before is the viewer's


def test_the_secret_goes_no_further_than_the_door() -> None:
    assert client(PROXY).get("/errors", headers=BY_PROXY).text == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": "anna@example.com"},  # A8: the header alone
        {"X-Forwarded-User": "anna@example.com", SECRET_HEADER: ""},
        {"X-Forwarded-User": "anna@example.com", SECRET_HEADER: SECRET[:-1]},
        {"X-Forwarded-User": "anna@example.com", SECRET_HEADER: SECRET + "x"},
        {SECRET_HEADER: SECRET},  # the proxy forgot to say who
        {SECRET_HEADER: SECRET, "X-Forwarded-User": " "},
        {SECRET_HEADER: SECRET, "X-Forwarded-User": "an\x01na"},
        [(SECRET_HEADER, SECRET), ("X-Forwarded-User", "anna@example.com"), ("X-Forwarded-User", "boris")],
        [(SECRET_HEADER, SECRET), (SECRET_HEADER, SECRET), ("X-Forwarded-User", "anna@example.com")],
    ],
)
def test_behind_a_proxy_nobody_else_comes_in_by_page_or_websocket(headers: Any) -> None:
    answer = client(PROXY).get("/errors", headers=headers)

    assert answer.status_code == 401
    assert ACTOR_HEADER not in answer.headers
    assert isinstance(headers, list) or refused(PROXY, headers)  # this client's websocket sends a header once only


def test_a_name_beyond_ascii_arrives_whole() -> None:
    headers = {SECRET_HEADER.encode(): SECRET.encode(), b"x-forwarded-user": "Zoë".encode()}

    assert unpacked(client(PROXY).get("/errors", headers=headers).headers[ACTOR_HEADER]).name == "Zoë"


@pytest.mark.parametrize(
    ("path", "peer", "forwarded", "code"),
    [
        ("/livez", "10.0.0.9", False, 200),
        ("/readyz", "10.0.0.9", False, 200),
        ("/metrics", "127.0.0.1", False, 200),  # Prometheus beside it
        ("/api/health", "127.0.0.1", False, 200),
        ("/metrics", "127.0.0.1", True, 401),  # over the proxy on the same machine
        ("/metrics", "10.0.0.9", False, 401),
        ("/metrics/", "127.0.0.1", False, 401),
        ("/livez/../errors", "10.0.0.9", False, 401),
        ("//livez", "10.0.0.9", False, 401),
        ("/errors", "127.0.0.1", False, 401),
    ],
)
def test_without_signing_in_only_what_tells_of_the_process_is_answered(
    path: str, peer: str, forwarded: bool, code: int
) -> None:
    headers = {"x-forwarded-for": "1.2.3.4"} if forwarded else {}
    asked = client(PROXY, peer=peer)

    assert asked.request("GET", f"http://localhost:8501{path}", headers=headers).status_code == code


@pytest.mark.parametrize(
    ("name", "groups", "role"),
    [
        ("anna@example.com", (), Role.ADMIN),
        ("Anna@Example.COM", (), Role.ADMIN),
        ("carl@example.com", ("SRE",), Role.ADMIN),
        ("carl@example.com", ("support",), Role.OPERATOR),
        ("carl@example.com", ("support", "sre"), Role.ADMIN),
        ("carl@example.com", (), Role.VIEWER),
        ("group:sre", (), Role.VIEWER),  # a person may not pass for a group
        ("sre", (), Role.VIEWER),
        ("carl@example.com", ("anna@example.com",), Role.VIEWER),  # nor a group for a person
        ("", (), Role.VIEWER),
    ],
)
def test_roles_follow_mail_and_groups(name: str, groups: tuple[str, ...], role: Role) -> None:
    assert role_of(PROXY, name, groups) is role


EVIL, HERE = "https://evil.example", "http://localhost:8501"


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("localhost:8501", HERE, True),
        ("localhost:8501", None, True),  # no browser's page
        ("127.0.0.1:8501", "http://127.0.0.1:8501", True),
        ("ops.example.com", "https://ops.example.com", True),
        ("127.0.0.1", "https://ops.example.com", True),  # a proxy that calls us by address
        ("localhost:8501", EVIL, False),
        ("localhost:8501", "http://localhost:9999", False),
        ("localhost:8501", "http://localhost", False),
        ("localhost:8501", "null", False),
        ("localhost:8501", "", False),
        ("localhost:8501", "http://[", False),  # no address at all
        ("localhost:8501", "https://ops.example.com.evil.example", False),
        ("localhost:8501", "https://ops.example.com@evil.example", False),
        ("evil.example", HERE, False),
        ("evil.example", EVIL, False),
        ("evil.example", None, False),
    ],
)
def test_the_handshake_matrix(host: str, origin: str | None, allowed: bool) -> None:
    headers = BY_PROXY | {"host": host} | ({"origin": origin} if origin is not None else {})

    assert refused(PROXY, headers) is not allowed
    assert (client(PROXY).post("/errors", headers=headers).status_code == 200) is allowed


def test_two_origins_are_none_of_ours() -> None:
    asked = client(PROXY).post("/errors", headers=[*BY_PROXY.items(), ("origin", HERE), ("origin", EVIL)])

    assert asked.status_code == 403


def oidc(claims: Mapping[str, Any] | None) -> OpenIdConnect:
    return OpenIdConnect(lambda _: claims, lambda: "/auth/login?provider=x", frozenset({"/auth/login"}))


BY_OIDC = Settings(sign_in="oidc", admins="anna@example.com,group:sre")


@pytest.mark.parametrize(
    ("claims", "name", "role"),
    [
        ({"email": "anna@example.com", "sub": "1"}, "anna@example.com", Role.ADMIN),
        ({"email": "anna@example.com", "email_verified": True}, "anna@example.com", Role.ADMIN),
        ({"email": "anna@example.com", "email_verified": False, "sub": "1"}, "1", Role.VIEWER),  # anybody can claim it
        ({"email": "b@example.com", "groups": ["sre"]}, "b@example.com", Role.ADMIN),
        ({"email": "b@example.com", "groups": "sre"}, "b@example.com", Role.ADMIN),
        ({"sub": "42"}, "42", Role.VIEWER),
    ],
)
def test_claims_become_a_person(claims: dict[str, Any], name: str, role: Role) -> None:
    found = actor(BY_OIDC, {}, oidc=oidc(claims))

    assert (found.name, found.role, found.via) == (name, role, Via.OIDC)


def test_who_has_not_signed_in_is_sent_there_and_back_to_where_they_wanted() -> None:
    browser = {"accept": "text/html"}
    stranger = client(BY_OIDC, oidc(None))

    sent = stranger.get("/errors?range=1h&who=a%26b", headers=browser)
    cookie = sent.cookies["halo_ops_next"]
    back = client(BY_OIDC, oidc({"email": "b@example.com"})).get(
        "/", headers=browser | {"cookie": f"halo_ops_next={cookie}"}
    )

    assert (sent.status_code, sent.headers["location"]) == (302, "/auth/login?provider=x")
    assert (back.status_code, back.headers["location"]) == (302, "/errors?range=1h&who=a%26b")
    assert 'halo_ops_next=""' in back.headers["set-cookie"]
    assert stranger.get("/errors").status_code == 401  # a script's request
    assert stranger.get("/auth/login").status_code == 200
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect("/_stcore/stream"):
        pass


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\r\nb", "/"])
def test_the_way_back_leads_nowhere_else(place: str) -> None:
    from urllib.parse import quote

    known = client(BY_OIDC, oidc({"email": "b@example.com"}))

    assert known.get("/", headers={"cookie": f"halo_ops_next={quote(place, safe='')}"}).status_code == 200


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"address": "0.0.0.0"}, "HALO_OPS_ADDRESS: must be 127.0.0.1"),
        ({"sign_in": "proxy"}, "HALO_OPS_PROXY_SECRET: "),
        ({"sign_in": "proxy", "proxy_secret": "short"}, "HALO_OPS_PROXY_SECRET: "),
        ({"proxy_secret": SECRET}, "HALO_OPS_PROXY_SECRET: only used with"),
        ({"sign_in": "ldap"}, "HALO_OPS_SIGN_IN: "),
        ({"hosts": "https://ops.example.com"}, "HALO_OPS_HOSTS: "),
        ({"state_url": "mysql://u:canary@h/d"}, "HALO_OPS_STATE_URL: must be postgresql://"),
        ({"state_url": "postgresql://h"}, "HALO_OPS_STATE_URL: must be postgresql://"),
    ],
)
def test_a_way_in_that_is_not_guarded_is_refused_at_start(given: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(**given)

    assert str(wrong.value).startswith(problem)
    assert "canary" not in str(wrong.value)


def test_with_sign_in_any_address_may_be_listened_on() -> None:
    assert load(sign_in="oidc", address="0.0.0.0").address == "0.0.0.0"
    assert load(sign_in="proxy", proxy_secret=SECRET, address="10.0.0.5").address == "10.0.0.5"
