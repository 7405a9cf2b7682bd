"""What fills in the forms of addresses at which something is done."""

import json
from typing import Any

from neural.models import QueuePause, TaskRun
from tests.unit.admin import admin_rows
from tests.unit.pages.address_walk import Form, Walker
from tests.unit.pages.every_address import Address

CONFIRMED = {"post": "yes", "_save": "Save"}


def nothing(page: Walker, address: Address) -> Any:
    return {}


def form(page: Walker, address: Address) -> Any:
    return Form(page.call("GET", address.path).body).data


def person(page: Walker, address: Address) -> Any:
    store = admin_rows.STORE
    return {"phone": "13812345678", "store": store, "reason": "asked on paper", "erase": "1"}


def queue(page: Walker, address: Address) -> Any:
    return {"queue": "low_priority", "reason": "stocktaking", "hours": "1"}


def paused(page: Walker, address: Address) -> Any:
    return {"queue": admin_rows.row_of(QueuePause).queue}


def view(page: Walker, address: Address) -> Any:
    return {"name": "mine", "query": "state=dead"}


def confirmed(page: Walker, address: Address) -> Any:
    return CONFIRMED


def edited(page: Walker, address: Address) -> Any:
    line = {"dish": "D-1", "quantity": 1, "price": "7.50"}
    payload = json.dumps({"order_id": "A-1", "lines": [line]})
    steps = {"step": "confirm", "reason": "a wrong price"}
    return {**form(page, address), "payload": payload, **steps}


def bulk(page: Walker, address: Address) -> Any:
    chosen = {"verb": address.path.partition("=")[2], "_selected_action": _run().pk}
    return {**chosen, "token": "a-form", "reason": "stocktaking", "to_queue": "low_priority"}


def _run() -> TaskRun:
    return admin_rows.row_of(TaskRun)
