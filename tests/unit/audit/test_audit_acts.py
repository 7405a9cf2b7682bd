"""Every act in the admin leaves an entry in the audit log: all of them are tried.

The walk finds verbs, actions and addresses by itself, those of other apps in the admin too.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from neural.admin.actions import VerbsAdmin
from neural.admin.recording import Audited
from neural.api.models import ApiKey
from neural.audit.titles import title_of
from neural.models import AuditEntry, AuditOutcome
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.pages.test_admin_permissions import ALL, actions_of, label, viewer

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

OVERLAP = {"overlap": "24"}
STOCK = ("changelist", "add", "change", "delete", "history", "act")
FORMS: dict[str, Any] = {
    "auth_user_password_change": {"password1": "egg-tart-tea", "password2": "egg-tart-tea"},
    "neural_api_apikey_rotate": lambda: ApiKey.objects.update(scopes=["search"]) and OVERLAP,
    "neural_forecasting_forecast_confirm": {"day": "2026-03-01", "dish": "rice"},
    "neural_queuepause_pause": {"queue": "default", "reason": "repairs"},
    "neural_queuepause_resume": {"queue": "default"},
}
"""What the forms at these addresses ask for."""
CHANGE_NOTHING = {
    "neural_bulkaction_preview": "tested with a whole form: test_admin_bulk_beginning",
    "neural_erase_person": "tested with a form that names a person: test_admin_erasing",
    "neural_forecasting_forecast_store": "shows a store's forecasts",
    "neural_monitoring_errorgroup_resolve": "tested with chosen groups: test_error_groups_admin",
    "neural_refusedevent_correct": "tested with a form that can be submitted: test_admin_refusals",
    "neural_restaurant_dayclose_choose": "leads to a store's day",
    "neural_restaurant_dayclose_day": "shows a day",
    "neural_restaurant_demandsummary_store": "shows a store's weeks",
    "neural_savedview_change": "tested with a form that can be submitted: test_runs_list",
    "neural_savedview_delete": "tested with a form that can be submitted: test_runs_list",
    "neural_savedview_save": "tested with a form that can be submitted: test_runs_list",
    "neural_taskrun_edit": "tested with a form that can be submitted: test_run_edit_page",
}
"""Addresses at which this walk changes nothing, and why."""
WITH_VERBS = [
    (model, verb.name)
    for model in ALL
    for verb in getattr(admin.site._registry[model], "verbs", ())
    if isinstance(admin.site._registry[model], VerbsAdmin)
    if not verb.asks_for_one  # its page asks first, and records what it begins
]


@pytest.mark.parametrize(("model", "name"), WITH_VERBS, ids=str)
def test_every_verb_leaves_an_entry_that_has_a_title(
    model: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, pages = admin_rows.row_of(model), admin.site._registry[model]
    verbs = [
        dataclasses.replace(each, apply=lambda row, user: True, message_for=None)
        for each in pages.verbs
    ]
    monkeypatch.setattr(pages, "verbs", tuple(verbs))

    world.superuser().post(world.act_on(row, name), {"reason": "why not"})

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.reason, entry.outcome) == ("root", "why not", AuditOutcome.DONE)
    assert (entry.target_model, entry.target_ids) == (model._meta.label_lower, [str(row.pk)])
    assert entry.action.endswith(f".{name}")
    assert title_of(entry.action) != entry.action


def addresses_of(model: Any, row: Any) -> Iterator[tuple[str, str]]:
    """The addresses that the pages of a model have beside Django's own, with their names."""
    known = {
        **dict.fromkeys(("object_id", "id", "number"), row.pk),
        "code": admin_rows.STORE,
        "verb": "enable_tasks",
    }
    for pattern in admin.site._registry[model].get_urls():
        if pattern.name and not pattern.name.endswith(STOCK):
            names = list(pattern.pattern.converters)
            assert set(names) <= set(known), f"{pattern.name}: say here what stands for {names}"
            chosen = {name: known[name] for name in names}
            yield pattern.name, reverse(f"admin:{pattern.name}", kwargs=chosen)


@pytest.mark.parametrize("model", ALL, ids=label)
def test_every_address_that_changes_something_leaves_an_entry(model: Any) -> None:
    row, client = admin_rows.row_of(model), world.superuser()
    for name, address in addresses_of(model, row):
        before, entries = admin_rows.everything(), AuditEntry.objects.count()
        form = FORMS.get(name, {"post": "yes"})
        answer = client.post(address, form() if callable(form) else form)

        if answer.status_code == 405:
            continue  # it only shows
        if admin_rows.everything() == before:
            assert name in CHANGE_NOTHING, (
                f"{name}: nothing was changed. Name the form's fields in FORMS, or say in "
                "CHANGE_NOTHING why not."
            )
        else:
            assert AuditEntry.objects.count() > entries, (
                f"{name} changes something and leaves no entry: call "
                "neural.admin.recording.log_changes"
            )


@pytest.mark.parametrize("model", ALL, ids=label)
def test_every_action_that_changes_something_leaves_an_entry(model: Any) -> None:
    changelist = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    row, names, client = admin_rows.row_of(model), actions_of(model), world.superuser()
    for name in names:
        before, entries = admin_rows.everything(), AuditEntry.objects.count()
        client.post(changelist, world.selection(name, row, post="yes"))

        changed = admin_rows.everything() != before
        assert not changed or AuditEntry.objects.count() > entries, (
            f"{name} of {label(model)} changes something and leaves no entry: make it a Verb, or "
            "call "
            "neural.admin.recording.log_changes"
        )


def test_every_form_of_the_admin_records_what_it_does() -> None:
    stock = [
        label(model)
        for model, pages in admin.site._registry.items()
        if not isinstance(pages, Audited)
    ]

    assert stock == [], "decorate the pages of these models with neural.admin.audited"


@pytest.mark.parametrize("model", ALL, ids=label)
def test_every_refused_action_and_address_is_recorded_as_refused(model: Any) -> None:
    changelist = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    row, client = admin_rows.row_of(model), world.logged_in(viewer())
    posts = [(changelist, world.selection(name, row)) for name in actions_of(model)]
    posts += [(address, {}) for _, address in addresses_of(model, row)]
    for address, form in posts:
        entries = AuditEntry.objects.count()
        answer = client.post(address, form)

        refused = answer.status_code == 403 or "action" in form
        assert AuditEntry.objects.count() == entries + refused, (address, form)
    acts = AuditEntry.objects.exclude(action="x")  # the row of the walk itself
    assert set(acts.values_list("outcome", flat=True)) <= {AuditOutcome.REFUSED}
