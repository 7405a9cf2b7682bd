"""Every command that acts leaves an entry in the audit log, in the name of who asks."""

import datetime as dt
import getpass
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import DatabaseError, OperationalError, connection
from django.test import override_settings

from neural.api import keys
from neural.audit.titles import title_of
from neural.events.submit import submit
from neural.ledger.clock import database_clock
from neural.ledger.commands import prune
from neural.models import AuditEntry, AuditOutcome, AuditSource, RunState
from neural.queues.pausing import pause
from neural.runs.admin.run_page.timeline import timeline
from neural.runs.commands import retry_runs
from tests.unit.api import api_world
from tests.unit.factories import ago, make_run, make_store
from tests.unit.forecasting.rounds import NAME, chain_of
from tests.unit.hooks import hooks_world
from tests.unit.restaurant.demand import sell

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("fake_broker", "search_on", "guests"),
]

BY = ("--by", "lee", "--reason", "month-end")
NO_ACTS = {
    "copy_from_sqlite": "fills an empty database with the rows of another, its audit log with them",
    "create_groups": "records what it changes by itself: test_groups",
    "erase_person": "records its beginning and its end by itself: test_erase_person",
    "demo": "shows everything once, with data of its own",
    "doctor": "looks",
    "federated_report": "looks",
    "flush": "empties every table, the audit log with them",
    "relay": "publishes what others have asked for",
    "replay_bakery": "data for a demonstration",
    "search": "looks",
    "up": "starts processes",
    "worker": "starts a process",
}
"""Commands that do nothing in a person's name, and why."""


def a_key() -> str:
    return api_world.key("S1")[0].prefix


def an_old_run() -> None:
    make_run(RunState.SUCCEEDED, created_at=ago(days=400), finished_at=ago(days=399))


def an_event() -> list[str]:
    event = {"type": "inventory.updated", "store": "S1", "source": "pos", "event-id": "1"}
    payload = json.dumps({"item": "flour", "level": 3})
    return [*(f"--{name}={value}" for name, value in event.items()), f"--payload={payload}"]


def a_paused_queue() -> None:
    pause(queue="default", reason="repairs", by="root")


def a_store_that_sells() -> None:
    sell(make_store("S1"), {0: 10, 7: 15})


def a_source_that_can_be_asked() -> None:
    square = hooks_world.source(platform="square", credentials={"access_token": "secret"})
    hooks_world.map_code(square, "L1", "S1")


def an_order_of_a_former_store() -> None:
    kitchen = hooks_world.source(platform="square", credentials={"access_token": "secret"})
    code = hooks_world.map_code(kitchen, "L1", "S2")
    code.former, code.since = make_store("S1"), dt.date(2026, 3, 2)
    code.save()
    submit(
        type="order.stated",
        store="S1",
        source="kitchen",
        event_id="17:1",
        payload={"order_id": "17", "lines": []},
        requested_by="webhook kitchen",
    ).or_raise()


def a_credential_of_a_former_key() -> None:
    with override_settings(SECRET_KEY="former"):
        hooks_world.source()


Arranged = Callable[[], Any]
ACTS: dict[str, tuple[str, list[Any], Arranged]] = {
    "queue pause": ("queue.pause", ["default"], lambda: None),
    "queue resume": ("queue.resume", ["default"], a_paused_queue),
    "retry_runs": ("run.retry", [], lambda: make_run(RunState.DEAD)),
    "prune": ("retention.delete", [], an_old_run),
    "submit_event": ("event.submit", [an_event], lambda: None),
    "reencrypt": ("credentials.reencrypt", [], a_credential_of_a_former_key),
    "reconcile": ("webhooksource.reconcile", [], a_source_that_can_be_asked),
    "move_orders": (
        "storecode.move",
        ["--source", "kitchen", "--code", "L1"],
        an_order_of_a_former_store,
    ),
    "api_key issue": (
        "apikey.add",
        ["--name", "till 3", "--scope", "search", "--every-store"],
        lambda: None,
    ),
    "api_key revoke": ("apikey.revoke", [a_key], lambda: None),
    "api_key rotate": ("apikey.rotate", [a_key], lambda: None),
    "rebuild_index": ("searchindex.rebuild", ["guests", "--no-wait"], lambda: None),
    "train": ("trainingplan.run", ["--model-type", NAME, "--no-wait"], lambda: None),
    "analyse_demand": ("demandsummary.analyse", [], a_store_that_sells),
    "forecast": ("forecast.make", ["--model-type", NAME], lambda: None),
}


