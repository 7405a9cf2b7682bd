"""`manage.py rebuild_index`: opens the building or joins it, waits, and says how it ended."""

import pytest
from django.core.management import CommandError, call_command

from neural.models import TaskRun
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.management.commands import rebuild_index as module
from neural.retrieval.models import IndexState, SearchIndex
from neural.retrieval.stores.base import StoreUnavailable
from tests.unit.factories import ago
from tests.unit.retrieval.searching import MemoryStore, titles

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("search_on", "fake_broker"),
]


@pytest.fixture
def command(capsys):
    def command(*arguments):
        call_command("rebuild_index", *arguments)
        return capsys.readouterr().out

    return command


@pytest.fixture
def filled(guests):
    for number in range(3):
        guests.put(str(number), title=f"Guest {number}")
    return guests


def refused(command, *arguments):
    with pytest.raises(CommandError) as refusal:
        command(*arguments)
    return refusal.value


def test_with_now_it_builds_here_and_says_how_many_are_searched(filled, command):
    said = command("guests", "--now")

    index = SearchIndex.objects.active().get()
    assert said == (
        f"guests: index {index.pk} is being built: about 3 records.\n"
        "guests: 3 records are searched.\n"
    )
    assert len(titles(index)) == 3
    assert index.requested_by == "rebuild_index"


def test_in_many_slices_it_goes_on_to_the_end(filled, command, settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 1, "index_run_seconds": 1e-6}

    assert "3 records are searched" in command("guests", "--now")


def test_without_a_name_all_collections_are_rebuilt(filled, command):
    command("--now")

    names = set(SearchIndex.objects.active().values_list("collection", flat=True))
    assert names == {
        *("dishes", "errors", "events", "guests", "loyalty_members", "orders"),
        *("refused", "runs", "staff"),
    }


def test_records_that_cannot_be_read_are_counted(filled, command):
    filled.put("4", title="bad")

    assert "3 records are searched; 1 cannot be: the admin says why" in command("guests", "--now")


def test_with_no_wait_it_is_left_to_the_workers(filled, command):
    command("guests", "--no-wait")

    assert SearchIndex.objects.get().state == IndexState.BUILDING
    assert TaskRun.objects.get().state == "pending"


def test_one_under_way_is_joined(filled, command):
    index = open_rebuild("guests").index

    assert f"guests: index {index.pk} was being built already" in command("guests", "--now")


def test_one_that_is_given_up_ends_with_3(filled, command, monkeypatch):
    index = open_rebuild("guests").index
    monkeypatch.setattr(module.time, "sleep", lambda seconds: index.cancel())

    refusal = refused(command, "guests")

    assert (refusal.returncode, str(refusal)) == (
        3,
        "guests: the building was given up; the old index stays.",
    )


def test_when_the_store_is_away_it_says_so_instead_of_waiting(filled, command):
    MemoryStore.fails.append(StoreUnavailable("the vector store is away"))

    assert "the vector store is away" in str(refused(command, "guests", "--now"))


def test_when_the_run_that_builds_is_dead_it_says_why_instead_of_waiting(
    filled, command, monkeypatch
):
    def dies(seconds):
        TaskRun.objects.update(state="dead", error="EmbedderRefused: no", finished_at=ago(hours=0))

    monkeypatch.setattr(module.time, "sleep", dies)

    assert "guests: Nobody builds it any more (EmbedderRefused: no)" in str(
        refused(command, "guests")
    )


def test_when_settings_have_changed_it_ends_with_3_and_says_what_to_do(filled, command, settings):
    open_rebuild("guests")
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}

    refusal = refused(command, "guests", "--now")

    assert refusal.returncode == 3
    assert "when all processes have been started again" in str(refusal)


def test_while_workers_try_it_again_and_again_it_says_why_once(
    filled, command, monkeypatch, capsys
):
    index = open_rebuild("guests").index
    looks = []

    def fails_and_then_is_given_up(seconds):
        looks.append(seconds)
        TaskRun.objects.update(failures=len(looks), error="EmbedderUnavailable: no answer")
        if len(looks) == 3:
            index.cancel()

    monkeypatch.setattr(module.time, "sleep", fails_and_then_is_given_up)

    refused(command, "guests")

    said = "guests: EmbedderUnavailable: no answer; it is tried again\n"
    assert capsys.readouterr().err.count(said) == 1


def test_it_says_what_it_did_itself_and_leaves_the_lines_for_services_out(filled, command, capsys):
    call_command("rebuild_index", "guests", "--now")

    assert "event=" not in capsys.readouterr().err


def test_a_collection_that_nobody_registers_is_wrong_usage(command):
    refusal = refused(command, "recipes")

    assert refusal.returncode == 2
    known = "dishes, errors, events, loyalty_members, orders, refused, runs, staff"
    assert f"known: {known}" in str(refusal)


def test_wrong_settings_end_with_1(filled, command, settings):
    settings.NEURAL = {**settings.NEURAL, "embedder": "nobody"}

    refusal = refused(command, "guests")

    assert refusal.returncode == 1
    assert "no embedder 'nobody'" in str(refusal)


def test_stopped_it_says_that_the_building_goes_on(filled, command, monkeypatch, capsys):
    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", stop)

    with pytest.raises(SystemExit) as ended:
        command("guests")

    assert ended.value.code == 130
    assert "The building goes on where workers run" in capsys.readouterr().err
