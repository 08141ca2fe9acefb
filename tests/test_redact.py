"""No credential reaches a store; what only looks like one stays readable."""

import json
import time

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lib.redact import MAX_DEPTH, REDACTED, redact, redact_text, suspects
from lib.simulator.past.chunks import Past
from lib.state.answer import without_credentials

CANARY = "hunter2Canary"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2Canary\n-----END RSA PRIVATE KEY-----"


def is_suspect(*texts: str) -> bool:
    """Whether the quick look, which is taken at many texts at once, picks every one of them."""
    return bool(suspects(pa.array(texts, pa.string())).all())


def as_json(value: object) -> str:
    return orjson.dumps(value).decode()


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
    assert is_suspect(text, as_json({"m": text}))


@pytest.mark.parametrize(
    "text", [JWT, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "0123456789abcdef" * 3]
)
def test_what_looks_like_a_key_is_taken_out(text):
    assert redact_text(f"got {text} here")[0] == f"got {REDACTED} here"
    assert is_suspect(text, as_json([text]))


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


@pytest.mark.parametrize(
    "text",
    ["p%61ssword%3Dhunter2x", "postgres%3A//user:hunter2@db", "aB3dEfGh1jKlMnO-pQrStUvWxYz0123x", "to\u212aen=hunter2x"],
)  # fmt: skip
def test_the_quick_look_sees_what_only_the_rules_saw(text):
    """Each of these was stored as it stands: percent signs, a dash or a letter that only looks like a k hid it."""
    assert redact_text(text)[1] == 1
    assert is_suspect(text, as_json({"m": text}))


PIECES = (
    "pass", "word", "to", "ken", "key", "=", ":", "//", "%3a", "%3D", "%2f%2f", "@", "u:p", "-", "_", "/", "\\u00", "70", "eyJ", ".",
    "aB3dEfGh1jKlMnO", "0123456789abcdef", "Bearer ", "sk-", "sig", "\u212a", "\u0130", "\x00", " ", "\n", '"', "%61", "basic ", "é",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
@hypothesis_settings(max_examples=500, deadline=None)
def test_the_quick_look_is_no_narrower_than_the_rules(text):
    assert redact(text) == (text, 0) or is_suspect(text, as_json({"m": text}), as_json([[text]]))


def test_a_value_that_is_too_deep_is_replaced():
    deep: object = CANARY
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]

    clean, _ = redact({"deep": deep})

    assert CANARY not in str(clean)
    assert "[TOO DEEP]" in str(clean)


