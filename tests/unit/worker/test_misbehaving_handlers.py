"""The conformance suite of handlers that misbehave (tests/probe/misbehaving.py).

Whatever one does, called alone, among others or for many at once: its run is succeeded
exactly if what it wrote is there, its neighbours are done once, the process goes on with the
next run, and neither a database session nor the process is another one than before.
"""

import decimal
import re
import signal
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone, translation

from neural.ledger import execute
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.work import Batch, Work, default_retry
from neural.models import RunState, TaskAttempt, TaskRun
from tests.probe import misbehaving
from tests.probe.misbehaving import CASES, KILLERS, OF_POSTGRESQL, OF_SQLITE
from tests.probe.models import Counter, Effect
from tests.unit.factories import ago, make_run

BATCHABLE = "probe.count"
CULPRIT = "culprit"
NEIGHBOURS = ("a", "b", "y", "z")
BATCH = ("a", "b", CULPRIT, "y", "z")
BY_DATABASE = {"postgresql": OF_POSTGRESQL, "sqlite": OF_SQLITE}
ALL = {**OF_POSTGRESQL, **OF_SQLITE, **CASES}


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _django_db_helper(django_db_setup, django_db_blocker):
    """No transaction around the test, which empties only the tables that it wrote. In place of
    pytest-django's own, which empties them all: that takes longer than the test."""
    with django_db_blocker.unblock():
        yield
        connection.close()
        for model in (TaskAttempt, TaskRun, Effect, Counter):
            model.objects.all().delete()


@pytest.fixture(autouse=True)
def _as_in_a_worker(settings, elsewhere):
    """Ample time, and signals as a pool's process has them."""
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": 60}
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGALRM)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    for number, handler in before:
        signal.signal(number, handler)
    misbehaving.forget()


@pytest.fixture
def elsewhere(tmp_path, _django_db_helper):
    """A second database, of which the ledger knows nothing."""
    alias = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "elsewhere"}
    connections.settings["elsewhere"] = {**connections.settings["default"], **alias, "OPTIONS": {}}
    with connections["elsewhere"].cursor() as cursor:
        cursor.execute("CREATE TABLE written (number INTEGER)")
    yield
    connections["elsewhere"].close()
    del connections["elsewhere"], connections.settings["elsewhere"]


class Source:
    """Each run leaves an effect of its task id, then the culprit misbehaves."""

    def __init__(self, act=lambda: None, *, atomic=True, at_once=False):
        self.act, self.atomic, self.at_once = act, atomic, at_once
        execute.learn(self.all_of, runs=1, seconds=0.0001)

    def work_for(self, run):
        item = partial(str, run.task_id)
        return Work(
            function=partial(self.one, run.task_id),
            atomic=self.atomic,
            retry=default_retry(),
            batch=Batch(self.all_of, item) if self.at_once else None,
        )

    def one(self, key):
        Effect.objects.create(key=key)
        value = self.act() if key == CULPRIT else key
        return None if self.at_once else value

    def all_of(self, keys):
        for key in keys:
            self.one(key)


def perform(source, *keys):
    """Claim a run for each key, together where there are several, and work on them."""
    for place, key in enumerate(keys):
        make_run(task_id=key, handler=BATCHABLE, available_at=ago(seconds=60 - place))
    while runs := take(keys):
        run_claimed(source, runs)


def take(keys):
    due = TaskRun.objects.due().filter(task_id__in=keys, failures=0).by_urgency().first()
    return due and claim(
        task_id=due.task_id,
        claimant=Claimant(),
        queue="default",
        batchable=[BATCHABLE] if len(keys) > 1 else [],
        limit=len(keys),
    )


def expect_as_promised(case, *, keys, also_kept=()):
    culprit = TaskRun.objects.get(task_id=CULPRIT)
    done = [key for key in keys if key != CULPRIT or case.succeeds]
    assert Effect.counts() == dict.fromkeys([*done, *also_kept], 1)
    assert set(
        TaskRun.objects.filter(state=RunState.SUCCEEDED).values_list("task_id", flat=True)
    ) == set(done)
    if case.succeeds:
        assert (culprit.state, culprit.failures, culprit.error) == (RunState.SUCCEEDED, 0, "")
    else:
        state = RunState.DEAD if case.permanent else RunState.PENDING
        assert (culprit.state, culprit.failures, culprit.losses) == (state, 1, 0)
        assert case.says in culprit.error
        assert culprit.attempts.get().traceback
    others = TaskRun.objects.exclude(task_id=CULPRIT)
    assert set(others.values_list("failures", "losses")) <= {(0, 0)}
    assert not TaskAttempt.objects.exclude(run=culprit).exists()


