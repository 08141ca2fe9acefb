"""No credential reaches a store; what only looks like one stays readable."""

import time

import orjson
import pytest

from lib.collect.redact import MAX_DEPTH, REDACTED, looks, redact, redact_text

CANARY = "hunter2Canary"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2Canary\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {CANARY}", f"authorization: Basic {CANARY}==", f"Basic {CANARY}=", f"x-api-key: {CANARY}",
        f"GET /v1?api_key={CANARY}&x=1", f"/cb?access_token={CANARY}", f"/cb?token%5Bid%5D={CANARY}",
        f"https://user:{CANARY}@host/x", f"postgres://user:p@ss{CANARY}@db:5432/x", f"https://{CANARY}@sentry.io/1",
        f"https://hooks.slack.com/services/T0/B0/{CANARY}", f"password={CANARY}", f"PASSWORD = '{CANARY} two words'",
        f'{{"password":"{CANARY} two words"}}', f'{{\\"client_secret\\":\\"{CANARY}\\"}}', f"passwd: {CANARY}",
        f"Cookie: a=b; session={CANARY}; c=d", f"set-cookie: sid={CANARY}; Path=/", f"refresh_token: {CANARY}",
        f"Authorization: Digest username=x, response={CANARY}", f"?sig={CANARY}", f"pwd={CANARY}",
        f"xoxb-123-{CANARY}", f"ghp_{CANARY}0123456789", f"sk-{CANARY}0123456789", f"glpat-{CANARY}0123456789", PEM,
        PEM.split("-----END", maxsplit=1)[0], f"secret[inner]={CANARY}", f"sk_live_{CANARY}",
    ],
)  # fmt: skip
def test_a_credential_in_a_text_is_taken_out(text):
    shown, count = redact_text(text)

    assert CANARY not in shown
    assert "hunter2" not in shown
    assert count >= 1
    assert looks([orjson.dumps({"m": text})]) != [None]


@pytest.mark.parametrize(
    "text", [JWT, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "0123456789abcdef" * 3]
)
def test_what_looks_like_a_key_is_taken_out(text):
    assert redact_text(f"got {text} here")[0] == f"got {REDACTED} here"
    assert looks([text.encode()]) != [None]


@pytest.mark.parametrize(
    "text",
    [
        "3f0a1a52-0d9a-4d3c-9d5e-0123456789ab", "3f0a1a520d9a4d3c9d5e0123456789ab", "HTTP Request", "task-list-0123456789",
        "at verify (/opt/halopsa/node_modules/passport/lib/index.js:12:7)", "/api/leads/4711/opportunities/12345678",
        "Unexpected token < in JSON at position 0", "at Token.next (token.js:12:7)", "Bearer token missing",
        "lead@example.com", "https://example.com/a?email=x@example.com", "queue halopsa-lead-synchronisation-backlog-42",
        "2026-11-24T00:00:00.000Z", "com.halopsa.integration.LeadSynchronisationServiceImplementation", "design=modern",
    ],
)  # fmt: skip
def test_what_is_no_credential_stays(text):
    assert redact_text(text) == (text, 0)


def test_redacting_again_changes_nothing():
    once, _ = redact_text(f"password={CANARY} Bearer {CANARY} https://u:{CANARY}@h {JWT} Cookie: {CANARY}")

    assert redact_text(once) == (once, 0)


def test_what_stands_under_a_secret_name_is_taken_out_at_any_depth():
    record = {"a": [{"headers": {"Authorization": CANARY, "X-Api-Key": [CANARY], "user_password": 12345}}]}

    clean, count = redact(record)

    assert clean == {"a": [{"headers": {"Authorization": REDACTED, "X-Api-Key": REDACTED, "user_password": REDACTED}}]}
    assert count == 3


def test_nothing_under_a_secret_name_stays_nothing():
    record = {"token": None, "password": "", "hasPassword": True}

    assert redact(record) == (record, 0)


def test_names_are_looked_at_too():
    clean, _ = redact({f"password={CANARY}": 1, f"https://u:{CANARY}@h": 2})

    assert CANARY not in str(clean)


def test_a_credential_in_escapes_is_seen():
    raw = rb'{"\u0070assword": "x", "url": "https:\/\/u:pw@h"}'

    assert looks([raw]) != [None]


def test_a_value_that_is_too_deep_is_replaced():
    deep: object = CANARY
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]

    clean, _ = redact({"deep": deep})

    assert CANARY not in str(clean)
    assert "[TOO DEEP]" in str(clean)


def test_an_ordinary_line_is_no_suspect():
    line = orjson.dumps(
        {"timestamp": "2026-11-24T00:00:00.000Z", "level": "INFO", "message": "HTTP Request", "method": "GET",
         "url": "/api/leads/17", "status": 200, "duration": 12, "requestId": "3f0a1a52-0d9a-4d3c-9d5e-0123456789ab",
         "email": "lead@example.com"}
    )  # fmt: skip

    assert looks([line]) == [None]


@pytest.mark.parametrize(
    "piece",
    ["pass", "-eyJ", "eyJa.", "://a:", "bearer ", "-----BEGIN PRIVATE KEY", "sk-", "token[", "cookie=", "a=",
     "password=1", "%5btoken", "\\\"secret\\\":", "A1b+/", "authorization:'"],
)  # fmt: skip
def test_hostile_texts_take_linear_time(piece):
    text = (piece * 65_536)[:65_536]
    started = time.process_time()

    redact_text(text)

    assert time.process_time() - started < 1
