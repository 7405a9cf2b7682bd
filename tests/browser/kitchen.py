"""A store whose orders are recorded, while the tickets for its kitchen cannot be printed: the
printer has no paper (`probe.print_ticket`)."""

import io
import json

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from neural.api import keys
from neural.api.models import Scope
from neural.models import RunState, Store, TaskRun
from tests.integration.cluster import Cluster, wait_for_runs
from tests.integration.web import Web, answered_lines
from tests.probe.models import Effect

KITCHEN = {"PROBE_KITCHEN": "1"}
"""The environment of processes that print tickets."""
WORK = "probe.print_ticket"
ERROR = "the ticket printer has no paper"
QUICK = {"figures_seconds": 0.3, "relay_seconds": 0.1}
"""Settings of workers that group errors, and publish, soon."""


def person(role: str, *, stores: tuple[str, ...] = (), name: str = ""):
    """A user in one of the groups that `create_groups` makes: of these stores, or of all."""
    call_command("create_groups", stdout=io.StringIO())
    user = get_user_model().objects.create_user(name or role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if not stores:
        user.groups.add(Group.objects.get(name="every store"))
    for code in stores:
        Store.objects.get_or_create(code=code)[0].operators.add(user)
    return user


def order(number: int, *, store: str = "S1", **payload) -> dict:
    """An order, as a till sends it."""
    line = {"dish": "noodles", "quantity": 2, "price": "28.00"}
    content = {"order_id": f"A-{number}", "currency": "CNY", "lines": [line], **payload}
    return {
        "type": "order.created",
        "store": store,
        "source": "till",
        "event_id": f"{store}-{number}",
        "payload": content,
    }


def send(web: Web, *orders: dict) -> None:
    """What tills do."""
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)
    body = b"".join(json.dumps(each).encode() + b"\n" for each in orders)
    headers = {"X-Api-Key": key, "Content-Type": "application/x-ndjson"}
    _, answer = web.request("POST", "/api/v1/events/batch", body, **headers)
    verdicts = [each.get("verdict") for each in answered_lines(answer)]
    assert verdicts.count("new") == len(orders), answer


def tickets():
    """The runs that print."""
    return TaskRun.objects.filter(handler=WORK)


def wait_until_dead() -> None:
    """Until the orders are recorded and no ticket is printed."""
    wait_for_runs(handler="neural.record_order")
    wait_for_runs(handler=WORK, state=RunState.DEAD)


def load_paper(cluster: Cluster) -> None:
    """What the cook does about it."""
    (cluster.marks / "paper").touch()


def printed() -> dict[str, int]:
    """How often each ticket was printed."""
    return dict(Effect.counts())
