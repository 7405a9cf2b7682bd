"""How many records an indexing run reads, embeds and writes at a time, and halving a batch when one
of them makes it fail."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError

from neural.kit.errors import NeuralError
from neural.ledger.work import current_run
from neural.retrieval.conf import conf


def batch_size() -> int:
    """The setting ``index_batch``; fewer after an attempt whose process died, which may have lacked
    memory, and after one that failed, which may have lacked time."""
    run = current_run()
    halvings = 2 * run.losses + min(run.failures, 2) if run else 0
    return max(1, conf().index_batch >> halvings)


def slice_seconds() -> float:
    """How long a slice takes. Outside of a run nobody would go on: all is done in one."""
    return conf().index_run_seconds if current_run() else math.inf


def blames_a_record(error: Exception) -> bool:
    """Whether one record of a batch may be the cause of an error, in whatever code it was
    raised."""
    outages = (DatabaseError, InterfaceError, OSError, MemoryError, SoftTimeLimitExceeded)
    return not isinstance(error, (NeuralError, *outages))


def reason_of(error: Exception) -> str:
    """The message of an error, with its class if it is not one of Neural's own."""
    return str(error) if isinstance(error, NeuralError) else f"{type(error).__name__}: {error}"


Item = TypeVar("Item")
Result = TypeVar("Result")


def bisect(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Result],
    *,
    blames: Callable[[Exception], bool] = blames_a_record,
    all_may_fail: bool = False,
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    """Call ``work`` with all items. If it fails, call it with each half, down to single items.

    Returns the results, and each failed item with its error. ``blames`` says whether an item may be
    the cause of an error; any other error is raised. If every item fails, no single one is to
    blame: the first error is raised, unless ``all_may_fail``.
    """
    results: list[Result] = []
    failed: list[tuple[Item, Exception]] = []
    waiting = [items]
    while waiting:
        some = waiting.pop()
        try:
            results.append(work(some))
        except Exception as error:
            if not blames(error):
                raise
            if len(some) == 1:
                failed.append((some[0], error))
            else:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
    if failed and not results and not all_may_fail:
        raise failed[0][1]
    return results, failed
