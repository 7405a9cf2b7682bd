"""What a Celery application lacks is said by a system check with its remedy, or is a default."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import billiard.common
import celery._state
import pytest
from celery import Celery, Task, current_app
from celery.loaders.default import Loader as FallbackLoader
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from kombu import Exchange, Queue

import neural
from neural.celeryapp.checks import EXPECTATIONS, findings
from neural.events.registry import HANDLERS
from neural.health.system_checks import check_database, check_times, check_visibility_timeout
from neural.models import TaskRun
from neural.queues import QUEUES

pytestmark = pytest.mark.filterwarnings(
    r"ignore:\s*The '(queue|routing_key)' task attribute"
)  # Celery's, until its 6.0

ROOT = Path(__file__).parents[3]
SETTINGS = (ROOT / "docs" / "reference" / "checks.md").read_text()
LEDGERS, PLAIN = "LedgerCelery", "plain Celery"


def documented_block() -> dict:
    """What docs/reference/checks.md tells a project with a plain Celery application to set."""
    section = SETTINGS.partition("## With a plain Celery application")[2]
    code = re.search(r"```python\n(.*?)\n# In celery\.py", section, re.S)[1]
    values: dict = {}
    exec(code, values)
    return {name: value for name, value in values.items() if name.startswith("CELERY_")}


@pytest.fixture(autouse=True)
def _no_broker_in_the_environment(monkeypatch):
    """It would outrank what an application here is told."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)


@pytest.fixture(autouse=True)
def _no_tasks_of_other_tests(monkeypatch):
    """An application here has its own tasks alone: other tests have left shared ones."""
    current_app.autodiscover_tasks(force=True)
    assert current_app.tasks  # those of this process's application are bound before
    monkeypatch.setattr(celery._state, "_on_app_finalizers", set())


def application(kind: str, settings: dict, **options):
    """One that is not this process's own."""
    make = neural.LedgerCelery if kind == LEDGERS else Celery
    return make(
        "chain",
        set_as_current=False,
        config_source=SimpleNamespace(**settings),
        namespace="CELERY",
        **options,
    )


def said(kind: str, settings: dict) -> set[str]:
    options = {} if kind == LEDGERS else {"control": "neural.celeryapp.control:Control"}
    app = application(kind, settings, **options)
    found = {each.id.removeprefix("neural."): each for each in findings(app)}
    app.close()
    assert all(each.hint for each in found.values())
    return set(found) - ({"W102"} if kind == PLAIN else set())


# Left out

WITHOUT = {
    "CELERY_BROKER_URL": "W111",
    "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": "W112",
    "CELERY_BROKER_CONNECTION_MAX_RETRIES": "W113",
    "CELERY_BROKER_TRANSPORT_OPTIONS": "W114 W115",
    "CELERY_TASK_QUEUES": "W108",
    "CELERY_TASK_DEFAULT_QUEUE": "W110",
    "CELERY_TASK_CREATE_MISSING_QUEUES": "W109",
    "CELERY_WORKER_PREFETCH_MULTIPLIER": "W120",
    "CELERY_TASK_SOFT_TIME_LIMIT": "W122",
    "CELERY_TASK_TIME_LIMIT": "W121",
    "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": "W123",
    "CELERY_DB_REUSE_MAX": "W124",
    "CELERY_RESULT_BACKEND": "W104",
    "CELERY_BEAT_SCHEDULER": "W126",
}
WITHOUT_OPTION = {
    "socket_timeout": "W114",
    "socket_connect_timeout": "W114",
    "health_check_interval": "W114",
    "unacked_restore_throttle": "W115",
    "visibility_timeout": "",  # kombu's hour is above the hard limit
}


def without(name: str) -> dict:
    return {key: value for key, value in documented_block().items() if key != name}


def without_option(name: str) -> dict:
    settings = documented_block()
    del settings["CELERY_BROKER_TRANSPORT_OPTIONS"][name]
    return settings


