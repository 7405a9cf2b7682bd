"""Chains, groups, links and chords of ledger tasks and plain ones, run by real workers."""

import pytest
from celery import chain, chord, group

from tests.integration.cluster import wait_for_runs
from tests.probe.acting import Failing
from tests.probe.canvas import add, fail, note, on_error, plain_add, plain_fail, plain_note, total
from tests.probe.models import Effect
from tests.probe.shapes import SHAPES
from tests.watching import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize(
        ("own_broker_server", "results"),
        [
            ("own", "django-db"),
            ("own", "redis"),
            pytest.param("rabbitmq", "django-db", marks=pytest.mark.rabbitmq),
        ],
        indirect=True,
    ),
]


def effects(count: int) -> dict[str, int]:
    """The effects once there are so many, and no others came meanwhile."""
    wait_until(lambda: Effect.objects.count() >= count, 60)
    return dict(Effect.counts())


def test_a_chains_result_is_its_last_tasks_whatever_its_members_are(surface):
    on_the_ledger = chain(add.s(1, 2), add.s(3), add.s(4))()
    mixed = chain(add.s(1, 2), plain_add.s(3), add.s(4), plain_add.s(5))()
    begins_plain = chain(plain_add.s(1, 2), add.s(3))()
    surface.worker()

    assert on_the_ledger.get(timeout=60) == 10
    assert mixed.get(timeout=60) == 15
    assert begins_plain.get(timeout=60) == 6
    assert mixed.parent.get(timeout=60) == 10


def test_every_canvas_that_is_called_three_times_is_done_three_times(surface):
    """With equal arguments and with others, each call with results of its own."""
    values = (1, 1, 2)
    results = []
    for make in SHAPES.values():
        canvas = make()
        results.append([canvas.apply_async((value,)) for value in values])
    surface.worker()

    for shape, (first, second, third) in zip(SHAPES, results, strict=True):
        found = [each.get(timeout=60) for each in (first, second, third)]
        assert found[0] == found[1] != found[2], shape
    assert len({result.id for each in results for result in each}) == 3 * len(SHAPES)


def test_a_chain_goes_on_after_its_message_is_lost(surface):
    result = chain(add.s(1, 2), plain_add.s(3), add.s(4))()
    surface.lose_messages()

    surface.worker()

    assert result.get(timeout=60) == 10


def test_a_group_gives_all_its_results_in_order(surface):
    mixed = group(add.s(1, 1), plain_add.s(2, 2), add.s(3, 3))()
    surface.worker()

    assert mixed.get(timeout=60) == [2, 4, 6]
    assert mixed.successful()


def test_a_groups_ledger_tasks_survive_the_loss_of_their_messages(surface):
    result = group(add.s(number, 1) for number in range(5))()
    surface.lose_messages()

    surface.worker()

    assert result.get(timeout=60) == [1, 2, 3, 4, 5]


def test_links_start_once_each_also_after_a_lost_message(surface):
    links = [note.s("ledger"), plain_note.s("plain"), chain(add.s(1), note.s("chain"))]
    add.apply_async((1, 2), link=[*links, group(note.s("g1"), plain_note.s("g2"))])
    surface.lose_messages()

    surface.worker()

    assert effects(5) == {"ledger:3": 1, "plain:3": 1, "chain:4": 1, "g1:3": 1, "g2:3": 1}
    wait_for_runs()


def test_a_plain_tasks_link_and_error_link_may_be_ledger_tasks(surface):
    surface.worker()

    plain_add.apply_async((1, 2), link=note.s("link"))
    failed = plain_fail.apply_async(link_error=note.s("error"))

    assert effects(2) == {"link:3": 1, f"error:{failed.id}": 1}


def test_error_links_start_once_the_run_is_dead(surface):
    links = [note.s("ledger"), plain_note.s("plain"), on_error.s()]
    result = fail.apply_async(("what",), link_error=links)
    surface.lose_messages()

    surface.worker()

    assert effects(3) == {
        f"ledger:{result.id}": 1,
        f"plain:{result.id}": 1,
        f"{result.id}:Failing:what:with traceback": 1,
    }
    with pytest.raises(Failing, match="what"):
        result.get(timeout=60)


def test_a_chord_of_plain_tasks_may_end_in_a_ledger_task(surface):
    surface.worker()

    by_itself = chord([plain_add.s(1, 1), plain_add.s(2, 2)])(total.s())
    after_a_run = chain(add.s(1, 2), group(plain_add.s(1), plain_add.s(2)), total.s())()

    assert by_itself.get(timeout=60) == 6
    assert after_a_run.get(timeout=60) == 9
