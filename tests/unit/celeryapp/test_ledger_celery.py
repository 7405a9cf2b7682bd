"""`neural.LedgerCelery`: an application that needs a name and a broker's address."""

import json
import logging
import logging.config
import os
import pickle
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from celery.signals import setup_logging
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError

import neural
from neural.broker.publisher import BrokerUnavailable
from neural.celeryapp import app as module
from neural.celeryapp.control import Control
from neural.celeryapp.results import LedgerResults
from neural.models import TaskRun
from neural.queues import QUEUES, TASK_QUEUES
from neural.worker.commands.worker import refuse_unknown_queues
from tests.probe import tasks

REDIS = "redis://127.0.0.1/1"


@pytest.fixture(autouse=True)
def _no_broker_in_the_environment(monkeypatch):
    """It would outrank what an application here is told."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)


@pytest.fixture
def make():
    """Applications that are not this process's own."""
    made = []

    def one(*, namespace="CELERY", options=None, **settings):
        source = SimpleNamespace(**settings)
        app = neural.LedgerCelery(
            "chain",
            set_as_current=False,
            config_source=source,
            namespace=namespace,
            **(options or {}),
        )
        made.append(app)
        return app

    yield one
    for app in made:
        app.close()


def printed(code: str, **environment: str) -> str:
    """What a fresh process prints."""
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr.splitlines()[-1] if done.stderr else done.stdout


# Made before Django is set up


def test_to_import_neural_loads_neither_celery_nor_django():
    loaded = printed("import sys, neural; print(*{name.partition('.')[0] for name in sys.modules})")

    assert not {"celery", "kombu", "django", "pydantic"} & set(loaded.split())


def test_the_application_is_made_without_settings_models_or_apps():
    code = (
        "import neural, sys; neural.LedgerCelery('chain');"
        "print([name for name in ('no.such.settings', 'neural.models') if name in sys.modules])"
    )

    assert printed(code, DJANGO_SETTINGS_MODULE="no.such.settings").strip() == "[]"


def test_where_nothing_names_the_settings_it_says_what_to_write():
    said = printed("import neural; neural.LedgerCelery('chain')")

    assert 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "<project>.settings")' in said
    assert said.startswith("django.core.exceptions.ImproperlyConfigured")


def test_an_empty_name_of_the_settings_is_none(monkeypatch, make):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "")

    with pytest.raises(ImproperlyConfigured, match="DJANGO_SETTINGS_MODULE is not set"):
        make()


# Its settings


def test_it_brings_the_queues_and_how_messages_are_acknowledged(make):
    conf = make(CELERY_BROKER_URL=REDIS).conf

    assert [queue.name for queue in conf.task_queues] == list(QUEUES)
    assert [queue.exchange.name for queue in conf.task_queues] == list(QUEUES)
    assert (conf.task_default_queue, conf.task_create_missing_queues) == ("default", False)
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_routes["neural.tasks.make_forecasts"] == {"queue": "low_priority"}
    assert set(conf.task_routes) == set(TASK_QUEUES)


def test_what_the_broker_is_told_follows_from_its_address_and_the_limits(make):
    def options(url, **more):
        return make(CELERY_BROKER_URL=url, **more).conf.broker_transport_options

    assert options(REDIS)["visibility_timeout"] == 900
    assert options(REDIS, CELERY_TASK_TIME_LIMIT=4000)["visibility_timeout"] == 12_000
    assert options(REDIS, CELERY_WORKER_PREFETCH_MULTIPLIER=4)["visibility_timeout"] == 1800
    assert options("sentinel://a;sentinel://b")["socket_timeout"] == 5
    assert options("amqp://127.0.0.1//") == {"confirm_publish": True}
    assert options("memory://") == {}


def test_one_option_of_the_transport_may_be_changed_and_the_others_stay(make):
    chosen = {"visibility_timeout": 5000, "master_name": "mymaster"}
    options = make(
        CELERY_BROKER_URL=REDIS, CELERY_BROKER_TRANSPORT_OPTIONS=chosen
    ).conf.broker_transport_options

    assert options == {**options, **chosen}
    assert options["socket_timeout"] == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", False),
        ("task_soft_time_limit", 20),
        ("task_queues", []),
        ("task_routes", {"shop.tasks.*": {"queue": "default"}}),
        ("broker_connection_max_retries", 5),
        ("worker_soft_shutdown_timeout", 60),
        ("beat_scheduler", "celery.beat:PersistentScheduler"),
        ("result_backend", "redis://127.0.0.1/2"),
        ("accept_content", ["json", "msgpack"]),
    ],
)
def test_what_a_project_sets_itself_wins(make, monkeypatch, name, value):
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)
    settings = {f"CELERY_{name.upper()}": value}

    assert getattr(make(CELERY_BROKER_URL=REDIS, **settings).conf, name) == value


