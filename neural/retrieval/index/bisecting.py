"""Work on many at once that must not fail for the sake of one. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bisect(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Result],
    *,
    blames: Callable[[Exception], bool],
    all_may_fail: bool = False,
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    """Do work on all of these at once; where it fails, on each half, down to the single ones.

    Returns the results, and the items for which it failed with why. ``blames`` says of an error
    whether it may be for the sake of an item; any other is raised, and so is the first one where
    nothing could be done at all, unless ``all_may_fail``: then it is not for the sake of one.
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
