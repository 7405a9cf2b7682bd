"""A page that fails says what happened and what to do, also while the database is away."""

import logging

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory
from django.utils import translation

from neural.admin import actions, failures
from neural.models import RunState
from neural.runs.admin.runs_list import views
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db

RUNS = "/admin/neural/taskrun/"
FULL = OperationalError("database or disk is full")
GONE = OperationalError("connection to server at db.internal failed: Connection refused")


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def client() -> Client:
    client = world.superuser()
    client.raise_request_exception = False
    return client


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FULL, "The disk of the database is full: it can be read, and takes no changes."),
        (GONE, "The database does not answer, or does not do what is asked of it."),
        (InterfaceError("connection already closed"), "The database does not answer"),
    ],
)
def test_an_action_that_the_database_refuses_is_answered_with_the_cause_and_what_to_do(
    client, monkeypatch, error, told
):
    run = make_run(RunState.DEAD)
    monkeypatch.setattr(actions, "perform", raising(error))

    answer = client.post(f"{RUNS}{run.pk}/act/retry/", {"reason": "x"})

    page = answer.content.decode()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert told in page
    assert "look at its page before you ask for it again" in page
    assert "manage.py doctor" in page
    assert "db.internal" not in page


def test_a_page_that_cannot_be_read_says_that_nothing_was_changed(client, monkeypatch):
    monkeypatch.setattr(views, "list_context", raising(GONE))

    answer = client.get(RUNS)

    assert answer.status_code == 503
    assert "Nothing was changed. Try again in a moment." in answer.content.decode()


def test_an_error_of_the_program_names_the_log_and_the_time(client, monkeypatch):
    monkeypatch.setattr(views, "list_context", raising(KeyError("secret")))

    answer = client.get(RUNS)

    page = answer.content.decode()
    assert answer.status_code == 500
    assert "Retry-After" not in answer.headers
    assert "The log of the web process says what, at 2" in page
    assert "secret" not in page


def failed(error):
    """What a page says that fails with this error."""
    try:
        raise error
    except type(error):
        return failures.server_error(RequestFactory().get(RUNS))


def test_it_asks_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert failed(FULL).status_code == 503


def test_a_login_that_could_not_be_kept_does_not_claim_that_nothing_was_done(client, monkeypatch):
    """Django keeps it after the page has done its work; on a full disk it cannot."""
    monkeypatch.setattr(views, "list_context", raising(SessionInterrupted("deleted")))

    shown = client.get(RUNS)
    acted = failures.bad_request(RequestFactory().post(RUNS), SessionInterrupted("deleted"))

    assert (shown.status_code, acted.status_code) == (400, 400)
    assert "log in again" in shown.content.decode()
    assert "It is not certain whether what you asked for was done" in acted.content.decode()


def test_it_speaks_the_readers_language():
    with translation.override("zh-hans"):
        assert "数据库所在磁盘已满" in failed(FULL).content.decode()


def test_without_a_template_it_is_plain_text(monkeypatch):
    monkeypatch.setattr(failures, "render_to_string", raising(OSError("no template")))

    answer = failed(FULL)

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"The disk of the database is full" in answer.content


@pytest.mark.parametrize("path", [RUNS, "/no/such/page", "/admin/login/"])
def test_a_body_in_a_charset_that_forms_do_not_have_is_no_error_of_the_server(path):
    """Django's own page about it reads the body once more, and so fails, too."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies["csrftoken"] = "a" * 32

    answer = client.post(
        path, b"a=b", content_type="application/x-www-form-urlencoded; charset=utf-16"
    )

    assert answer.status_code == 400
    assert "The server could not read what your browser sent." in answer.content.decode()