def test_what_the_code_sets_wins_over_the_settings(make):
    app = make(CELERY_BROKER_URL=REDIS, CELERY_TASK_TIME_LIMIT=100)
    assert app.conf.task_time_limit == 100  # read before: of the first look Celery makes its own
    app.conf.task_time_limit = 50

    assert app.conf.task_time_limit == 50
    assert make(options={"broker": "memory://"}).conf.broker_url == "memory://"


def test_another_namespace_is_heeded(make):
    app = make(namespace="QUEUE", QUEUE_BROKER_URL=REDIS, QUEUE_TASK_TIME_LIMIT=100)

    assert (app.conf.broker_url, app.conf.task_time_limit) == (REDIS, 100)
    assert app.conf.task_soft_time_limit == 240
    chosen = make(namespace="QUEUE", QUEUE_BROKER_TRANSPORT_OPTIONS={"socket_timeout": 9})
    assert chosen.conf.broker_transport_options == {"socket_timeout": 9}


def test_beat_and_results_are_those_of_the_apps_that_are_there(make, settings, monkeypatch):
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)
    with_both = make().conf
    assert with_both.beat_scheduler == "neural.celeryapp.beat:LedgerScheduler"
    assert with_both.result_backend == "django-db"

    settings.INSTALLED_APPS = ["neural", "django.contrib.messages"]
    without = make().conf
    assert without.beat_scheduler == "celery.beat:PersistentScheduler"
    assert without.result_backend is None


def test_a_copy_in_another_process_is_configured_alike(make):
    app = make(CELERY_BROKER_URL=REDIS, CELERY_TASK_TIME_LIMIT=100)
    copy = pickle.loads(pickle.dumps(app))

    assert isinstance(copy, neural.LedgerCelery)
    assert copy.conf.task_time_limit == 100
    assert copy.conf.task_acks_late
    copy.close()


def test_django_says_the_time_zone_also_to_the_form_of_schedules():
    from django_celery_beat.models import crontab_schedule_celery_timezone

    assert crontab_schedule_celery_timezone() == "Asia/Shanghai"


# Its entry points


def test_control_and_results_are_the_ledgers(make):
    app = make(CELERY_RESULT_BACKEND="redis://127.0.0.1/2")

    assert isinstance(app.control, Control)
    assert isinstance(app.backend, LedgerResults)


@pytest.mark.django_db
def test_send_task_records_a_ledger_task(fake_broker):
    from celery import current_app

    result = current_app.send_task(tasks.give_back.name, args=[1], countdown=60)

    run = TaskRun.objects.get()
    assert (run.task_id, run.args) == (result.id, [1])


def test_sigquit_is_heeded_where_a_script_had_it_ignored():
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        module.heed_sigquit()
        assert signal.getsignal(signal.SIGQUIT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGQUIT, before)


# Queues that the project does not declare


@pytest.fixture
def waiting(monkeypatch):
    """The messages in queues of the broker that nobody declares."""
    found = {"hihg_priority": 2}
    counting = SimpleNamespace(depths=lambda names: {name: found.get(name, 0) for name in names})
    monkeypatch.setattr("neural.broker.publisher.publisher", lambda: counting)
    return counting


@pytest.mark.parametrize("queue", ["celery", "hihg_priority"])
def test_a_worker_reads_a_queue_that_is_not_declared_when_it_is_asked_to(make, waiting, queue):
    queues = make().amqp.queues

    queues.select(["default", queue])

    assert sorted(queues.consume_from) == sorted(["default", queue])
    assert queues.consume_from[queue].routing_key == queue
    assert queue not in queues  # nothing is sent there


def test_a_worker_that_is_not_asked_reads_the_declared_queues_alone(make, waiting):
    queues = make().amqp.queues
    queues.select(None)
    assert sorted(queues.consume_from) == sorted(QUEUES)

    queues.select("celery")
    assert list(queues.consume_from) == ["celery"]


