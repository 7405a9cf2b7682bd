"""`/healthz` and `/readyz`: what a supervisor or a load balancer asks."""

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from neural.monitoring.machines import views

TOKEN = "t" * 20


class Connection:
    """A broker's connection that accepts everything."""

    default_channel = None

    def close(self) -> None:
        """There is nothing to close."""

    collect = close


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    monkeypatch.setattr(views, "short_tempered_connection", Connection)
    monkeypatch.setattr(views, "must_accept", lambda channel: None)


@pytest.fixture
def no_broker(broker, monkeypatch):
    def refuse(channel):
        raise OSError("redis.internal: connection refused")

    monkeypatch.setattr(views, "must_accept", refuse)


@pytest.mark.parametrize("path", ["/healthz", "/livez"])
def test_a_live_process_says_so_and_asks_nothing(client, path):
    """Without the mark django_db, a query would fail."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.content == b"ok\n"
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused_as_such_also_without_a_csrf_token(path, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"


@pytest.mark.django_db
def test_a_migrated_database_is_ready(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("no_broker")
def test_without_the_broker_it_is_ready_and_says_so(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["checks"]["broker"] == "fails"
    assert "redis.internal" not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("no_broker")
def test_details_are_for_those_with_the_token(client, settings):
    settings.NEURAL = settings.NEURAL | {"metrics_token": TOKEN}

    answer = client.get("/readyz", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.json()["details"] == {"broker": "redis.internal: connection refused"}


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_makes_it_unready(client, settings):
    settings.NEURAL = settings.NEURAL | {"metrics_token": TOKEN}
    MigrationRecorder.Migration.objects.filter(app="neural", name__startswith="0002").delete()

    answer = client.get("/readyz", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "fails"
    assert answer.json()["details"]["migrations"].startswith("neural.0002")


@pytest.mark.django_db
def test_a_squashed_migration_counts_by_what_it_replaces(monkeypatch):
    applied = next(iter(views.known_migrations()))
    squashed = {("app", "0001_squashed"): [applied], ("app", "0002"): []}
    monkeypatch.setattr(views, "known_migrations", lambda: squashed)

    (_, migrations, _) = views.checks()

    assert migrations.detail == "app.0002"


@pytest.mark.django_db
def test_a_squashed_migration_needs_all_that_it_replaces(monkeypatch):
    """A database of a version in between has some of them: its tables lack what the others add."""
    applied = next(iter(views.known_migrations()))
    squashed = {("app", "0001_squashed"): [applied, ("app", "0002_later")]}
    monkeypatch.setattr(views, "known_migrations", lambda: squashed)

    (_, migrations, _) = views.checks()

    assert migrations.detail == "app.0001_squashed"


def test_without_the_database_it_is_not_ready_and_live_all_the_same(client, monkeypatch):
    def refuse(*_):
        raise OperationalError("db.internal: connection refused")

    monkeypatch.setattr(views, "impatient_database", refuse)
    monkeypatch.setattr(views.dialects, "ledger_connection", Connection)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {"database": "fails", "broker": "ok"},
    }
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_a_database_that_does_not_answer_takes_one_thread_and_not_all(client, monkeypatch):
    """The web process must still have threads for `/healthz`, or it is restarted in vain."""
    monkeypatch.setattr(views, "PATIENCE_SECONDS", 0.01)

    with views._database_lock:  # a check that waits for the database
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "fails", "broker": "ok"}
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nothing_is_sent_to_them(client, path):
    assert client.post(path).status_code == 405


def test_probes_are_not_sent_to_https(settings, client):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/admin/").status_code == 301
