"""A request and its key: which are refused and how, and what the check itself writes."""

import datetime as dt

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone

from neural.api import access, keys, limits
from neural.api.limits import LocalBuckets
from neural.api.models import ApiKey
from tests.unit.api import api_world

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/whoami"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """No test counts what another sent; limits are this process's own."""
    local = LocalBuckets()
    monkeypatch.setattr(limits, "buckets", lambda: local)
    monkeypatch.setattr(limits, "_failures", LocalBuckets())
    monkeypatch.setattr(access, "PATIENCE_MS", 60_000)  # on a busy machine, too, a note is taken
    access._used_at.clear()


@pytest.fixture(autouse=True)
def _api():
    with api_world.mounted(api_world.whoami()):
        yield


def ask(text: str = "", **headers: str):
    given = api_world.bearer(text) if text else {}
    return Client().get(ADDRESS, headers={**given, **headers})


def test_a_valid_key_is_accepted_in_both_headers() -> None:
    key, text = api_world.key("S1")

    for answer in (ask(text), ask(**{"X-Api-Key": text}), ask(text, **{"X-Api-Key": text})):
        assert answer.status_code == 200
        assert answer.json() == {"name": f"API key {key.prefix}", "stores": ["S1"]}


def test_bearer_is_understood_in_any_case() -> None:
    _, text = api_world.key()

    assert ask(Authorization=f"bEARER   {text} ").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"Authorization": "Bearer {key},Bearer {key}"},  # two headers, as WSGI joins them
        {"Authorization": "Bearer {key} {key}"},
        {"X-Api-Key": "{key},{key}"},
        {"Authorization": "Bearer {key}", "X-Api-Key": "zn_0123456789_" + "x" * 43},
        {"Authorization": "Bearer é\udcff\x00"},
        {"X-Api-Key": "密钥"},
        {"Authorization": "Bearer " + "x" * 1_000_000},
        {"X-Api-Key": "zn_" * 400_000},
    ],
    ids=lambda headers: repr(headers)[:50],
)
def test_anything_else_is_refused_with_401(headers) -> None:
    _, text = api_world.key()

    answer = ask(**{name: value.replace("{key}", text) for name, value in headers.items()})

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert text not in answer.content.decode() + str(answer.headers)


def test_a_key_without_the_scope_is_refused_with_403_and_the_scope() -> None:
    key, text = api_world.key(scopes=["search"])

    answer = ask(text)

    assert answer.status_code == 403
    assert 'scope="events:read"' in answer["WWW-Authenticate"]
    assert key.prefix in answer.json()["detail"]
    assert text not in answer.content.decode()


def test_a_key_for_every_store_costs_one_query_and_one_for_some_stores_two() -> None:
    for codes, number in [((), 1), (("S1", "S2"), 2)]:
        _, text = api_world.key(*codes)
        ask(text)  # which notes that it was used
        with CaptureQueriesContext(connection) as queries:
            assert ask(text).status_code == 200
        assert len(queries) == number


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("where", ["find", "stores"])
def test_without_a_database_the_answer_is_503_and_when_to_try_again(
    error, where, monkeypatch
) -> None:
    _, text = api_world.key("S1")

    def fails(*_):
        raise error("server closed the connection")

    if where == "find":
        monkeypatch.setattr(keys, "find", fails)
    else:
        monkeypatch.setattr(ApiKey, "store_codes", fails)
    answer = ask(text)

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "server closed" not in answer.content.decode()


def test_a_login_is_no_key(admin_client) -> None:
    assert admin_client.get(ADDRESS).status_code == 401


def test_the_key_is_in_no_log_line(caplog) -> None:
    _, text = api_world.key("S1")
    caplog.set_level("DEBUG")

    ask(text)
    ask(text[:-1] + ("a" if text[-1] != "a" else "b"))

    assert text[15:] not in caplog.text
    assert text[15:-1] not in caplog.text


def test_a_login_that_is_required_everywhere_is_not_asked_of_the_api(settings) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]

    assert ask(api_world.key()[1]).status_code == 200
    assert ask().status_code == 401


def test_a_project_with_transactions_for_requests_has_none_for_the_api() -> None:
    assert resolve(ADDRESS).func._non_atomic_requests == {"default"}


# Last used


def test_use_is_noted_once_a_minute(time_that) -> None:
    key, text = api_world.key()
    ask(text)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=None)

    time_that.passes(59)
    ask(text)
    key.refresh_from_db()
    assert key.last_used_at is None

    time_that.passes(2)
    ask(text)
    key.refresh_from_db()
    assert key.last_used_at >= first


def test_use_that_another_process_noted_within_a_minute_is_not_noted_again() -> None:
    key, text = api_world.key()
    noted_at = timezone.now() - dt.timedelta(seconds=30)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=noted_at)

    ask(text)

    key.refresh_from_db()
    assert key.last_used_at == noted_at


def test_a_refused_key_is_not_in_use() -> None:
    key, text = api_world.key(scopes=["search"])

    ask(text)

    key.refresh_from_db()
    assert key.last_used_at is None


def test_a_note_that_fails_is_left_out(monkeypatch) -> None:
    _, text = api_world.key()

    def fails(key):
        with transaction.atomic():
            connection.cursor().execute("SELECT no_such_column FROM neural_api_apikey")

    monkeypatch.setattr(access, "_write", fails)

    assert ask(text).status_code == 200


def test_the_memory_of_noted_keys_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(access, "REMEMBERED_KEYS", 3)

    for _ in range(10):
        ask(api_world.key()[1])

    assert len(access._used_at) <= 3