def test_an_empty_queue_with_a_mistyped_name_is_refused(make, waiting):
    with pytest.raises(KeyError, match="defualt"):
        make().amqp.queues.select(["defualt"])
    with pytest.raises(CommandError, match="There is no queue defualt"):
        refuse_unknown_queues("default,defualt")
    refuse_unknown_queues("default,celery,hihg_priority")


def test_without_a_broker_celerys_own_queue_alone_can_be_read(make, waiting):
    def away(names):
        raise BrokerUnavailable("away")

    waiting.depths = away
    queues = make().amqp.queues

    queues.select(["celery"])
    assert list(queues.consume_from) == ["celery"]
    with pytest.raises(KeyError):
        queues.select(["hihg_priority"])


# Its logs


@pytest.fixture
def logs_to_terminal(settings, monkeypatch):
    """A project whose root logger writes to the terminal, masked and filtered, and elsewhere."""
    root = logging.getLogger()
    elsewhere = logging.NullHandler()
    terminal = logging.StreamHandler()
    terminal.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    terminal.addFilter(lambda record: "secret" not in record.getMessage())
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", logging.INFO)
    monkeypatch.setattr(
        logging.config, "dictConfig", lambda _: setattr(root, "handlers", [terminal, elsewhere])
    )
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    for name in ("CELERY_LOG_REDIRECT", "CELERY_LOG_REDIRECT_LEVEL"):
        monkeypatch.setenv(name, "")
    yield root, elsewhere
    root.handlers[0].close()


def test_with_a_logfile_a_worker_writes_there_what_it_would_write_to_the_terminal(
    logs_to_terminal, tmp_path
):
    root, elsewhere = logs_to_terminal
    file = tmp_path / "worker.log"

    module.use_django_logging(logfile=str(file))
    root.info("event=run_started")
    root.info("a secret")
    print("printed by a task")

    assert file.read_text().splitlines() == ["INFO event=run_started", "WARNING printed by a task"]
    assert elsewhere in root.handlers


def test_without_a_logfile_the_terminal_is_left_as_it_is(logs_to_terminal):
    before = sys.stdout

    module.use_django_logging()

    assert type(logging.getLogger().handlers[0]) is logging.StreamHandler
    assert sys.stdout is before


@pytest.fixture
def nobody_listens(monkeypatch):
    """To Celery's question how to log."""
    monkeypatch.setattr(setup_logging, "receivers", [])


def test_workers_log_as_django_where_logging_says_where_to(make, settings, nobody_listens):
    settings.LOGGING = {"version": 1, "root": {"handlers": []}}
    assert make().conf.task_acks_late  # reads the settings
    assert not setup_logging.receivers

    settings.LOGGING = {"version": 1, "root": {"handlers": ["stderr"]}}
    assert make().conf.task_acks_late
    assert len(setup_logging.receivers) == 1


def test_whoever_sets_up_logging_by_celerys_signal_does_so_alone(make, settings, nobody_listens):
    def mine(**_):
        pass

    setup_logging.connect(mine)
    settings.LOGGING = {"version": 1, "root": {"handlers": ["stderr"]}}

    assert make().conf.task_acks_late
    assert len(setup_logging.receivers) == 1


@pytest.mark.parametrize(("asked", "level"), [(logging.WARNING, "INFO"), (logging.DEBUG, "DEBUG")])
def test_a_loglevel_counts_that_was_given(settings, monkeypatch, asked, level):
    configured = []
    monkeypatch.setattr(logging.config, "dictConfig", configured.append)
    logger = logging.getLogger("neural")
    before, root = logger.level, logging.getLogger().level
    logger.setLevel("INFO")

    module.use_django_logging(loglevel=asked)

    assert configured == [settings.LOGGING]
    assert logging.getLevelName(logger.level) == level
    logger.setLevel(before)
    logging.getLogger().setLevel(root)
    logging.getLogger("django").setLevel(logging.NOTSET)


def test_the_project_here_is_a_few_lines_on_it():
    printed_settings = printed(
        "import json; from zhilian.celery import app; conf = app.conf;"
        "names = 'worker_concurrency', 'task_ignore_result', 'task_acks_late';"
        "print(json.dumps([conf[name] for name in names]))",
        DJANGO_SETTINGS_MODULE="zhilian.settings",
        CELERY_WORKER_CONCURRENCY="3",
    )

    assert json.loads(printed_settings) == [3, True, True]
