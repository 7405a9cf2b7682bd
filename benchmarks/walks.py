"""Counts what an order passes through: files and functions of this project that are entered.

    python -m benchmarks.walks                          SQLite and PostgreSQL
    python -m benchmarks.walks --database sqlite

Prints JSON. Each walk begins in a process that has loaded all modules and addresses and done
nothing else, so the first reading of the settings is part of it. The message that a run is
published with is made and not sent.

``accepted``: an order over HTTP, until the API has answered and its run is published;
``outcome``: the delivery of that order's message to a worker, and all runs that it leads to;
``received``: a push of Meituan, until its answer;
``settled``: all runs that the push leads to, until its order is paid.

``files`` and ``functions`` are distinct ones of `neural` and `zhilian`; a comprehension is a
function, as in Python 3.11, the body of a module or class is none. ``switches`` are the calls in
another file than the last one, ``statements`` those that the database was sent.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.isolated import ROOT, measure, parser

HOST = "chain.example.com"
ORDERS = "/api/v1/events"
PUSHES = "/hooks/till"
CREDENTIALS = {"app_id": "3987", "app_secret": "of a benchmark", "api_url": ""}
ROOMS = tuple(f"{ROOT}/{package}/" for package in ("neural", "zhilian"))


class Walk:
    """Everything of this project that is entered within :meth:`traced`."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()
        self.switches = 0
        self.statements = 0
        self.processor_ms = 0.0
        self._last = ""

    @contextmanager
    def traced(self) -> Iterator[None]:
        from django.db import connection

        with connection.execute_wrapper(self._count_statement):
            began = time.process_time()
            sys.setprofile(self._enter)
            try:
                yield
            finally:
                sys.setprofile(None)
                self.processor_ms += 1000 * (time.process_time() - began)

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOMS):
            return
        if not code.co_flags & inspect.CO_NEWLOCALS:
            return  # the body of a module or a class
        self.functions.add((code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname))
        if code.co_filename != self._last:
            self.switches += 1
            self._last = code.co_filename

    def _count_statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.statements += 1
        return execute(*arguments)

    def figures(self, *, every: bool) -> dict[str, Any]:
        by_file: dict[str, list[str]] = {}
        for file, function in sorted(self.functions):
            by_file.setdefault(file, []).append(function)
        counted = {
            "files": len(by_file),
            "functions": len(self.functions),
            "switches": self.switches,
            "statements": self.statements,
            "processor_ms": round(self.processor_ms, 1),
        }
        return {**counted, "functions_by_file": by_file} if every else counted


