"""Search, corrections, messages and traces say nothing of a person to who may not know."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse

import neural
from neural.admin.pages import without_personal_data
from neural.models import NeuralEvent, RefusedEvent
from neural.monitoring.alerts.composing import compose
from neural.monitoring.errors import sentry
from neural.monitoring.models import ErrorGroup
from neural.personal.redacting import for_user, redacted
from tests.unit.admin import admin_world as world
from tests.unit.monitoring import alerting
from tests.unit.retrieval.search_world import FakeSearch, hit

pytestmark = pytest.mark.django_db

PHONE, NAME = "13987654321", "欧阳靖"


def event() -> NeuralEvent:
    payload = {"customer": {"name": NAME, "phone": PHONE}, "dish": "Egg tart", "order_id": "A-1"}
    return world.event("e1", payload=payload)


# Search


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a search that finds an event by the name of its guest."""
    recorded = event()
    FakeSearch(monkeypatch).finds(
        hit(
            "order.created e1",
            collection="events",
            identity=str(recorded.pk),
            names=(NAME, "Egg tart"),
            text=f"{NAME} {PHONE} Egg tart",
            parts=(NAME, "Egg tart"),
        )
    )
    return reverse("admin:neural_retrieval_search_changelist") + f"?q={NAME}&collection=events"


def test_a_hit_is_shown_without_the_name_by_which_it_was_found(found: str) -> None:
    page = world.client_of("view_search").get(found).content.decode()

    hits = page.partition("<mark>Egg tart</mark>")
    assert hits[1]
    assert PHONE not in page
    assert f"<mark>{NAME}" not in page
    assert "139****4321" in page


def test_a_hit_is_shown_whole_to_who_may_see_it(found: str) -> None:
    client = world.client_of("view_search", "view_personal_data")

    page = client.get(found).content.decode()

    assert f"<mark>{NAME}</mark>" in page
    assert PHONE in page


# Corrections


@pytest.fixture
def refused() -> RefusedEvent:
    world.store()
    payload = {"order_id": 7, "lines": "none", "customer": {"phone": PHONE}}
    neural.submit(type="order.created", store="S1", source="t", event_id="1", payload=payload)
    return RefusedEvent.objects.get()


def test_what_is_masked_cannot_be_corrected_and_the_page_says_so(refused: RefusedEvent) -> None:
    client = world.client_of("view_refusedevent", "correct_refusedevent")

    page = client.get(world.page_of(refused)).content.decode()
    answer = client.get(f"{world.page_of(refused).removesuffix('change/')}correct/")

    assert "which you may not see" in page
    assert "Correct and submit" not in page
    assert answer.status_code == 403
    assert PHONE not in answer.content.decode()


def test_who_sees_it_may_correct_it(refused: RefusedEvent) -> None:
    client = world.client_of("view_refusedevent", "correct_refusedevent", "view_personal_data")

    answer = client.get(f"{world.page_of(refused).removesuffix('change/')}correct/")

    assert answer.status_code == 200
    assert PHONE in answer.content.decode()


def test_nobody_finds_out_by_searching_for_what_is_masked(refused: RefusedEvent) -> None:
    address = reverse("admin:neural_refusedevent_changelist")
    client = world.client_of("view_refusedevent")

    assert world.listed(client, f"{address}?q={PHONE}") == []
    assert world.listed(client, f"{address}?q=lines") == ["1"]
    seeing = world.client_of("view_refusedevent", "view_personal_data", name="kim")
    assert world.listed(seeing, f"{address}?q={PHONE}") == ["1"]


def test_a_run_is_found_by_what_is_masked_in_its_error_and_shown_without_it() -> None:
    world.run("dead", task_id="t-7", error=f"no such guest: {PHONE}")
    client = world.client_of()

    def found(text: str) -> list[str]:
        rows = client.get("/admin/neural/taskrun/", {"error": text}).context["cl"]
        return [f"{run.task_id} {run.shown_error}" for run in rows.result_list]

    assert found(PHONE) == ["t-7 no such guest: 139****4321"]
    assert found("139****4321") == []


# What leaves the deployment


def test_an_alert_that_is_sent_names_nobody() -> None:
    alerting.channel()
    alerting.told(alerting.alert(subject=f"store of {PHONE}"))

    message = compose(alerting.only(), language="en")

    assert PHONE not in repr(message)
    assert "139****4321" in message.title


def test_an_event_for_sentry_names_nobody() -> None:
    group = ErrorGroup(exception="app.NotFound", message=f"no guest {PHONE}", fingerprint="f")

    assert PHONE not in json.dumps(sentry._event(group))


# Answers of the admin


class Seeing:
    is_active = True

    def __init__(self, *permissions: str) -> None:
        self.permissions = permissions

    def has_perm(self, name: str) -> bool:
        return name in self.permissions


def answer(body: str, kind: str = "text/html; charset=utf-8") -> Any:
    return SimpleNamespace(
        streaming=False,
        content=body.encode(),
        charset="utf-8",
        headers={"Content-Type": kind, "Content-Length": str(len(body.encode()))},
    )


def test_an_answer_is_masked_in_its_texts_and_titles_and_keeps_addresses_and_forms() -> None:
    page = (
        f'<a href="/runs/?q={PHONE}" title="of {PHONE}">{PHONE} &amp; co</a>'
        f'<input name="q" value="{PHONE}"><textarea>{PHONE}</textarea>'
        f"<script>x='{PHONE}'</script><pre data-masked>{PHONE}</pre><p>{PHONE}"
    )

    shown = without_personal_data(answer(page), Seeing())

    text = shown.content.decode()
    assert text == (
        f'<a href="/runs/?q={PHONE}" title="of 139****4321">139****4321 &amp; co</a>'
        f'<input name="q" value="{PHONE}"><textarea>{PHONE}</textarea>'
        f"<script>x='{PHONE}'</script><pre data-masked>{PHONE}</pre><p>139****4321"
    )
    assert shown.headers["Content-Length"] == str(len(shown.content))


def test_who_may_see_it_gets_the_answer_as_it_is() -> None:
    page = answer(f"<p>{PHONE}</p>")
    given = page.content

    assert without_personal_data(page, Seeing("neural.view_personal_data")).content is given


def test_what_a_user_gets_depends_on_the_permission_alone() -> None:
    value = {"customer": {"name": NAME}}

    assert for_user(value, Seeing("neural.view_personal_data")) == value
    assert for_user(value, Seeing()) == redacted(value) == {"customer": {"name": "欧**"}}
    assert for_user(NAME, Seeing(), key="customer_name") == "欧**"
    assert for_user(f"no {PHONE}", Seeing()) == "no 139****4321"
