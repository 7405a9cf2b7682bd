"""Workers are tuned by the environment, strictly, and never out of step with the broker."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from neural.health.system_checks import check_visibility_timeout
from zhilian import environment

# It names its brokers itself and connects to none.
pytestmark = [pytest.mark.slow, pytest.mark.once]

DEFAULTS = {
    "CELERY_WORKER_CONCURRENCY": "one a core",
    "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
    "CELERY_TASK_SOFT_TIME_LIMIT": 240,
    "CELERY_TASK_TIME_LIMIT": 300,
    "CELERY_WORKER_MAX_TASKS_PER_CHILD": 1000,
}
LIMITS = {"CELERY_TASK_SOFT_TIME_LIMIT": "5", "CELERY_TASK_TIME_LIMIT": "8"}


def read(values: dict[str, str]) -> environment.Environment:
    return environment.read(environment={"ZHILIAN_ENV_FILE": "", **values}, base_dir=Path("/"))


def printed(environment: dict[str, str], code: str) -> str:
    """What a process of the project that has this environment prints."""
    return subprocess.run(
        [sys.executable, "-c", f"import json, django; django.setup()\n{code}"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "zhilian.settings", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def configured(environment: dict[str, str], *names: str) -> list:
    """What Celery is configured with in such a process."""
    code = f"from zhilian.celery import app; conf = app.conf; names = {names}"
    return json.loads(printed(environment, f"{code}\nprint(json.dumps([conf[n] for n in names]))"))


def test_everything_has_a_default():
    default = read({})

    assert (default.soft_time_limit, default.time_limit) == (240, 300)
    assert (default.prefetch_multiplier, default.max_tasks_per_child) == (1, 1000)
    assert default.concurrency is None


def test_each_variable_reaches_celery():
    environment = dict(zip(DEFAULTS, "34587", strict=True))

    assert configured(
        environment,
        "worker_concurrency",
        "worker_prefetch_multiplier",
        "task_soft_time_limit",
        "task_time_limit",
        "worker_max_tasks_per_child",
    ) == [3, 4, 5, 8, 7]


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1e3", "٣"])
def test_a_wrong_value_is_refused_with_its_name(name, value):
    """Zero means 'without limit' to Celery, which no visibility timeout could outlast."""
    with pytest.raises(ImproperlyConfigured, match=f"{name}=.*1 or more"):
        read({name: value})


def test_an_empty_value_is_the_default():
    assert read(dict.fromkeys(DEFAULTS, " ")) == read({})


def test_the_soft_limit_must_strike_before_the_hard_one():
    with pytest.raises(ImproperlyConfigured, match="must be below"):
        read({"CELERY_TASK_TIME_LIMIT": "240"})


@pytest.mark.parametrize(
    ("prefetch", "limit", "seconds"), [("1", "300", 900), ("4", "300", 1800), ("1", "3600", 10800)]
)
def test_redis_waits_for_all_that_a_worker_may_have_taken(prefetch, limit, seconds):
    environment = {
        "CELERY_WORKER_PREFETCH_MULTIPLIER": prefetch,
        "CELERY_TASK_TIME_LIMIT": limit,
        "CELERY_BROKER_URL": "redis://127.0.0.1/1",
    }

    [options] = configured(environment, "broker_transport_options")

    assert options["visibility_timeout"] == seconds


def test_a_timeout_that_is_not_above_the_hard_limit_is_warned_of(settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1/1"
    settings.CELERY_TASK_TIME_LIMIT = 900
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900}

    [warning] = check_visibility_timeout()

    assert warning.id == "neural.W001"
    assert "900 s" in warning.msg


def test_rabbitmq_has_no_such_timeout(settings):
    settings.CELERY_BROKER_URL = "amqp://127.0.0.1//"
    settings.CELERY_TASK_TIME_LIMIT = 7200
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}

    assert check_visibility_timeout() == []


@pytest.mark.parametrize(
    "values",
    [{}, LIMITS, {"CELERY_TASK_TIME_LIMIT": "4000"}],
    ids=["default", "short", "long"],
)
def test_no_choice_of_limits_is_warned_of(values, settings):
    chosen = read(values)
    settings.CELERY_BROKER_URL = "redis://127.0.0.1/1"
    settings.CELERY_TASK_TIME_LIMIT = chosen.time_limit

    assert check_visibility_timeout() == []


def test_up_starts_as_many_processes_as_the_environment_says():
    code = (
        "from zhilian.management.commands.up import Command\n"
        "print(Command().create_parser('manage.py', 'up').parse_args([]).concurrency)"
    )

    assert printed({"CELERY_WORKER_CONCURRENCY": "7"}, code).strip() == "7"


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_variable_is_documented_and_in_the_example_file(name):
    root = Path(__file__).parents[3]

    assert f"#{name}=" in root.joinpath(".env.example").read_text()
    row = re.search(
        rf"^\| `{name}` \| .*$", root.joinpath("docs/reference/settings.md").read_text(), re.M
    )
    assert row
    assert f"| {DEFAULTS[name]} |" in row[0]