def main() -> None:
    arguments = parser("What an order passes through.")
    arguments.add_argument("--every", action="store_true", help="name each file and function")
    arguments.add_argument("--step", help=argparse.SUPPRESS)
    arguments.add_argument("--key", default="", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    every = ["--every"] if options.every else []
    if options.step is None:
        measure("benchmarks.walks", ["--step", "all", *every], options)
    elif options.step == "all":
        key = _step("prepare")
        steps = ("accepted", "outcome", "received", "settled")
        json.dump({step: _step(step, "--key", key, *every) for step in steps}, sys.stdout)
    else:
        import django

        django.setup()
        json.dump(STEPS[options.step](options), sys.stdout)


def _step(step: str, *arguments: str) -> Any:
    """Do one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.walks", "--step", step, *arguments],
        env={**os.environ, "ZHILIAN_ALLOWED_HOSTS": HOST},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def prepare(_options: argparse.Namespace) -> str:
    """A database with a store, a key of the API and a source of pushes; returns the key."""
    from django.core.management import call_command

    from neural.api import keys
    from neural.api.models import Scope
    from neural.hooks.models import WebhookSource
    from neural.models import Store

    call_command("migrate", run_syncdb=True, verbosity=0)
    store = Store.objects.create(code="S1")
    WebhookSource.objects.create(
        name="till", platform="meituan", credentials=CREDENTIALS, store=store
    )
    return keys.issue(name="benchmark", scopes=[Scope.EVENTS_WRITE], stores=None)[1]


def accepted(options: argparse.Namespace) -> dict[str, Any]:
    """An order over HTTP."""
    body = {
        "type": "order.created",
        "store": "S1",
        "source": "till",
        "event_id": "1",
        "payload": {
            "order_id": "1001",
            "lines": [{"name": "Egg tart", "quantity": 2, "price": "8.50"}],
            "total": "17.00",
        },
    }
    return _posted(options, ORDERS, json.dumps(body), "application/json", 202)


def received(options: argparse.Namespace) -> dict[str, Any]:
    """A push of Meituan: a completed order that was paid online."""
    return _posted(options, PUSHES, _meituan_form(), "application/x-www-form-urlencoded", 200)


def _posted(
    options: argparse.Namespace, path: str, body: str, kind: str, status: int
) -> dict[str, Any]:
    from django.test import Client
    from django.urls import resolve

    resolve(path)
    _send_nothing()
    client = Client()
    client.handler.load_middleware()
    walk = Walk()
    with walk.traced():
        answer = client.post(
            path,
            body,
            content_type=kind,
            headers={"Host": HOST, "X-Api-Key": options.key},
            secure=True,
        )
    if answer.status_code != status:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.content!r}")
    return walk.figures(every=options.every)


def outcome(options: argparse.Namespace) -> dict[str, Any]:
    """The delivery of the order's message, and of those that it leads to."""
    return _delivered(options)


def settled(options: argparse.Namespace) -> dict[str, Any]:
    """All runs that a push leads to."""
    from neural.restaurant.models import Order

    figures = _delivered(options)
    order = Order.objects.get(till="meituan")
    if order.paid != order.total:
        raise SystemExit(f"{order.paid} of {order.total} is paid")
    return figures


def _delivered(options: argparse.Namespace) -> dict[str, Any]:
    """Every due run, as if a worker had received its message."""
    from neural.broker.message import RUN_HEADER
    from neural.models import RunState, TaskRun

    _send_nothing()
    tasks = _tasks()
    walk = Walk()
    due = TaskRun.objects.filter(state=RunState.PENDING).exclude(event=None)
    while run := due.order_by("pk").first():
        delivery = {"routing_key": run.queue, "exchange": run.queue, "priority": run.priority}
        task = tasks[run.task]
        task.push_request(
            id=run.task_id, called_directly=False, delivery_info=delivery, **{RUN_HEADER: True}
        )
        with walk.traced():
            task()
        task.pop_request()
        run.refresh_from_db()
        if run.state != RunState.SUCCEEDED:
            raise SystemExit(f"{run.handler} is {run.state}: {run.error}")
    return walk.figures(every=options.every)


def _send_nothing() -> None:
    """Leave the broker out: the first message of a process connects to it."""
    from neural.broker import publisher

    def publish(_publisher: object, messages: Iterable[object]) -> int:
        return len(list(messages))

    publisher.Publisher.publish = publish  # type: ignore[method-assign, assignment]


def _tasks() -> Any:
    from celery import current_app

    current_app.loader.import_default_modules()
    current_app.finalize()
    return current_app.tasks


def _meituan_form() -> str:
    """The order as Meituan writes it: values are encoded, and the form encodes them again."""
    from neural.hooks.platforms.meituan import signature_of

    item = {"app_food_code": "bun", "food_name": "bun", "price": 15, "quantity": 2, "box_num": 0}
    account = {"foodShareFeeChargeByPoi": 500, "onlinePayment": 3000, "wmPoiReceiveCent": 2500}
    now = int(time.time())
    fields = {
        "app_id": CREDENTIALS["app_id"],
        "app_poi_code": "1708",
        "order_id": "59309931191316390",
        "ctime": str(now - 1800),
        "utime": str(now),
        "timestamp": str(now),
        "detail": json.dumps([item]),
        "extras": "[]",
        "logistics_code": "1004",
        "original_price": "30.0",
        "pay_type": "2",
        "poi_receive_detail": json.dumps(account),
        "shipping_fee": "0.0",
        "status": "8",
        "total": "30.0",
    }
    address = f"https://{HOST}{PUSHES}"
    fields["sig"] = signature_of(address, fields, CREDENTIALS["app_secret"])
    return urlencode({name: quote(value) for name, value in fields.items()})


STEPS = {
    "prepare": prepare,
    "accepted": accepted,
    "outcome": outcome,
    "received": received,
    "settled": settled,
}

if __name__ == "__main__":
    main()