def test_the_documented_block_is_all_that_a_plain_application_needs():
    assert said(PLAIN, documented_block()) == set()
    assert set(documented_block()) == set(WITHOUT)
    assert set(documented_block()["CELERY_BROKER_TRANSPORT_OPTIONS"]) == set(WITHOUT_OPTION)


@pytest.mark.parametrize("name", WITHOUT)
def test_each_setting_that_a_plain_application_lacks_is_noticed(name):
    assert said(PLAIN, without(name)) == set(WITHOUT[name].split())


@pytest.mark.parametrize("kind", [LEDGERS, PLAIN])
def test_only_a_plain_application_is_advised_to_become_a_ledger_celery(kind):
    app = application(kind, {**documented_block(), "CELERY_TASK_ALWAYS_EAGER": True})
    (eager,) = (each for each in findings(app) if each.id == "neural.W106")
    app.close()

    assert ("make the application a neural.LedgerCelery" in eager.hint) == (kind == PLAIN)


@pytest.mark.parametrize("name", WITHOUT_OPTION)
def test_each_option_of_the_transport_that_it_lacks_is_noticed(name):
    assert said(PLAIN, without_option(name)) == set(WITHOUT_OPTION[name].split())


def test_a_ledger_celery_needs_the_brokers_address_alone():
    assert said(LEDGERS, {"CELERY_BROKER_URL": "redis://127.0.0.1/1"}) == set()
    assert said(LEDGERS, {}) == {"W111"}


@pytest.mark.parametrize("address", ["amqp://127.0.0.1//", ["amqps://one//", "amqps://two//"]])
def test_rabbitmq_is_told_what_it_needs_too(address):
    assert said(LEDGERS, {"CELERY_BROKER_URL": address}) == set()
    assert said(PLAIN, {**documented_block(), "CELERY_BROKER_URL": address}) == {"W117", "W118"}


# Set wrong

WRONG = [
    ("CELERY_TASK_ALWAYS_EAGER", True, "W106"),
    ("CELERY_TASK_QUEUES", [Queue(name) for name in QUEUES], "W107"),
    ("CELERY_TASK_QUEUES", [Queue("mail", Exchange("mail"), routing_key="mail")], "W108 W110"),
    ("CELERY_TASK_CREATE_MISSING_QUEUES", True, "W109"),
    ("CELERY_TASK_DEFAULT_QUEUE", "celery", "W110"),
    ("CELERY_BROKER_URL", "", "W111"),
    ("CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP", False, "W112"),
    ("CELERY_BROKER_CONNECTION_MAX_RETRIES", 100, "W113"),
    ("CELERY_BROKER_TRANSPORT_OPTIONS", {"socket_timeout": None}, "W114"),
    ("CELERY_BROKER_TRANSPORT_OPTIONS", {"unacked_restore_throttle": 10}, "W115"),
    ("CELERY_BROKER_TRANSPORT_OPTIONS", {"queue_order_strategy": "priority"}, "W116"),
    ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "W119"),
    ("CELERY_ACCEPT_CONTENT", ["application/json", "application/x-python-serialize"], "W119"),
    ("CELERY_ACCEPT_CONTENT", ["msgpack"], "W119"),
    ("CELERY_ACCEPT_CONTENT", ["application/json"], ""),
    ("CELERY_WORKER_PREFETCH_MULTIPLIER", 0, "W120"),
    ("CELERY_TASK_TIME_LIMIT", None, "W121"),
    ("CELERY_TASK_SOFT_TIME_LIMIT", None, "W122"),
    ("CELERY_TASK_SOFT_TIME_LIMIT", 300, "W122"),
    ("CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT", 0, "W123"),
    ("CELERY_DB_REUSE_MAX", None, "W124"),
    ("CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS", True, "W125"),
    ("CELERY_BEAT_SCHEDULER", "django_celery_beat.schedulers:DatabaseScheduler", "W126"),
]