@pytest.mark.parametrize(
    "text",
    ["HTTP Request", "/api/leads/17?page=2", "3f0a1a52-0d9a-4d3c-9d5e-0123456789ab", "HaloPSA rejected it: 503", "Dunder BV",
     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", '{"events":[{"event":"Ticket.Created","client":502}]}'],
)  # fmt: skip
def test_an_ordinary_text_is_no_suspect(text):
    assert not is_suspect(text)


@pytest.mark.parametrize(
    "piece",
    ["pass", "-eyJ", "eyJa.", "://a:", "bearer ", "-----BEGIN PRIVATE KEY", "sk-", "token[", "cookie=", "a=",
     "password=1", "%5btoken", "\\\"secret\\\":", "A1b+/", "authorization:'", "password=[", 'password:{"', "\\u0070ass",
     "://%3a@", "<pass>", "--pass ", "@:", "sg.", "\\", ":\\/\\/a", 'x:token=["\\'],
)  # fmt: skip
def test_hostile_texts_take_linear_time(piece):
    """A14: 30,000 characters in 100 ms, and twice the text takes about twice the time."""
    text, spent = (piece * 65_536)[:65_536], []
    for size in (30_000, 30_000, 60_000, 60_000):
        started = time.process_time()
        redact_text(text[:size])
        spent.append(time.process_time() - started)

    assert min(spent[:2]) < 0.1
    assert min(spent[2:]) < 3 * min(spent[:2]) + 0.02


SECRET_NAMES = ("password", "X-Api-Key", "client_secret", "refreshToken", "Set-Cookie", "authorization", "accessKey")
LOOK = "\"\\'`{}[]:=,;&<>% \n\t%22\u202e€"
around = st.text(alphabet=st.sampled_from("ab1 " + LOOK), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | around,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(around, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(plain, st.tuples(around, around), st.sampled_from(SECRET_NAMES), st.integers(0, 2), st.data())
@hypothesis_settings(max_examples=150, deadline=None)
def test_nothing_around_a_secret_under_its_name_lets_it_survive(tree, ends, name, written, data):
    """A15: whatever else the value holds, however deep it is, and however often it was made JSON text."""
    before, after = ends
    value = {before: tree, name: before + CANARY + after, "after": tree}
    for _ in range(data.draw(st.integers(0, MAX_DEPTH - 3))):
        value = data.draw(st.sampled_from([[value], {"inner": value}, [tree, value], {after or "k": value}]))
    for _ in range(written):
        value = {"message": json.dumps(value, ensure_ascii=data.draw(st.booleans()))}

    clean, count = redact(value)

    assert CANARY not in json.dumps(clean)
    assert count >= 1
    assert is_suspect(as_json(value))


@given(st.recursive(around, lambda inner: st.dictionaries(around, inner, max_size=3), max_leaves=6))
@hypothesis_settings(max_examples=100, deadline=None)
def test_redacting_any_value_again_changes_nothing_and_hints_miss_nothing(value):
    once, count = redact(value)

    assert redact(once)[0] == once
    assert not count or is_suspect(as_json(value))


@pytest.mark.parametrize(
    "text",
    [
        "SyntaxError: Unexpected token } in JSON at position 4", "jwt malformed: token expired", "Token: expired",
        "password: required", "invalid token: not active yet", "passed: 12 of 12", "bypass=1&page=2", "compass: north",
        "key: lead:4711", "duplicate key value violates unique constraint \"leads_pkey\"", "cookie banner shown",
        "primary_key=12", "sign in with SSO: ok", "design: modern", "monkey=1",
        "https://example.com:8080/a@b", "http://localhost:3000/users?email=x@example.com", "mail to ops@example.com: sent",
        "git@github.com:acme/crm.git", "npm_package_version=1.2.3", "100%40 is no address", "msg.content", "task-force",
        "C:\\u00 is a path", "<passenger>2</passenger>",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text):
    assert redact_text(text) == (text, 0)


@pytest.mark.slow
def test_a_realistic_days_records_come_through_unharmed(tmp_path):
    """False positives: everything that the simulated service writes, and what the guide's own code logs."""
    folder = next(Past(folder=tmp_path, until=1_795_449_600.0, days=0.25, instances=("a:1", "b:2"), seed=1).write())
    records = [orjson.loads(line) for line in (folder / "combined.log").read_bytes().splitlines()]
    answers = [orjson.loads(line) for line in (folder / "health.jsonl").read_bytes().splitlines()]
    metrics = [line for line in (folder / "metrics.prom").read_text().splitlines() if not line.startswith("#")]

    harmed = [(value, clean) for value in (*records, *GUIDE) if (clean := redact(value)[0]) != value]

    assert len(records) > 5_000
    assert len({record["message"] for record in records}) > 6
    assert harmed == []
    assert [value for value in answers if without_credentials(value) != value] == []
    assert [line for line in metrics if redact_text(line)[1]] == []


GUIDE = (
    {"level": "INFO", "message": "HTTP Request", "method": "POST", "url": "/api/leads?page=2&sort=-created", "status": 201,
     "duration": 41, "ip": "::ffff:10.0.4.17", "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
    {"level": "INFO", "message": "API Request Started", "requestId": "3f0a1a52-0d9a-4d3c-9d5e-0123456789ab", "headers":
     {"authorization": "[REDACTED]", "x-api-key": "[REDACTED]", "content-type": "application/json", "host": "crm:3000"},
     "body": {"company": "Zürich & Söhne", "email": "a.b+c@acme.example", "password": "[REDACTED]", "key": "[REDACTED]"}},
    {"message": "Lead Created", "event": "lead.created", "leadId": "lead_8f3a1c", "source": "apollo", "company": "ACME"},
    {"message": "Operation Failed", "event": "operation.error", "operation": "token.refresh", "error": "invalid_grant",
     "stack": "Error: Request failed with status code 401\n    at createError (/app/node_modules/axios/lib/core/"
              "createError.js:16:15)\n    at TokenManager.refresh (/app/src/auth/token-manager.js:88:13)"},
    {"message": "Operation Failed", "operation": "halopsa.push", "error": "getaddrinfo ENOTFOUND api.halopsa.example"},
    {"message": "Data Synchronization Completed", "stats": {"processed": 10, "successful": 9, "failed": 1, "duration": 1200}},
)  # fmt: skip
