"""Tests without broker and worker: `run_due` runs due work inside the test's transaction."""

import datetime as dt
from unittest import mock

import neural
from django.test import TestCase
from django.utils import timezone
from neural.models import RunState, TaskRun

from loyalty import messenger
from loyalty.models import Account
from loyalty.tasks import expire_points


def earn(points: object = 20, *, event_id: str = "1", **more: object):
    """Submit that Ann earns points at store S01; returns the answer."""
    return neural.submit(
        type="loyalty.points_earned",
        store="S01",
        source="till",
        event_id=event_id,
        payload={"member": "ann", "points": points},
        **more,
    )


def states() -> dict[str, str]:
    """The state of each handler's run."""
    return dict(TaskRun.objects.values_list("handler", "state"))


class PointsEarnedTests(TestCase):
    def test_points_are_added_and_the_guest_is_told(self):
        earn(20)
        neural.run_due()

        assert Account.objects.get().points == 20
        assert states() == {"loyalty.add_points": "succeeded", "loyalty.notify_member": "succeeded"}
        assert TaskRun.objects.get(handler="loyalty.notify_member").result == "sent"

    def test_the_same_event_twice_counts_once(self):
        earn(20)
        assert earn(20).is_duplicate
        neural.run_due()

        assert Account.objects.get().points == 20

    def test_a_payload_that_does_not_fit_is_refused_by_field_and_reason(self):
        answer = earn("many")

        assert answer.is_refused
        assert answer.problems[0].field == "payload.points"
        assert not TaskRun.objects.exists()

    def test_a_messenger_that_is_away_is_tried_again_and_holds_nothing_up(self):
        earn(20)
        with mock.patch.object(messenger, "send", side_effect=ConnectionError("away")):
            neural.run_due()

        assert Account.objects.get().points == 20
        run = TaskRun.objects.get(handler="loyalty.notify_member")
        assert (run.state, run.failures) == (RunState.PENDING, 1)
        assert run.error == "ConnectionError: away"
        assert neural.run_due() == []  # its time has not come

        neural.run_due(now=timezone.now() + dt.timedelta(seconds=30))
        assert states()["loyalty.notify_member"] == "succeeded"

    def test_a_closed_account_is_a_dead_letter_at_once(self):
        earn(20)
        neural.run_due()
        Account.objects.update(closed=True)

        earn(5, event_id="2")
        neural.run_due()

        dead = TaskRun.objects.dead().get()
        assert dead.error == "AccountClosed: the account of ann is closed"
        assert Account.objects.get().points == 20

        Account.objects.update(closed=False)
        dead.retry()
        neural.run_due()
        assert Account.objects.get().points == 25


class ExpirePointsTests(TestCase):
    def test_only_guests_who_were_away_for_long_lose_their_points(self):
        earn(20, occurred_at=timezone.now() - dt.timedelta(days=400))
        neural.run_due()

        expire_points.delay("S01", days=365)
        (outcome,) = neural.run_due()

        assert outcome.value == 1
        assert Account.objects.get().points == 0

    def test_while_one_waits_no_second_one_is_recorded(self):
        for _ in range(2):
            expire_points.apply_async(args=["S01"], kwargs={"days": 365}, unique_key="expire/S01")

        assert TaskRun.objects.count() == 1


class SearchTests(TestCase):
    def test_a_member_who_earned_points_is_found(self):
        with neural.temporary_search_index():
            earn(20)
            neural.run_due()

            (hit,) = neural.search("ann", "loyalty_members", store="S01")

            assert (hit.title, hit.text) == ("ann", "20 points")

    def test_a_member_whose_account_is_gone_is_not(self):
        with neural.temporary_search_index():
            earn(20)
            neural.run_due()
            Account.objects.all().delete()
            neural.reindex(collection="loyalty_members", store="S01", ids=["ann"])
            neural.run_due()

            assert neural.search("ann", "loyalty_members") == []