@pytest.mark.parametrize("kind", [LEDGERS, PLAIN])
@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_what_a_project_sets_wins_and_what_breaks_a_promise_is_said(kind, name, value, expected):
    settings = documented_block() if kind == PLAIN else {"CELERY_BROKER_URL": "redis://host/1"}
    if name.endswith("OPTIONS"):
        value = {**settings.get(name, {}), **value}

    assert said(kind, {**settings, name: value}) == set(expected.split())


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [("confirm_publish", False, "W117"), ("read_timeout", 3, "")],
)
def test_of_rabbitmqs_options_too(option, value, expected):
    options = {"CELERY_BROKER_TRANSPORT_OPTIONS": {option: value}}

    found = said(LEDGERS, {"CELERY_BROKER_URL": "amqp://host//", **options})

    assert found == set(expected.split())


@pytest.mark.parametrize("heartbeat", [None, 0, 120])
def test_a_heartbeat_that_notices_nothing(heartbeat):
    settings = {"CELERY_BROKER_URL": "amqp://host//", "CELERY_BROKER_HEARTBEAT": heartbeat}

    assert said(LEDGERS, settings) == {"W118"}


def test_numbers_that_a_project_chooses_are_its_own():
    chosen = {
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 4,
        "CELERY_TASK_TIME_LIMIT": 4000,
        "CELERY_TASK_SOFT_TIME_LIMIT": 3000,
        "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 60,
    }

    assert said(LEDGERS, {"CELERY_BROKER_URL": "redis://host/1", **chosen}) == set()


def test_a_queue_of_ones_own_stands_beside_ours():
    queues = [*documented_block()["CELERY_TASK_QUEUES"], Queue("mail", Exchange("mail"), "mail")]
    settings = {"CELERY_BROKER_URL": "redis://host/1", "CELERY_TASK_QUEUES": queues}

    assert said(LEDGERS, settings) == set()


ROUTES = [
    {"shop.tasks.mail": {"queue": "mails"}},
    {"shop.tasks.*": "mails"},
    [{re.compile(r"shop\.(mail|call)"): {"queue": "mails"}}],
    ([("shop.tasks.mail", {"queue": "mails"})],),
]


@pytest.mark.parametrize("routes", ROUTES)
def test_a_route_to_a_queue_that_is_not_declared_is_said_with_the_line_to_add(routes):
    settings = {"CELERY_BROKER_URL": "redis://host/1", "CELERY_TASK_ROUTES": routes}
    [error] = findings(application(LEDGERS, settings))

    assert (error.id, error.is_serious()) == ("neural.E105", True)
    assert "CELERY_TASK_ROUTES['" in error.msg
    assert "'mails'" in error.msg
    made: dict = {}
    exec(f"from kombu import Exchange, Queue\n{error.hint.partition('declare it: ')[2]}", made)
    assert said(LEDGERS, {**settings, "CELERY_TASK_QUEUES": made["CELERY_TASK_QUEUES"]}) == set()


def test_beside_queues_of_the_projects_own_the_line_is_one_more_queue():
    own = [Queue(name, Exchange(name), routing_key=name) for name in (*QUEUES, "letters")]
    settings = {"CELERY_BROKER_URL": "redis://host/1", "CELERY_TASK_QUEUES": own}
    [error] = findings(application(LEDGERS, {**settings, "CELERY_TASK_ROUTES": ROUTES[0]}))

    assert "add Queue('mails', Exchange('mails'), routing_key='mails') to" in error.hint


def test_each_line_declares_all_queues_that_are_missing():
    routes = {"shop.tasks.mail": "mails", "shop.tasks.call": "calls"}
    settings = {"CELERY_BROKER_URL": "redis://host/1", "CELERY_TASK_ROUTES": routes}

    hints = {each.hint for each in findings(application(LEDGERS, settings))}

    assert len(hints) == 1
    assert "'low_priority', 'calls', 'mails')]" in hints.pop()


