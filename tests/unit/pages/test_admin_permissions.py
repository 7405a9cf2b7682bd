"""Who may look, looks: every action and every address of every page, tried without permission.

The walk finds pages, actions and addresses by itself, those of other apps in the admin too.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import RequestFactory
from django.urls import reverse

from neural.admin.actions import VerbsAdmin
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

ALL = admin_rows.registered()
OF_THE_CHAIN = admin_rows.registered(*world.OURS, "django_celery_beat")
CONFIRMED = {"post": "yes"}


def label(model: Any) -> str:
    return str(model._meta.label)


def with_permissions(found: Any) -> Any:
    user = get_user_model().objects.create_user("lee", is_staff=True)
    user.user_permissions.set(found)
    return user


def viewer() -> Any:
    """May see everything there is, and do nothing."""
    return with_permissions(Permission.objects.filter(codename__startswith="view_"))


def of_one_store() -> Any:
    """May do everything, in a store that is not the rows'."""
    user = with_permissions(Permission.objects.exclude(codename="view_every_store"))
    world.store("S1").operators.add(user)
    return user


def actions_of(model: Any) -> list[str]:
    """All that there are: what is offered to one who may do everything, and what is declared."""
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.create_superuser("root")
    model_admin = admin.site._registry[model]
    declared = [each if isinstance(each, str) else each.__name__ for each in model_admin.actions]
    return sorted({*model_admin.get_actions(request), *declared})


def addresses_of(model: Any, row: Any) -> Iterator[str]:
    """Every address of a model's pages, with each verb where one is to be named."""
    model_admin = admin.site._registry[model]
    verbs = [each.name for each in getattr(model_admin, "verbs", ())] or ["none"]
    keys = dict.fromkeys(("object_id", "id", "number"), row.pk)
    known = {**keys, "code": admin_rows.STORE}
    for pattern in model_admin.get_urls():
        if pattern.name is None:
            continue  # the old address of a row's page, which leads to the new one
        names = list(pattern.pattern.converters)
        assert set(names) <= {*known, "verb"}, f"{pattern.name}: say here what stands for {names}"
        for verb in verbs if "verb" in names else verbs[:1]:
            chosen = {name: {**known, "verb": verb}[name] for name in names}
            yield reverse(f"admin:{pattern.name}", kwargs=chosen)


def try_everything(client: Any, model: Any, row: Any, actions: list[str]) -> None:
    changelist = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for name in actions:
        client.post(changelist, world.selection(name, row, **CONFIRMED))
    for address in addresses_of(model, row):
        client.post(address, {**CONFIRMED, "_save": "Save"})


@pytest.mark.parametrize("model", ALL, ids=label)
def test_who_may_only_look_changes_nothing(model: Any, fake_broker: Any) -> None:
    row, client, actions = admin_rows.row_of(model), world.logged_in(viewer()), actions_of(model)
    before = admin_rows.everything()

    try_everything(client, model, row, actions)

    assert admin_rows.everything() == before
    assert fake_broker.sent == []


@pytest.mark.parametrize("model", OF_THE_CHAIN, ids=label)
def test_a_stores_user_changes_nothing_of_other_stores_or_of_the_chain(
    model: Any, fake_broker: Any
) -> None:
    row, actions = admin_rows.row_of(model), actions_of(model)
    client = world.logged_in(of_one_store())
    before = admin_rows.everything()

    try_everything(client, model, row, actions)

    assert admin_rows.everything() == before
    assert fake_broker.sent == []


def test_the_walk_tries_every_verb_and_the_actions_of_other_apps() -> None:
    verbs = {
        verb.name
        for model_admin in admin.site._registry.values()
        if isinstance(model_admin, VerbsAdmin)
        for verb in model_admin.verbs
    }
    tried = {name for model in ALL for name in _again(actions_of, model)}

    assert len(verbs) >= 10
    assert verbs | {"run_tasks", "enable_tasks", "toggle_tasks", "delete_selected"} <= tried


def _again(function: Any, model: Any) -> Any:
    get_user_model().objects.filter(username="root").delete()
    return function(model)