@pytest.fixture(autouse=True)
def _former_key(settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = ["former"]


@pytest.fixture(autouse=True)
def _pages_of_the_admin(settings: Any) -> None:
    """They name what is done to their rows; a command alone does not load them."""
    import_module(settings.ROOT_URLCONF)


@pytest.fixture
def _chain():
    with chain_of("S1", "S2", "S3"):
        yield


@pytest.mark.usefixtures("_chain")
@pytest.mark.parametrize("line", ACTS)
def test_a_command_that_acts_leaves_an_entry_with_who_and_why(line: str) -> None:
    action, arguments, arrange = ACTS[line]
    arrange()
    given = [each for part in arguments for each in _given(part)]

    call_command(*line.split(), *given, *BY)

    entry = AuditEntry.objects.standing().get()
    assert (entry.action, entry.actor, entry.reason) == (action, "lee", "month-end")
    assert (entry.source, entry.outcome) == (AuditSource.COMMAND, AuditOutcome.DONE)
    assert entry.count >= 1
    assert title_of(action) != action


def _given(part: Any) -> list[str]:
    found = part() if callable(part) else part
    return found if isinstance(found, list) else [found]


def test_every_command_is_one_that_acts_or_is_known_to_do_nothing_in_a_persons_name() -> None:
    ours = ("neural", "zhilian")
    known = {name for name, app in get_commands().items() if app.split(".")[0] in ours}
    acting = {line.split()[0] for line in ACTS}

    assert known == acting | set(NO_ACTS), (
        "a command that acts calls neural.management.acting and is tried in ACTS; for any other "
        "one say in NO_ACTS why it does nothing in a person's name"
    )
    assert not acting & set(NO_ACTS)


def test_every_part_of_a_command_that_acts_is_tried() -> None:
    parts = {
        f"{name} {part}" for name in {line.split()[0] for line in ACTS} for part in _parts(name)
    }
    only_look = {"queue list", "api_key list"}

    assert parts - only_look == {line for line in ACTS if " " in line}


def _parts(name: str) -> list[str]:
    command: Any = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    found = [each.choices for each in parser._actions if each.nargs == "A..."]
    return list(found[0]) if found else []


def test_without_a_name_it_is_the_user_of_the_machine() -> None:
    call_command("queue", "pause", "default", "--reason", "repairs")

    assert AuditEntry.objects.get().actor == getpass.getuser()


def test_a_user_who_has_no_name_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid")

    monkeypatch.setattr(getpass, "getuser", nobody)
    call_command("queue", "pause", "default", "--reason", "repairs")

    assert AuditEntry.objects.get().actor == "manage.py"


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry_runs", "--dry-run"),
        ("prune", "--dry-run"),
        ("queue", "list"),
        ("api_key", "list"),
        ("retry_runs", "--store", "S9"),
    ],
)
def test_a_look_and_what_concerned_nothing_leave_no_entry(arguments: tuple[str, ...]) -> None:
    make_run(RunState.DEAD)
    an_old_run()

    call_command(*arguments)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("queue", "resume", "default"),
        ("queue", "pause", "nosuch", "--reason", "repairs"),
        ("api_key", "revoke", "nosuch"),
        ("analyse_demand", "--store", "S9"),
    ],
)
def test_wrong_usage_is_no_act(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command(*arguments)

    assert not AuditEntry.objects.exists()


def test_what_was_done_before_an_interruption_is_recorded_and_that_it_ended_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, _not_done = (make_run(RunState.DEAD, task_id=f"t{number}") for number in range(2))

    def interrupted(bar: Any, number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retry_runs, "CHUNK", 1)
    monkeypatch.setattr("tqdm.tqdm.update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call_command("retry_runs", *BY)

    acted, ended = AuditEntry.objects.standing().order_by("pk")
    assert (acted.outcome, acted.count, acted.target_ids) == ("done", 1, [str(done.pk)])
    assert (ended.action, ended.outcome, ended.count) == ("run.retry", "stopped", 0)


@pytest.mark.usefixtures("_chain")
@pytest.mark.parametrize(
    ("line", "works_in"),
    [
        ("prune", "neural.ledger.commands.prune.prune_runs"),
        ("retry_runs", "neural.runs.commands.retry_runs.retry"),
        ("analyse_demand", "neural.restaurant.management.commands.analyse_demand.with_progress"),
        ("forecast", "neural.forecasting.management.commands.forecast.forecast_store"),
    ],
)
def test_a_command_that_is_killed_leaves_an_entry_that_says_begun(
    line: str, works_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, arguments, arrange = ACTS[line]
    arrange()
    seen: list[tuple[str, str]] = []

    def at_work(*args: Any, **options: Any) -> None:
        seen.extend(AuditEntry.objects.standing().values_list("action", "outcome"))
        raise KeyboardInterrupt

    monkeypatch.setattr(works_in, at_work)
    with pytest.raises(KeyboardInterrupt):
        call_command(line, *arguments, *BY)

    assert seen == [(action, "begun")]
    entry = AuditEntry.objects.standing().get()
    assert (entry.action, entry.outcome) == (action, "stopped")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file's connection cannot be cut")
def test_a_command_whose_connection_is_cut_says_how_many_rows_it_had_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neural.ledger.prune.CHUNK", 2)
    for _ in range(6):
        an_old_run()
    steps: list[int] = []

    def cut_after_two_steps(bar: Any, keys: int) -> None:
        steps.append(keys)
        if len(steps) == 2:
            _cut_the_connection()

    monkeypatch.setattr("tqdm.tqdm.update", cut_after_two_steps)
    with pytest.raises(CommandError, match="The database does not answer"):
        call_command("prune", *BY)

    entry = AuditEntry.objects.standing().get()
    assert (entry.action, entry.outcome, entry.count) == ("retention.delete", "failed", 4)


def _cut_the_connection() -> None:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    other.close()


def test_an_end_that_cannot_be_recorded_stands_in_the_log_and_the_entry_says_begun(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    an_old_run()

    def gone(**facts: Any) -> int:
        raise OperationalError("no connection")

    whole = prune.prune_runs

    def the_last(**options: Any) -> Any:
        monkeypatch.setattr("neural.audit.record", gone)
        return whole(**options)

    monkeypatch.setattr(prune, "prune_runs", the_last)
    call_command("prune", *BY)

    assert AuditEntry.objects.standing().get().outcome == "begun"
    assert "event=end_not_in_the_audit_log" in caplog.text


def test_what_is_not_recorded_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(RunState.DEAD)

    def refused(*args: Any, **facts: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("neural.runs.commands.retry_runs.record_command", refused)
    with pytest.raises(DatabaseError):
        call_command("retry_runs", *BY)

    run.refresh_from_db()
    assert run.state == RunState.DEAD


def test_retried_runs_are_named_in_an_entry_for_each_store() -> None:
    here = [make_run(RunState.DEAD, store=make_store("S1")) for _ in range(2)]
    there = make_run(RunState.DEAD, store=make_store("S2"))

    call_command("retry_runs", *BY)

    told = {
        entry.store_id: (entry.target_ids, entry.count) for entry in AuditEntry.objects.standing()
    }
    assert told == {
        "S1": ([str(run.pk) for run in here], 2),
        "S2": ([str(there.pk)], 1),
    }


def test_of_very_many_retried_runs_the_first_are_named_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neural.runs.commands.retry_runs.MOST_CHOSEN", 3)
    monkeypatch.setattr(retry_runs, "CHUNK", 2)
    runs = [make_run(RunState.DEAD, error="refused") for _ in range(6)]

    call_command("retry_runs", "--error", "refused", *BY)

    standing = AuditEntry.objects.standing().order_by("pk")
    told = [(entry.target_ids, entry.count) for entry in standing]
    first, second, third = (str(run.pk) for run in runs[:3])
    assert told == [([first, second], 2), ([third], 1), ([], 1), ([], 2)]
    assert {str(entry.query) for entry in AuditEntry.objects.all()} == {"{'error': 'refused'}"}


def test_the_runs_that_are_not_named_are_counted_for_each_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that those who see one store find the act on its runs, and not that on others."""
    monkeypatch.setattr("neural.runs.commands.retry_runs.MOST_CHOSEN", 1)
    stores = [make_store(code) for code in ("S1", "S2")]
    for store in (None, *stores, *stores, stores[0]):
        make_run(RunState.DEAD, store=store)

    call_command("retry_runs", *BY)

    named, *counted = AuditEntry.objects.standing().order_by("pk")
    assert (named.store_id, named.count) == (None, 1)
    told = {each.store_id: (each.target_model, each.target_ids, each.count) for each in counted}
    assert told == {"S1": ("neural.taskrun", [], 3), "S2": ("neural.taskrun", [], 2)}


def test_who_retried_a_run_with_the_command_stands_in_its_course() -> None:
    run = make_run(RunState.DEAD)

    call_command("retry_runs", *BY)

    run.refresh_from_db()
    steps = timeline(run, get_user_model()(is_superuser=True), database_clock())
    assert [(step.act.by, step.act.title, step.act.reason) for step in steps if step.act] == [
        ("lee", "Run: Retry", "month-end")
    ]


def test_the_chosen_rows_are_named_by_the_options_that_chose_them() -> None:
    make_run(RunState.DEAD, error="refused")

    call_command("retry_runs", "--state", "dead", "--error", "refused")

    assert AuditEntry.objects.standing().get().query == {"state": "dead", "error": "refused"}


def test_the_key_itself_is_in_no_entry(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("api_key", "issue", "--name", "till", "--scope", "search", "--every-store", *BY)
    text = capsys.readouterr().out.strip()

    assert keys.find(text)
    assert text not in str(list(AuditEntry.objects.values_list()))
