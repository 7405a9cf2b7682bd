"""Submitting from asynchronous code: an async view, and whose transaction the event is in."""

import asyncio
import json

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path

import neural
from neural.models import NeuralEvent, TaskRun
from tests.unit.events.test_submit import event


async def take_order(request):
    """As a project writes it."""
    answer = await neural.asubmit(**json.loads(request.body))
    return JsonResponse({"verdict": answer.verdict, "problems": list(map(str, answer.problems))})


class Shop:
    urlpatterns = [path("orders/", take_order)]


@pytest.fixture(autouse=True)
def shop(settings):
    settings.ROOT_URLCONF = Shop


async def post(**changes):
    answer = await AsyncClient().post("/orders/", event(**changes), "application/json")
    return answer.json()


def apart(work):
    """In a loop of its own, whose thread for the database has a connection of its own."""

    async def whole():
        try:
            return await work()
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(whole())


async def all_of(answers):
    return [answer async for answer in answers]


async def coming(*requests, then=None):
    for request in requests:
        yield request
    if then is not None:
        raise then


# An async view


@pytest.mark.django_db(transaction=True)
def test_an_async_view_records_an_event_which_is_committed_when_it_answers(fake_broker):
    async def ask():
        answer = await post()
        found = await NeuralEvent.objects.aget(), await TaskRun.objects.aget()
        return answer, found

    answer, (recorded, run) = apart(ask)

    assert answer == {"verdict": "new", "problems": []}
    assert (recorded.event_id, run.state) == ("1", "pending")
    assert [message.task_id for message in fake_broker.sent] == [run.task_id]


@pytest.mark.django_db(transaction=True)
def test_the_same_again_and_what_is_wrong_are_answered_as_by_submit(fake_broker):
    async def ask():
        return await post(), await post(), await post(payload={"key": ""}, type="no.such")

    first, again, wrong = apart(ask)

    assert (first["verdict"], again["verdict"], wrong["verdict"]) == ("new", "duplicate", "refused")
    assert wrong["problems"][0].startswith("type: ")


@pytest.mark.django_db
def test_with_a_synchronous_caller_it_is_part_of_that_callers_transaction(fake_broker):
    with transaction.atomic():
        async_to_sync(post)()
        assert NeuralEvent.objects.count() == 1
        transaction.set_rollback(True)

    assert not NeuralEvent.objects.exists()
    assert fake_broker.sent == []


@pytest.mark.django_db(transaction=True)
def test_a_function_with_a_transaction_keeps_the_event_and_other_rows_or_neither(fake_broker):
    def both():
        with transaction.atomic():
            neural.submit(**event()).or_raise()
            raise ValueError("the other row cannot be written")

    async def ask():
        with pytest.raises(ValueError, match="other row"):
            await sync_to_async(both)()
        return await NeuralEvent.objects.acount()

    assert apart(ask) == 0


@pytest.mark.django_db(transaction=True)
def test_what_was_recorded_is_there_without_asking_the_database_again(fake_broker):
    async def ask():
        return (await neural.asubmit(**event())).or_raise().pk

    assert apart(ask) == NeuralEvent.objects.get().pk


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's connection never breaks")
@pytest.mark.django_db(transaction=True)
def test_after_the_database_was_away_the_next_event_is_recorded(fake_broker):
    async def ask():
        await neural.asubmit(**event("1"))
        await sync_to_async(lambda: connection.connection.close())()
        with pytest.raises(DatabaseError):
            await neural.asubmit(**event("2"))
        return (await neural.asubmit(**event("2"))).verdict

    assert apart(ask) == "new"


# Many


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [0, 3, 4, 5])
@pytest.mark.parametrize("given", [iter, lambda requests: coming(*requests)])
def test_many_are_answered_one_by_one_in_order(fake_broker, settings, number, given):
    settings.NEURAL = {**settings.NEURAL, "submit_chunk": 2}
    requests = [event(str(each)) for each in range(number)]
    requests[1:1] = [event("wrong", type="no.such")] if number else []

    answers = apart(lambda: all_of(neural.asubmit_many(given(requests))))

    expected = ["new"] * number
    expected[1:1] = ["refused"] if number else []
    assert [answer.verdict for answer in answers] == expected
    assert NeuralEvent.objects.count() == number


@pytest.mark.django_db(transaction=True)
def test_each_chunk_is_committed_before_its_answers_are_given(fake_broker, settings):
    settings.NEURAL = {**settings.NEURAL, "submit_chunk": 2}

    async def ask():
        answers = neural.asubmit_many(event(str(each)) for each in range(5))
        await anext(answers)
        await answers.aclose()
        return await NeuralEvent.objects.acount()

    assert apart(ask) == 2


def breaks():
    yield event("1")
    yield event("2")
    yield event("3")
    raise OSError("the file ends")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "given",
    [breaks, lambda: coming(event("1"), event("2"), event("3"), then=OSError("the file ends"))],
)
def test_what_an_iterable_gave_before_it_broke_is_recorded_and_answered(
    fake_broker, settings, given
):
    settings.NEURAL = {**settings.NEURAL, "submit_chunk": 2}
    answered = []

    async def ask():
        async for answer in neural.asubmit_many(given()):
            answered.append(answer.verdict)

    with pytest.raises(OSError, match="the file ends"):
        apart(ask)

    assert answered == ["new"] * 3
    assert NeuralEvent.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_an_iterable_that_is_not_asynchronous_may_ask_the_database(fake_broker):
    neural.submit(**event("old"))

    def again():
        for recorded in NeuralEvent.objects.all():
            yield event(f"{recorded.event_id}-again")

    answers = apart(lambda: all_of(neural.asubmit_many(again(), backfill=True)))

    assert [answer.verdict for answer in answers] == ["new"]
    assert TaskRun.objects.get(event__event_id="old-again").queue == "low_priority"
