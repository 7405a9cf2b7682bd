"""Handlers that do what a handler must not do, or may do and seldom does.

Each takes no argument and is called after the handler has left its effect. Those that end or
hold up their process are in `killing`. The table in docs/tutorial/handlers.md names every case.
"""

import decimal
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.utils import timezone, translation

from tests.probe.acting import directory
from tests.probe.models import Counter

kept: list[Any] = []
"""What leaks."""
hooks_called: list[str] = []


class Case(NamedTuple):
    """One misbehaviour and what is promised of the run that has it."""

    act: Callable[[], Any]
    succeeds: bool
    says: str = ""
    """A part of the run's error."""
    permanent: bool = False
    at_once: bool = True
    """Whether a handler of many events at once may have it."""


def forget() -> None:
    """Let go of what leaked."""
    for each in kept:
        if hasattr(each, "close"):
            each.close()
    kept.clear()
    hooks_called.clear()


# Database


def swallow_integrity_error():
    with suppress(IntegrityError):
        Counter.objects.create(pk=Counter.objects.create(name="taken").pk, name="other")


def swallow_error_of_raw_sql():
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


def set_rollback():
    transaction.set_rollback(True)


def durable_block():
    with transaction.atomic(durable=True):
        Counter.add("durable")


def close_connection():
    connection.close()


def close_connection_and_go_on():
    connection.close()
    connection.connect()
    Counter.add("after")


def close_driver():
    connection.connection.close()


def send(statement: str) -> Callable[[], None]:
    def act():
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return act


def call_rollback():
    connection.rollback()


def call_commit():
    transaction.commit()


def set_autocommit():
    transaction.set_autocommit(False)


def never_leave_a_block():
    transaction.atomic().__enter__()
    Counter.add("in the block")


def never_leave_three_blocks():
    for savepoint in (True, False, True):
        transaction.atomic(savepoint=savepoint).__enter__()
    raise ValueError("in three blocks")


def leave_savepoints():
    for _ in range(3):
        transaction.get_connection().savepoint()


def dangling_reference():
    from neural.models import AttemptOutcome, TaskAttempt

    TaskAttempt.objects.create(
        run_id=-1, outcome=AttemptOutcome.FAILED, started_at=timezone.now(), error="of nobody"
    )


def leave_cursors_open():
    from neural.models import TaskRun

    for _ in range(5):
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM neural_taskrun")
        cursor.fetchone()
        kept.append(cursor)
    rows = TaskRun.objects.iterator()
    next(rows)
    kept.append(rows)


def change_its_own_run():
    from neural.ledger.work import current_run
    from neural.models import TaskRun

    run = current_run()
    task_id = run.task_id if run else "culprit"  # many at once have none
    TaskRun.objects.filter(task_id=task_id).update(token=1)


def write_elsewhere():
    with connections["elsewhere"].cursor() as cursor:
        cursor.execute("INSERT INTO written VALUES (1)")


def never_leave_a_block_elsewhere():
    transaction.atomic(using="elsewhere").__enter__()
    write_elsewhere()


# Hooks


def raise_in_hook(error: BaseException | None = None) -> Callable[[], None]:
    def hook():
        hooks_called.append("raised")
        raise error or ValueError("in the hook")

    return lambda: transaction.on_commit(hook)


def misbehave_in_hook():
    """All at once: it leaves a block open and closes the connection."""

    def hook():
        transaction.atomic().__enter__()

    transaction.on_commit(hook)
    transaction.on_commit(lambda: connection.close())


# Errors


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no message")

    __repr__ = __str__


class NoText(Exception):
    def __str__(self):
        return 5

    __repr__ = __str__


class ExitsWhenRead(Exception):
    def __str__(self):
        sys.exit(3)

    __repr__ = __str__


class Panic(BaseException):
    """As gevent's Timeout and PyO3's PanicException."""


class Unpicklable(Exception):
    def __reduce__(self):
        raise Panic("in the jar")


class AsksInVain(Exception):
    @property
    def permanent(self):
        raise RuntimeError("nobody knows")


def throw(error: BaseException) -> Callable[[], None]:
    def act():
        raise error

    return act


def exit_from_within():
    sys.exit(3)


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def snooze_with_no_json():
    from neural.ledger.work import Snooze

    raise Snooze(1, checkpoint=object())


def retry_at_no_time():
    from neural.ledger.work import RetryRequested

    raise RetryRequested(ValueError("later"), countdown=float("nan"))


# The process


def change_language():
    translation.activate("zh-hans")
    timezone.activate("Pacific/Kiritimati")


def change_decimals():
    decimal.getcontext().prec = 2
    decimal.getcontext().rounding = decimal.ROUND_UP


def leak():
    kept.append(bytearray(1024 * 1024))
    kept.append(Path("/dev/null").open())  # noqa: SIM115


