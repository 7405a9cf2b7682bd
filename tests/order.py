"""Which files begin first where several processes share the work: those that take longest.

`--dist loadfile` gives a process that has nothing left the next file. One that takes a minute and
begins last would keep one process busy while the others have ended.
"""

from collections import Counter

import pytest

from tests import selection

SECONDS = {"integration": 4.0, "other": 0.15, "pure": 0.01}
"""What a test of a kind takes, about. Files whose tests take much longer say so by the marker
`takes`."""


def longest_file_first(items: list[pytest.Item]) -> None:
    """Tests of a file stay together and in their order."""
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