def expect_to_go_on(before):
    """The next run of this process is done, in the same surroundings."""
    assert state_of_things() == before
    perform(Source(), "next")
    assert TaskRun.objects.get(task_id="next").state == RunState.SUCCEEDED
    with closing(connection.copy()) as another, another.cursor() as cursor:  # it was committed
        cursor.execute("SELECT count(*) FROM probe_effect WHERE key = 'next'")
        assert cursor.fetchone() == (1,)


def state_of_things():
    return {
        "session": session(),
        "blocks": [(each.in_atomic_block, each.autocommit) for each in connections.all()],
        "wrappers": [len(each.execute_wrappers) for each in connections.all()],
        "language": translation.get_language(),
        "time zone": timezone.get_current_timezone_name(),
        "decimals": (decimal.getcontext().prec, decimal.getcontext().rounding),
    }


def session():
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            names = ("query_only", "busy_timeout", "foreign_keys", "synchronous")
            return [cursor.execute(f"PRAGMA {name}").fetchone() for name in names]
        cursor.execute("SELECT name, setting FROM pg_settings WHERE source = 'session'")
        settings = sorted(cursor.fetchall())
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
        cursor.execute(locks, [connection.connection.info.backend_pid])
        return settings, cursor.fetchone()


def case_for_this_database(name):
    found = {**BY_DATABASE[connection.vendor], **CASES}.get(name)
    return found or pytest.skip(f"not on {connection.vendor}")


TWO_STEP = {
    "block_not_left": misbehaving.LEFT_OPEN,
    "autocommit_off": misbehaving.LEFT_OPEN,
    "begin_statement": misbehaving.LEFT_OPEN,
    "closed_connection": "",
    "set_search_path": "",
    "pragma_query_only": "",
    "swallowed_integrity_error": "",
    "fork_that_returns": "",
    "sys_exit": "SystemExit",
}


@pytest.mark.parametrize(("name", "says"), TWO_STEP.items())
def test_in_two_steps_it_leaves_no_transaction_open_and_no_session_changed(name, says):
    """What it wrote may be kept, which is why such work must be idempotent."""
    extra = {"begin_statement": misbehaving.Case(misbehaving.send("BEGIN"), False)}
    case, before = {**extra, **ALL}[name], state_of_things()
    if name in (*OF_POSTGRESQL, *OF_SQLITE):
        case_for_this_database(name)

    perform(Source(case.act, atomic=False), CULPRIT)

    culprit = TaskRun.objects.get(task_id=CULPRIT)
    assert culprit.state == (RunState.PENDING if says else RunState.SUCCEEDED)
    assert says in culprit.error
    expect_to_go_on(before)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("name", ["hook_raises", "hook_panics", "hook_misbehaves"])
def test_a_hook_that_raises_is_told_and_keeps_no_other_from_its_turn(name, at_once, caplog):
    """All is committed: nothing is called again."""
    started, source = [], Source(CASES[name].act, at_once=at_once)
    one = source.one

    def with_hook(key):
        started.append(key)
        value = one(key)
        transaction.on_commit(partial(misbehaving.hooks_called.append, key))
        return value

    source.one = with_hook
    perform(source, *BATCH)

    assert started == list(BATCH)
    assert [key for key in misbehaving.hooks_called if key != "raised"] == list(BATCH)
    if name != "hook_misbehaves":
        assert "in the hook" in caplog.text
        assert at_once or f"run={CULPRIT}" in caplog.text


@pytest.mark.parametrize("name", ALL)
def test_alone_it_is_succeeded_if_what_it_wrote_is_kept_and_the_next_run_is_done(name):
    case, before = case_for_this_database(name), state_of_things()

    perform(Source(case.act), CULPRIT)

    expect_as_promised(case, keys=[CULPRIT])
    expect_to_go_on(before)


@pytest.mark.parametrize("name", ALL)
def test_batched_it_harms_no_neighbour(name):
    case, before = case_for_this_database(name), state_of_things()

    perform(Source(case.act), *BATCH)

    expect_as_promised(case, keys=BATCH)
    expect_to_go_on(before)


@pytest.mark.parametrize("name", [name for name in ALL if ALL[name].at_once])
def test_called_for_many_at_once_it_fails_by_itself(name):
    case, before = case_for_this_database(name), state_of_things()

    perform(Source(case.act, at_once=True), *BATCH)

    expect_as_promised(case, keys=BATCH)
    expect_to_go_on(before)


def test_the_table_of_what_is_promised_names_every_case_and_no_other():
    text = (Path(__file__).parents[3] / "docs" / "tutorial" / "handlers.md").read_text()
    section = text.partition("## What a handler may do wrong\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.rsplit(" | ", 1)[1])]

    assert sorted(named) == sorted({*ALL, *KILLERS, "hang_async"})
