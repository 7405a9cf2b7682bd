"""Where several processes share the tests, what takes longest begins first."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import order, selection


class Collected:
    """A test as pytest has collected it."""

    def __init__(self, file: str, *marks: pytest.MarkDecorator) -> None:
        self.path, self.own_markers = Path(file), [each.mark for each in marks]

    def get_closest_marker(self, name):
        found = [SimpleNamespace(kwargs=each.kwargs) for each in self.own_markers]
        named = [each.name == name for each in self.own_markers]
        return found[named.index(True)] if any(named) else None


def files(*items: Collected) -> list[str]:
    ordered = list(items)
    order.longest_file_first(ordered)
    return [item.path.name for item in ordered]


def test_one_with_workers_comes_before_one_with_a_database_and_that_before_pure_ones():
    pure = [Collected("pure.py", selection.PURE)] * 3
    rows, real = Collected("rows.py"), Collected("real.py", pytest.mark.integration)

    assert files(*pure, rows, real) == ["real.py", "rows.py", *["pure.py"] * 3]


def test_one_that_says_how_long_it_takes_is_believed():
    slow = Collected("slow.py", pytest.mark.takes(seconds=30))

    assert files(Collected("real.py", pytest.mark.integration), slow) == ["slow.py", "real.py"]


def test_tests_of_a_file_stay_together_and_in_their_order():
    one, other, third = Collected("a.py"), Collected("b.py"), Collected("a.py")
    items = [one, other, third]

    order.longest_file_first(items)

    assert items == [one, third, other]