def test_routes_to_declared_queues_and_by_functions_are_right():
    routes = [{"shop.tasks.mail": {"queue": "default"}}, lambda name, *_, **__: {"queue": "mails"}]

    assert (
        said(LEDGERS, {"CELERY_BROKER_URL": "redis://h/1", "CELERY_TASK_ROUTES": routes}) == set()
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"queue": "mails"}, ["neural.E105"]),
        ({"queue": "mails", "base": neural.LedgerTask}, ["neural.E105"]),
        ({"run_queue": "mails", "base": neural.LedgerTask}, ["neural.E105"]),
        ({"queue": "low_priority"}, []),
    ],
)
def test_a_task_of_an_undeclared_queue_is_said(options, expected):
    app = application(LEDGERS, {"CELERY_BROKER_URL": "redis://host/1"})

    def mail():
        pass

    app.task(name="shop.tasks.mail", **options)(mail)

    found = findings(app)

    assert [each.id for each in found] == expected
    assert all("the task shop.tasks.mail names the queue 'mails'" in each.msg for each in found)


def test_a_handler_of_an_undeclared_queue_is_said(monkeypatch):
    handler = replace(HANDLERS.get("probe.left"), queue="mails")
    monkeypatch.setitem(HANDLERS._things, "probe.left", handler)

    [error] = findings(application(LEDGERS, {"CELERY_BROKER_URL": "redis://host/1"}))

    assert error.id == "neural.E105"
    assert "the handler probe.left names the queue 'mails'" in error.msg


class RunsCoroutines(Task):
    def __call__(self, *args, **kwargs):
        return asyncio.run(self.run(*args, **kwargs))


@pytest.mark.parametrize(
    ("declared", "settings", "who"),
    [
        ({"routing_key": "pizza"}, {}, "the task shop.tasks.bake"),
        ({}, {"CELERY_TASK_ROUTES": {"shop.*": {"exchange": "x"}}}, "CELERY_TASK_ROUTES for shop"),
        ({}, {"options": {"exchange": "x", "queue": "default"}}, "the schedule of shop.tasks.bake"),
    ],
)
def test_an_option_that_a_call_would_be_refused_is_said_before(declared, settings, who):
    def bake():
        pass

    schedule = {"bake": {"task": "shop.tasks.bake", "schedule": 60, **settings}}
    routes = {name: value for name, value in settings.items() if name.startswith("CELERY_")}
    app = application(
        LEDGERS,
        {"CELERY_BROKER_URL": "redis://h/1", "CELERY_BEAT_SCHEDULE": schedule, **routes},
    )
    app.task(name="shop.tasks.bake", base=neural.LedgerTask, **declared)(bake)
    app.task(name="shop.tasks.plain", **declared)(bake)

    (found,) = findings(app)

    assert found.id == "neural.W128"
    assert found.msg.startswith(who)
    assert "which the ledger does not keep" in found.msg


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["neural.W127"]),
        ({"autoretry_for": (OSError,)}, ["neural.W127"]),
        ({"base": neural.LedgerTask}, []),
        ({"base": RunsCoroutines}, []),
    ],
)
@pytest.mark.parametrize("kind", [LEDGERS, PLAIN])
def test_each_plain_task_whose_body_would_never_run_is_said(kind, options, expected):
    async def ask():
        pass

    settings = documented_block() if kind == PLAIN else {"CELERY_BROKER_URL": "redis://host/1"}
    app = application(kind, settings, control="neural.celeryapp.control:Control")
    app.task(name="shop.tasks.ask", **options)(ask)

    found = [each for each in findings(app) if each.id != "neural.W102"]

    assert [each.id for each in found] == expected
    assert all("the task shop.tasks.ask is a plain `async def`" in each.msg for each in found)


# The application


def test_a_plain_application_is_told_of_each_door_that_leads_past_the_ledger():
    app = application(PLAIN, without("CELERY_RESULT_BACKEND"))

    assert [each.id for each in findings(app)] == ["neural.W102", "neural.W103", "neural.W104"]


