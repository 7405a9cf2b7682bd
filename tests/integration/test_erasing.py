"""A person is erased while workers drain what names the person, though the command is killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

import neural
from neural.models import NeuralEvent, RunState, TaskRun
from neural.personal.erasing.tables import erase
from neural.personal.person import Person
from neural.personal.redacting import key_rules
from neural.restaurant.models import Order
from neural.retrieval.index.active import active_index
from neural.retrieval.models import OutboxEntry, SearchRow, SearchTerm
from tests.integration.test_search_indexing import searched  # noqa: F401 (a fixture)
from tests.watching import wait_until

pytestmark = pytest.mark.integration

ORDERS = 240
PHONE, NAME = "13987654321", "欧阳靖"
ROOT = Path(__file__).parents[2]


def order(number: int) -> dict[str, Any]:
    """Every other order is the person's."""
    guest = (
        {"phone": PHONE, "customer": {"name": NAME}} if number % 2 else {"phone": "021-61234567"}
    )
    payload = {
        "order_id": f"A-{number}",
        "lines": [{"dish": "Egg tart", "quantity": "1", "price": "7.50"}],
        "note": f"call {guest['phone']}",
        **guest,
    }
    return {
        "type": "order.stated",
        "store": "S1",
        "source": "till",
        "event_id": str(number),
        "payload": payload,
    }


def erasing(environment: dict[str, str]) -> "subprocess.Popen[str]":
    who = ("--phone", PHONE, "--by", "anna", "--reason", "asked on paper", "--yes")
    command = [sys.executable, "manage.py", "erase_person", *who]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def is_drained() -> bool:
    open_runs = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))
    return not open_runs.exists() and not OutboxEntry.objects.exists()


def texts_of_index(collection: str) -> str:
    found = active_index(collection)
    assert found is not None
    keys = [f"S1/{pk}" for pk in NeuralEvent.objects.values_list("pk", flat=True)]
    keys = keys if collection == "events" else [f"S1/A-{number}" for number in range(ORDERS)]
    rows = SearchRow.objects.filter(index=found.index, key__in=keys)
    assert len(rows) == ORDERS
    return repr([*rows.values_list(), *SearchTerm.objects.filter(index=found.index).values_list()])


@pytest.mark.faults
def test_a_person_is_gone_though_workers_drain_and_the_command_is_killed(
    searched: Any,  # noqa: F811
) -> None:
    get_user_model().objects.create_superuser("anna")
    answers = list(neural.submit_many(order(number) for number in range(ORDERS)))
    assert all(each.is_new for each in answers)
    searched.worker(concurrency=2)
    environment = searched.environment(search=True)

    first = erasing(environment)
    wait_until(
        lambda: (
            first.poll() is not None
            or NeuralEvent.objects.filter(payload__phone="[erased]").exists()
        ),
        120,
    )
    first.send_signal(signal.SIGKILL)
    first.communicate()
    wait_until(is_drained, 300)
    second = erasing(environment)
    told, _ = second.communicate(timeout=300)

    assert second.returncode == 0, told
    wait_until(is_drained, 300)
    assert sum(step.found for step in erase(_person(), dry_run=True)) == 0
    assert NeuralEvent.objects.filter(payload__phone="[erased]").count() == ORDERS / 2
    assert NeuralEvent.objects.filter(payload__phone="021-61234567").count() == ORDERS / 2
    assert Order.objects.filter(note="call [erased]").count() == ORDERS / 2
    for collection in ("events", "orders"):
        texts = texts_of_index(collection)
        assert PHONE not in texts
        assert NAME not in texts
    again = list(neural.submit_many(order(number) for number in range(ORDERS)))
    assert {each.verdict for each in again} == {"duplicate"}
    assert PHONE not in json.dumps(list(NeuralEvent.objects.values_list("payload", flat=True)))


def _person() -> Person:
    return Person(phone=PHONE, rules=key_rules())
