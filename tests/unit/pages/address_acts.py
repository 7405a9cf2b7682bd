"""What may be done by POST, where, and with which permission: verbs, actions, forms, and the rest.

Verbs, the actions of lists and Django's forms are found; the rest stands in ACTS.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from neural.models import BulkVerb
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.pages import address_forms as forms
from tests.unit.pages.address_forms import CONFIRMED
from tests.unit.pages.address_walk import Form, Walker
from tests.unit.pages.every_address import Address

RUN, CHANGE_SCHEDULE = "neural.run_schedule", "django_celery_beat.change_periodictask"
PRUNE = "neural_monitoring.prune_rows"
OWNER = "the owner of the row"
"""Stands for a permission that nobody is given: a superuser owns the rows."""


@dataclass(frozen=True)
class Act:
    """Something that a POST does. ``label`` has no keys of rows: it is the same in every database.
    ``permission`` is empty for what everybody may do; ``of_any_store`` says that it is not done to
    a row of THEIRS, so that the permission is enough."""

    label: str
    path: str
    data: Any
    permission: str
    of_any_store: bool = False


ACTS: dict[str, tuple[str, Callable[[Walker, Address], Any]]] = {
    "login": ("", forms.nothing),
    "password_change": ("", forms.nothing),
    "app_list": ("", forms.nothing),
    "all_tables": ("", forms.nothing),
    "index": ("", forms.nothing),
    "console_home": ("", forms.nothing),
    "password_change_done": ("", forms.nothing),
    "logout": ("", forms.nothing),
    "neural_bulkaction_act": ("neural.retry_taskrun", forms.confirmed),  # it retries
    "neural_savedview_save": ("neural.view_taskrun", forms.view),
    "neural_savedview_change": (OWNER, forms.view),
    "neural_savedview_delete": (OWNER, forms.nothing),
    "neural_taskrun_edit": ("neural.edit_taskrun", forms.edited),
    **{
        f"neural_bulkaction_preview?verb={verb}": (f"neural.{verb}_taskrun", forms.bulk)
        for verb in BulkVerb.values
    },
    "neural_bulkaction_preview": ("neural.view_taskrun", forms.nothing),
    "neural_erase_person": ("neural.erase_personal_data", forms.person),
    "neural_refusedevent_correct": ("neural.correct_refusedevent", forms.form),
    "neural_queuepause_pause": ("neural.pause_queue", forms.queue),
    "neural_queuepause_resume": ("neural.pause_queue", forms.paused),
    "neural_schedulepolicy_run": (RUN, forms.nothing),
    "neural_schedulepolicy_switch": (CHANGE_SCHEDULE, forms.nothing),
    "neural_api_apikey_rotate": ("neural_api.rotate_apikey", forms.form),
    "neural_hooks_subscription_rotate": ("neural_hooks.rotate_subscription", forms.nothing),
    "neural_monitoring_alertchannel_test": ("neural_monitoring.test_alert", forms.nothing),
    "neural_monitoring_retention_count": (PRUNE, forms.nothing),
    "neural_monitoring_retention_delete": (PRUNE, forms.nothing),
}
"""By the pattern's name, with the query if its act depends on that: the permission that a POST
needs, and what fills in its form."""
OF_ANY_STORE = ("neural_savedview_save", "neural_bulkaction_preview")
"""Patterns of which a POST is about whatever rows the user may see."""

ACTIONS = {
    "run_tasks": RUN,
    "enable_tasks": CHANGE_SCHEDULE,
    "disable_tasks": CHANGE_SCHEDULE,
    "toggle_tasks": CHANGE_SCHEDULE,
}
"""The permissions of actions on lists that are neither verbs nor Django's own."""


class ActUnknown(AssertionError):
    """People post to an address, or use an action, of which nothing is known here."""


def acts(addresses: Sequence[Address], root: Any) -> Iterator[Act]:
    """All that can be posted, with forms as ``root``, a superuser, gets them."""
    page = Walker(world.logged_in(root))
    for address in addresses:
        name = _name_in_acts(address)
        if name in ACTS:
            permission, data = ACTS[name]
            label, is_of_any = f"{name} {address.verb}".strip(), address.pattern in OF_ANY_STORE
            yield Act(label, address.path, data(page, address), permission, is_of_any)
        elif address.verb:
            yield _verb(address)
        elif address.is_stock:
            yield from _stock(address, page, root)
        else:
            must_not_act(address, page)


def _name_in_acts(address: Address) -> str:
    """The pattern's name, with the query if there is a line for it."""
    _path, mark, query = address.path.partition("?")
    name = f"{address.pattern}{mark}{query}"
    return name if name in ACTS else address.pattern


def must_not_act(address: Address, page: Walker) -> None:
    """Raise :class:`ActUnknown` if the address takes a POST: it should say 405, or be in ACTS."""
    outcome = page.call("POST", address.path, CONFIRMED)
    if outcome.status < 300 or outcome.written:
        raise ActUnknown(
            f"{address} answers POST with {outcome.status}. If nobody is to post there, decorate "
            "its view with require_safe; else add it to ACTS in tests/unit/pages/address_acts.py "
            "with the permission that it needs"
        )


def _verb(address: Address) -> Act:
    verbs = {each.name: each.permission for each in admin.site._registry[address.model].verbs}
    label = f"{address.pattern} {address.verb}"
    return Act(label, address.path, CONFIRMED, verbs.get(address.verb, "no verb"))


def _stock(address: Address, page: Walker, root: Any) -> Iterator[Act]:
    meta = address.model._meta
    what = address.pattern.rpartition("_")[2]
    permission = f"{meta.app_label}.{what}_{meta.model_name}"
    if what in ("add", "change"):
        form = Form(page.call("GET", address.path).body).data
        yield Act(address.pattern, address.path, {**form, **CONFIRMED}, permission)
    elif what == "delete":
        yield Act(address.pattern, address.path, CONFIRMED, permission)
    elif what == "changelist":
        yield from _actions(address, root)


def _actions(address: Address, root: Any) -> Iterator[Act]:
    model_admin, row = admin.site._registry[address.model], admin_rows.row_of(address.model)
    request = HttpRequest()
    request.user = root
    declared = [each if isinstance(each, str) else each.__name__ for each in model_admin.actions]
    for name in sorted({*model_admin.get_actions(request), *declared}):
        data = world.selection(name, row, post="yes")
        label = f"{address.pattern} {name}"
        yield Act(label, address.path, data, _permission_of_action(model_admin, name))


def _permission_of_action(model_admin: Any, name: str) -> str:
    verbs = {each.name: each.permission for each in getattr(model_admin, "verbs", ())}
    meta = model_admin.opts
    known = {
        **ACTIONS,
        **verbs,
        "delete_selected": f"{meta.app_label}.delete_{meta.model_name}",
    }
    if name not in known:
        raise ActUnknown(
            f"the action {name!r} of {meta.label} is new: add it to ACTIONS in "
            "tests/unit/pages/address_acts.py with the permission that it needs"
        )
    return known[name]