@pytest.mark.parametrize("backend", ["redis://127.0.0.1/2", "django-db", "rpc://", None])
def test_a_result_backend_that_knows_nothing_of_the_ledger_is_told_of(backend):
    assert said(PLAIN, {**documented_block(), "CELERY_RESULT_BACKEND": backend}) == {"W104"}
    assert said(LEDGERS, {**documented_block(), "CELERY_RESULT_BACKEND": backend}) == set()


@pytest.mark.parametrize("remapped", [None, "", "SIGTERM"])
def test_a_sigterm_that_waits_without_limit_is_told_of(monkeypatch, remapped):
    monkeypatch.setattr(billiard.common, "REMAP_SIGTERM", remapped)

    assert said(PLAIN, documented_block()) == {"W105"}


def test_no_application_at_all_is_told_of_and_nothing_else():
    app = Celery("default", loader="default", fixups=[], set_as_current=False)

    assert isinstance(app.loader, FallbackLoader)
    assert [each.id for each in findings(app)] == ["neural.W101"]


def test_the_checks_look_at_the_application_of_this_process(settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True

    assert "neural.W106" in {each.id for each in checks.run_checks()}


def test_the_project_here_has_nothing_to_be_told():
    assert [each.id for each in checks.run_checks()] == []


def test_a_timeout_of_redis_is_that_in_force(settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1/1"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300}

    assert [each.id for each in check_visibility_timeout()] == ["neural.W001"]


# The project


class Elsewhere:
    """A router that keeps what one test names in another database."""

    models: tuple = ()

    read_alone = False

    def db_for_write(self, model, **hints):
        return None if self.read_alone else self.db_for_read(model)

    def db_for_read(self, model, **hints):
        return "archive" if model in self.models else None


@pytest.fixture
def kept_elsewhere(settings):
    def keep(*models, **how):
        settings.DATABASE_ROUTERS = [type("Router", (Elsewhere,), {"models": models, **how})()]

    return keep


def test_a_project_whose_times_have_no_zone_does_not_start(settings):
    settings.USE_TZ = False

    [error] = check_times()

    assert (error.id, error.is_serious()) == ("neural.E102", True)
    assert "USE_TZ = True" in error.hint
    with pytest.raises(SystemCheckError, match=r"neural\.E102"):
        call_command("check")


def test_a_project_whose_times_are_instants_starts():
    assert check_times() == []


@pytest.mark.parametrize(
    "model",
    [
        TaskRun,
        get_user_model(),
        apps.get_model("neural", "Store"),
        apps.get_model("django_celery_beat", "PeriodicTask"),
    ],
)
def test_a_ledger_that_is_not_in_the_users_database_stops_the_start(kept_elsewhere, model):
    kept_elsewhere(model)

    [error] = check_database()

    assert (error.id, error.is_serious()) == ("neural.E101", True)
    assert f"{model._meta.label} in 'archive'" in error.msg
    with pytest.raises(SystemCheckError, match=r"neural\.E101"):
        call_command("check")


def test_a_ledger_that_is_read_from_a_replica_stops_the_start(kept_elsewhere):
    """A run would look as it was before it was claimed."""
    kept_elsewhere(TaskRun, read_alone=True)

    [error] = check_database()

    assert "neural.TaskRun read from 'archive'" in error.msg


def test_models_of_other_apps_may_be_where_they_like(kept_elsewhere):
    kept_elsewhere(apps.get_model("probe", "Counter"))

    assert check_database() == []


def test_many_models_elsewhere_are_not_all_named(kept_elsewhere):
    kept_elsewhere(*apps.get_app_config("neural").get_models())

    [error] = check_database()

    assert re.search(r"and \d+ more$", error.msg)


# The documents


def test_no_two_checks_have_one_id():
    ids = [each.id for each in EXPECTATIONS]

    assert len(ids) == len(set(ids)) > 10
