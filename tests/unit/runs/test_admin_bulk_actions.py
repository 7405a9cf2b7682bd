"""The page of a bulk action: progress, outcomes, stop and resume, and who sees it."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from neural.models import BulkActionItem, RunState
from neural.personal import redacting
from neural.runs.bulk import acting
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_run, make_store
from tests.unit.runs import bulk_world
from tests.unit.runs.admin_bulk_world import LIST, begin, operator, page_of

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True)
def _nothing_is_personal(monkeypatch: Any) -> None:
    monkeypatch.setattr(redacting, "redacted_text", lambda text: text)


def test_the_page_shows_progress_outcomes_and_the_verbs_that_fit(monkeypatch: Any) -> None:
    runs = bulk_world.make_runs(2)
    client = operator()
    action = begin(client)
    text = client.get(page_of(action)).content.decode()
    assert "hx-get=" in text
    assert "act/stop/" in text
    assert "act/resume/" not in text

    bulk_world.finish(action)
    text = client.get(page_of(action)).content.decode()

    assert "hx-get=" not in text
    assert "act/stop/" not in text
    assert "mended" in text
    for run in runs:
        assert world.page_of(run) in text
    assert "style=" not in text.split('id="progress"')[1].split("</section>")[0]


def test_outcomes_page_by_key_and_are_filtered(monkeypatch: Any) -> None:
    from neural.runs.admin.bulk import progress as bulk_items

    monkeypatch.setattr(bulk_items, "SIZE", 2)
    keys = [run.pk for run in bulk_world.make_runs(5)]
    keys += [make_run(RunState.SUCCEEDED).pk]
    client = operator()
    action = bulk_world.finish(begin(client, _selected_action=keys))
    seen, after = [], 0
    while after is not None:
        items = client.get(page_of(action), {"after": after}).context["items"]
        seen += [each.item.run_id for each in items.shown]
        after = items.onward
    assert seen == keys
    unfit = client.get(page_of(action), {"outcome": "unfit"}).context["items"]
    assert [each.item.run_id for each in unfit.shown] == keys[-1:]
    assert str(unfit.shown[0].detail) == "its state does not allow it"


def test_the_page_refreshes_itself_until_the_action_has_ended() -> None:
    make_run(DEAD)
    client = operator()
    action = begin(client)

    assert 'data-refresh="2"' in client.get(page_of(action)).content.decode()
    bulk_world.finish(action)
    assert "data-refresh" not in client.get(page_of(action)).content.decode()


def test_what_a_person_has_stopped_is_called_so_with_what_was_changed(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)
    bulk_world.make_runs(6)
    client = operator()
    action = begin(client)
    acting.do_slice(action, get_user_model().objects.get(username="lee"), now=timezone.now())
    client.post(reverse("admin:neural_bulkaction_act", args=[action.pk, "stop"]))

    audit = world.superuser().get(reverse("admin:neural_auditentry_changelist")).content.decode()
    own = world.superuser().get(page_of(action)).content.decode()

    assert re.search(r">stopped</span> × 3", audit)
    assert "<small>stopped</small>" in own
    assert 'neural-failed">' not in audit


def test_stop_and_resume_are_buttons_that_need_the_verbs_permission() -> None:
    bulk_world.make_runs(2)
    client = operator()
    action = begin(client)
    stop = reverse("admin:neural_bulkaction_act", args=[action.pk, "stop"])
    resume = reverse("admin:neural_bulkaction_act", args=[action.pk, "resume"])
    other = operator("discard", name="kim")
    assert other.get(stop).status_code == 405
    assert other.post(stop).status_code == 403
    assert "act/stop/" not in other.get(page_of(action)).content.decode()

    client.post(stop)
    action.refresh_from_db()
    assert (action.state, action.stopped_by) == ("stopped", "lee")
    assert "by lee" in client.get(page_of(action)).content.decode()
    assert other.post(resume).status_code == 403
    client.post(resume)
    action.refresh_from_db()
    assert action.state == "waiting"
    assert LogEntry.objects.filter(object_id=action.pk).count() == 2


def test_a_user_of_a_store_sees_only_the_actions_they_asked_for() -> None:
    own = world.store("S1")
    make_run(DEAD, store=own)
    make_run(DEAD, store=make_store("ZED9"))
    theirs = begin(operator(name="kim"))
    client = operator(stores=[own], name="ann")
    mine = begin(client)

    found = client.get(LIST).context["cl"].result_list
    assert [action.pk for action in found] == [mine.pk]
    assert client.get(page_of(theirs)).status_code == 302
    stop = reverse("admin:neural_bulkaction_act", args=[theirs.pk, "stop"])
    assert client.post(stop).status_code == 404


def test_who_may_not_view_runs_or_actions_sees_none() -> None:
    make_run(DEAD)
    action = begin(operator())
    client = world.client_of(name="kim")
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(action)).status_code == 403


def test_the_list_is_filtered_and_searched_by_number() -> None:
    make_run(DEAD)
    client = operator()
    first = begin(client)
    second = begin(client, verb="discard")
    bulk_world.finish(first)

    def listed(**params: str) -> list[int]:
        found = client.get(LIST, params).context["cl"].result_list
        return [action.pk for action in found]

    assert listed() == [second.pk, first.pk]
    assert listed(state="finished") == [first.pk]
    assert listed(verb="discard") == [second.pk]
    assert listed(q=f"#{first.pk}") == [first.pk]


def test_the_rate_and_the_time_left_are_those_of_the_last_runs() -> None:
    import datetime as dt

    from neural.ledger.clock import database_clock
    from neural.runs.bulk.progress import progress_of

    bulk_world.make_runs(6)
    user = bulk_world.operator()
    action = bulk_world.act_on_all(user, pace=3)
    acting.do_slice(action, user, now=database_clock())
    assert acting.slice_size(3) == 3
    now = database_clock()
    BulkActionItem.objects.update(at=now - dt.timedelta(seconds=6))
    action.refresh_from_db()

    progress = progress_of(action, now=now)

    assert progress.share == 0.5
    assert progress.rate == pytest.approx(0.5)
    assert progress.left == dt.timedelta(seconds=6)
