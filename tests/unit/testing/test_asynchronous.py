"""`async def` work in tests, and `async def` tests, of other projects."""

import pytest
from asgiref.sync import sync_to_async
from django.test import TestCase, TransactionTestCase

import neural
from neural import testing
from neural.models import RunState, TaskRun
from tests.probe import django_tasks
from tests.probe.acting import Failing
from tests.probe.models import Effect
from tests.probe.tasks import count_async


class AsynchronousWork:
    def test_async_def_work_queries_the_database_as_the_test_does(self):
        Effect.objects.create(key="there")
        count_async.delay(key="there")
        count_async.delay(key="new")
        given_back = django_tasks.give_back_async.enqueue(1)

        testing.run_due()

        assert Effect.counts() == {"there": 1, "new": 1}
        given_back.refresh()
        assert given_back.return_value == [[1], {}]

    def test_its_error_is_raised_and_it_is_retried(self):
        with testing.clock() as clock:
            count_async.delay(key="k", fail_times=1)
            with pytest.raises(Failing):
                testing.run_due()
            clock.move_to_next()
            testing.run_due()

        assert TaskRun.objects.get().state == RunState.SUCCEEDED

    async def test_an_async_def_test_runs_all_that_is_due(self):
        await Effect.objects.acreate(key="there")
        await sync_to_async(count_async.delay)(key="there")
        await neural.asubmit(
            type="probe.counted", store="S1", source="test", event_id="e", payload={"key": "new"}
        )

        await testing.arun_due()

        found = [effect.key async for effect in Effect.objects.order_by("key")]
        assert found == ["new", "there"]

    async def test_an_async_def_test_is_raised_what_failed(self):
        await sync_to_async(count_async.delay)(key="k", permanent=True)

        with pytest.raises(Exception, match="no use in trying again"):
            await testing.arun_due()


class InATransaction(AsynchronousWork, TestCase):
    pass


class WithoutATransaction(AsynchronousWork, TransactionTestCase):
    pass
