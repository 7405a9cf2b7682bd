"""The pages of bulk actions as people use them, for tests."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from neural.models import BulkAction
from tests.unit.admin import admin_world as world
from tests.unit.runs import bulk_world

PREVIEW = reverse("admin:neural_bulkaction_preview")
LIST = reverse("admin:neural_bulkaction_changelist")


def operator(*verbs: str, stores: Any = (), name: str = "lee") -> Client:
    names = [f"{verb}_taskrun" for verb in verbs or bulk_world.EVERY_VERB]
    return world.client_of(*names, "view_bulkaction", stores=stores, name=name)


def form_of(client: Client, **params: Any) -> dict[str, Any]:
    """The fields of the form that the preview shows, filled in."""
    text = client.get(PREVIEW, {"verb": "retry", "period": "all", **params}).content.decode()
    form = re.search(r'<form method="post" action="[^"]*preview.*?</form>', text, re.S)
    assert form, text
    found: dict[str, Any] = {"reason": "mended"}
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form[0]):
        if name in found:
            found[name] = (
                [*found[name], value] if isinstance(found[name], list) else [found[name], value]
            )
        else:
            found[name] = value
    return found


def begin(client: Client, **params: Any) -> BulkAction:
    answer = client.post(PREVIEW, form_of(client, **params))
    assert answer.status_code == 302, answer.content.decode()
    return BulkAction.objects.order_by("-pk")[0]


def page_of(action: BulkAction) -> str:
    return reverse("admin:neural_bulkaction_change", args=[action.pk])
