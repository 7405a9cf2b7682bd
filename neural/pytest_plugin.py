"""Fixtures for pytest, which finds this module by the package's entry point.

It is loaded in every project that has the package, also in those without Django: nothing is
imported before a test asks for a fixture.
"""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def neural_clock(db: None) -> Iterator[Any]:
    """The time of Django, of the ledger and of beat, which the test moves: ``move(minutes=2)``."""
    from neural.testing import clock

    with clock() as it:
        yield it


@pytest.fixture
def neural_inline(db: None) -> Iterator[None]:
    """Work runs as soon as it is submitted, and what it raises comes out of ``submit``."""
    from neural.testing import inline

    with inline():
        yield