def fork_and_return():
    """Both come back. The child must not settle the run, nor use the parent's connection."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)


def fork_and_raise():
    child = os.fork()
    if not child:
        raise ValueError("in the child")
    assert os.waitpid(child, 0)[1] >> 8 == 1


SWALLOWED = "swallowed a database error, or asked for a rollback"
LEFT_OPEN = "began a transaction"
LOST = "ended the transaction"
REFUSED = "is refused"

CASES: Mapping[str, Case] = {
    "swallowed_integrity_error": Case(swallow_integrity_error, False, SWALLOWED),
    "set_rollback": Case(set_rollback, False, SWALLOWED),
    "durable_block": Case(durable_block, False, "durable atomic block"),
    "closed_connection": Case(close_connection, False, LOST),
    "connection_opened_again": Case(close_connection_and_go_on, False, LOST, at_once=False),
    "closed_driver": Case(close_driver, False, ""),
    "commit_statement": Case(send("/* now */ commit"), False, f"COMMIT {REFUSED}"),
    "rollback_statement": Case(send("SELECT 'a;b'; ROLLBACK"), False, f"ROLLBACK {REFUSED}"),
    "rollback_call": Case(call_rollback, False, "atomic' block is active"),
    "commit_call": Case(call_commit, False, "atomic' block is active"),
    "autocommit_off": Case(set_autocommit, False, "atomic' block is active"),
    "block_not_left": Case(never_leave_a_block, False, LEFT_OPEN),
    "blocks_not_left_and_error": Case(never_leave_three_blocks, False, "in three blocks"),
    "savepoints_left": Case(leave_savepoints, True),
    "dangling_reference": Case(dangling_reference, False, "IntegrityError"),
    "cursors_left_open": Case(leave_cursors_open, True),
    "own_run_changed": Case(change_its_own_run, False, "the run was changed"),
    "other_database": Case(write_elsewhere, True),
    "block_not_left_in_other_database": Case(never_leave_a_block_elsewhere, False, LEFT_OPEN),
    "hook_raises": Case(raise_in_hook(), True),
    "hook_panics": Case(raise_in_hook(Panic("in the hook")), True),
    "hook_misbehaves": Case(misbehave_in_hook, True),
    "error_without_message": Case(throw(Unreadable()), False, "Unreadable: (its message cannot"),
    "error_with_message_of_no_text": Case(throw(NoText()), False, "NoText: (its message cannot"),
    "error_that_exits_when_read": Case(throw(ExitsWhenRead()), False, "ExitsWhenRead: (its mess"),
    "error_not_picklable": Case(throw(Unpicklable("gone")), False, "Unpicklable: gone"),
    "error_with_enormous_message": Case(throw(ValueError("é" * 9_000_000)), False, "ValueError: é"),
    "error_with_nul_and_half_pair": Case(
        throw(ValueError("a\x00\ud800")), False, "ValueError: a�?"
    ),
    "error_that_knows_no_permanence": Case(throw(AsksInVain("a")), False, "nobody knows"),
    "panic": Case(throw(Panic("at the disco")), False, "Panic: at the disco (not an Exception)"),
    "keyboard_interrupt": Case(throw(KeyboardInterrupt()), False, "KeyboardInterrupt (not an"),
    "generator_exit": Case(throw(GeneratorExit()), False, "GeneratorExit (not an"),
    "stop_iteration": Case(throw(StopIteration()), False, "StopIteration"),
    "sys_exit": Case(exit_from_within, False, "SystemExit: 3 (not an Exception)"),
    "deep_recursion": Case(recurse, False, "RecursionError"),
    "snooze_with_no_json": Case(snooze_with_no_json, False, "NotStorable", permanent=True),
    "retry_at_no_time": Case(retry_at_no_time, False, "ValueError"),
    "result_of_no_json": Case(object, False, "NotStorable", permanent=True, at_once=False),
    "huge_result": Case(
        lambda: "x" * 9_000_000, False, "NotStorable", permanent=True, at_once=False
    ),
    "language_and_time_zone_changed": Case(change_language, True),
    "decimals_changed": Case(change_decimals, True),
    "leak": Case(leak, True),
    "fork_that_returns": Case(fork_and_return, True),
    "fork_that_raises": Case(fork_and_raise, True),
}

OF_POSTGRESQL: Mapping[str, Case] = {
    "swallowed_error_of_raw_sql": Case(swallow_error_of_raw_sql, False, SWALLOWED),
    "set_time_zone": Case(send("SET timezone = 'Pacific/Kiritimati'"), True),
    "set_statement_timeout": Case(send("SET statement_timeout = '1h'"), True),
    "set_local": Case(send("SET LOCAL statement_timeout = '1h'"), True),
    "set_by_function": Case(send("SELECT set_config('timezone', 'Asia/Tokyo', false)"), True),
    "set_search_path": Case(send("SET search_path = nowhere"), False, "does not exist"),
    "set_read_only": Case(send("SET default_transaction_read_only = on"), True),
    "advisory_lock": Case(send("SELECT pg_advisory_lock(4711)"), True),
}
OF_SQLITE: Mapping[str, Case] = {
    "swallowed_error_of_raw_sql": Case(swallow_error_of_raw_sql, True),
    "pragma_query_only": Case(send("PRAGMA query_only = 1"), False, "readonly database"),
    "pragma_busy_timeout": Case(send("PRAGMA busy_timeout = 1"), True),
}


# Those that end their process, or hold it up: for real workers alone


def hang_in_c():
    """No signal but SIGKILL gets through, as in a library that waits in C."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    time.sleep(60)


KILLERS: Mapping[str, Callable[[], Any]] = {
    "os_exit": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "crashed": lambda: os.abort(),
    "told_to_end": lambda: os.kill(os.getpid(), signal.SIGQUIT),
    "hang_in_c": hang_in_c,
}


def once(key: str, name: str) -> None:
    """Misbehave, but only the first time that this key comes here.

    What makes the run fail is done until the failure is written: a neighbour that ends the process
    may have come before that.
    """
    mark = directory() / f"misbehaved-{key}"
    fails = name not in KILLERS and not CASES[name].succeeds
    if not (_has_failed(key) if fails else mark.exists()):
        mark.touch()
        (KILLERS[name] if name in KILLERS else CASES[name].act)()


def _has_failed(key: str) -> bool:
    from neural.models import TaskRun

    return TaskRun.objects.filter(event__event_id=key, failures__gt=0).exists()
