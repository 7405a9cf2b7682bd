"""`manage.py retry_runs`: dead runs run again, when a person has seen which."""

import sys

import pytest
from django.core.management import CommandError, call_command

from neural.models import RunState, TaskRun
from neural.runs.commands import retry_runs
from neural.worker.refusing import RefusedCall, keep_refused
from tests.unit.factories import ago, make_event, make_run, make_store, make_worker

pytestmark = pytest.mark.django_db

SET_ASIDE = [RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED]


@pytest.fixture
def run(capsys):
    """Run the command; what it says on standard output and standard error."""

    def run(*arguments: str) -> tuple[str, str]:
        call_command("retry_runs", *arguments, stdout=sys.stdout, stderr=sys.stderr)
        said = capsys.readouterr()
        return said.out, said.err

    return run


def pending() -> list[str]:
    return sorted(TaskRun.objects.filter(state="pending").values_list("task_id", flat=True))


def test_dead_runs_are_due_again_with_their_retries_restored(run):
    dead = make_run(
        RunState.DEAD, failures=4, losses=1, error="KeyError: 'x'", publish_at=ago(days=1)
    )

    said, _ = run()

    dead.refresh_from_db()
    assert (dead.state, dead.failures, dead.losses) == ("pending", 0, 0)
    assert dead.finished_at is None
    assert TaskRun.objects.unpublished().filter(pk=dead.pk).exists()
    assert "1 run is due again." in said


@pytest.mark.parametrize("state", SET_ASIDE)
def test_each_state_is_chosen_by_name_and_no_other_comes_along(run, state):
    for each in [*SET_ASIDE, RunState.SUCCEEDED, RunState.RUNNING]:
        make_run(each, task_id=each.value)

    run("--state", state)

    assert pending() == [state]


def test_several_states_may_be_named(run):
    for each in SET_ASIDE:
        make_run(each, task_id=each.value)

    run("--state", "dead", "--state", "discarded")

    assert pending() == ["dead", "discarded"]


@pytest.mark.parametrize(
    "narrowing",
    [
        ["--task", "app.task"],
        ["--handler", "app.handler"],
        ["--queue", "low_priority"],
        ["--store", "S02"],
        ["--since", "2h", "--until", "30m"],
        ["--error", "REFUSED"],
        ["--ids", "wanted"],
    ],
)
def test_each_option_narrows_the_choice(run, narrowing):
    make_run(RunState.DEAD, task_id="other", finished_at=ago(days=3))
    make_run(
        RunState.DEAD,
        task_id="wanted",
        task="app.task",
        handler="app.handler",
        queue="low_priority",
        store=make_store("S02"),
        error="ConnectionError: refused",
        finished_at=ago(hours=1),
    )

    run(*narrowing)

    assert pending() == ["wanted"]


def test_an_age_counts_by_the_databases_clock_where_the_hosts_is_wrong(run, monkeypatch):
    make_run(RunState.DEAD, task_id="other", finished_at=ago(hours=3))
    make_run(RunState.DEAD, task_id="wanted", finished_at=ago(hours=1))
    wrong = ago(hours=-6)
    monkeypatch.setattr("django.utils.timezone.now", lambda: wrong)

    run("--since", "2h")

    assert pending() == ["wanted"]


def test_a_run_may_be_named_by_its_row_number(run):
    make_run(RunState.DEAD, task_id="other")
    wanted = make_run(RunState.DEAD, task_id="wanted")

    run("--ids", str(wanted.pk))

    assert pending() == ["wanted"]


def test_a_dry_run_shows_what_failed_alike_and_changes_nothing(run):
    for _ in range(3):
        make_run(RunState.DEAD, handler="app.orders", error="KeyError: 'x'")
    make_run(RunState.DEAD, task="app.report", error="ValueError: y", task_id="the-last")

    said, _ = run("--dry-run")

    assert "4 dead runs are chosen." in said
    assert "3  app.orders: KeyError: 'x'" in said
    assert "1  app.report: ValueError: y" in said
    assert "such as the-last of app.report" in said
    assert pending() == []


def test_of_many_kinds_of_failure_the_largest_are_shown(run):
    for number in range(12):
        make_run(RunState.DEAD, error=f"Error {number}")

    said, _ = run("--dry-run")

    assert "2  others; narrow the choice to see them" in said


def test_on_a_terminal_it_asks_first(run, monkeypatch):
    make_run(RunState.DEAD)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")

    with pytest.raises(CommandError, match="Nothing was changed"):
        run()

    assert pending() == []


@pytest.mark.parametrize(("arguments", "answer"), [(["--yes"], "n"), ([], "y")])
def test_it_goes_on_when_agreed_to(run, monkeypatch, arguments, answer):
    make_run(RunState.DEAD, task_id="wanted")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)

    run(*arguments)

    assert pending() == ["wanted"]


def test_what_somebody_else_changes_meanwhile_stays_as_they_left_it(run, monkeypatch):
    discarded, _dead = (make_run(RunState.DEAD, task_id=name) for name in ("discarded", "dead"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: discarded.discard() and "y")

    said, _ = run()

    assert "1 run is due again." in said
    assert pending() == ["dead"]
    discarded.refresh_from_db()
    assert discarded.state == RunState.DISCARDED


def test_runs_are_changed_a_chunk_at_a_time(run, monkeypatch):
    monkeypatch.setattr(retry_runs, "CHUNK", 2)
    for _ in range(5):
        make_run(RunState.DEAD)
    sizes: list[int] = []
    monkeypatch.setattr("tqdm.tqdm.update", lambda bar, runs: sizes.append(runs))

    said, _ = run()

    assert sizes == [2, 2, 1]
    assert "5 runs are due again." in said


def test_a_run_whose_payload_was_pruned_is_left_out(run):
    event = make_event(payload=None, pruned_at=ago(days=1))
    make_run(RunState.DEAD, event=event, handler="app.orders")
    make_run(RunState.DEAD, task_id="wanted")

    said, _ = run()

    assert pending() == ["wanted"]
    assert "1 more run is left out" in said


def test_it_says_when_nobody_would_publish(run):
    make_run(RunState.DEAD)

    _, warning = run()

    assert "No worker or relay is alive" in warning
    assert "manage.py worker" in warning


def test_with_a_living_worker_there_is_nothing_to_warn_of(run):
    make_run(RunState.DEAD)
    make_worker()

    assert run()[1] == ""


def test_nothing_chosen_is_nothing_done(run):
    assert run() == ("0 dead runs are chosen.\n", "")


def test_a_time_that_is_none_is_refused_with_examples():
    with pytest.raises(CommandError, match=r"'yesterday' is no time; write an age"):
        call_command("retry_runs", "--since", "yesterday")


def test_dead_letters_of_refused_messages_are_retried_by_their_ids_alone(run):
    refused = RefusedCall(
        task="app.task", task_id="r", sent_id="r", queue="default", priority=5, reason="no such arg"
    )
    keep_refused(refused, lambda refused, row: None)

    run("--yes")
    assert TaskRun.objects.get(task_id="r").state == RunState.DEAD

    run("--yes", "--ids", "r")
    assert TaskRun.objects.get(task_id="r").state == RunState.PENDING
