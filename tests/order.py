"""Sorts test files for parallel runs: those that take longest begin first.

With `--dist loadfile`, an idle process takes the next file. If a file of one minute began last, one
process would be busy with it after all others have ended.
"""

from collections import Counter

import pytest

from tests import selection

SECONDS = {"integration": 4.0, "other": 0.15, "pure": 0.01}
"""About how many seconds a test of each kind takes. Files with much slower tests set the marker
`takes`."""


def longest_file_first(items: list[pytest.Item]) -> None:
    """Sort by file. The tests of a file stay together and in their order."""
    seconds: Counter[object] = Counter()
    for item in items:
        seconds[item.path] += _seconds(item)
    items.sort(key=lambda item: (-seconds[item.path], str(item.path)))


def _seconds(item: pytest.Item) -> float:
    if said := item.get_closest_marker("takes"):
        return said.kwargs["seconds"]
    if item.get_closest_marker("integration"):
        return SECONDS["integration"]
    return SECONDS["pure" if selection.PURE.mark in item.own_markers else "other"]
