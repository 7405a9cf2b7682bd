"""Commands say what is wrong and what to type, without a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError

from neural.kit.conf.ledger import NeuralSettings
from neural.management.teaching import sentence

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("no such table: neural_taskrun"), "manage.py migrate"),
        (ProgrammingError('relation "neural_taskrun" does not exist'), "manage.py migrate"),
        (OperationalError("connection refused"), "manage.py doctor"),
        (OperationalError('database "shop" does not exist'), "manage.py doctor"),
        (ImproperlyConfigured("DATABASE_URL must begin so"), "DATABASE_URL must begin so"),
        (OverflowError("int too large"), "too large"),
    ],
)
def test_an_error_from_outside_is_a_sentence_with_its_remedy(error, said):
    assert said in sentence(error)


def test_an_error_of_the_code_keeps_its_traceback():
    assert sentence(KeyError("x")) is None


def test_a_wrong_setting_is_named():
    with pytest.raises(ValueError, match="max_retries") as raised:
        NeuralSettings.model_validate({"max_retries": "many"})

    assert "NEURAL_MAX_RETRIES" in sentence(raised.value)


@pytest.mark.django_db
def test_a_command_turns_it_into_its_own_error():
    with pytest.raises(CommandError, match="0 to 36,500"):
        call_command("prune", "--days", "99999999999", "--dry-run")


def test_a_worker_of_a_queue_that_is_not_configured_is_refused():
    with pytest.raises(CommandError, match="no queue hihg"):
        call_command("worker", "--queues", "hihg")


@pytest.mark.parametrize("concurrency", ["0", "-3", "many"])
def test_a_worker_has_at_least_one_process(concurrency):
    with pytest.raises(CommandError, match="whole number from 1"):
        call_command("worker", "--concurrency", concurrency)


def test_the_command_line_itself_shows_no_traceback(tmp_path):
    environment = {"DATABASE_URL": "junk", "ZHILIAN_VAR": str(tmp_path), "ZHILIAN_ENV_FILE": ""}

    ended = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("DATABASE_URL must begin")
    assert "Traceback" not in ended.stderr
