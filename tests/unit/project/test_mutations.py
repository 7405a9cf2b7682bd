"""The list of faults (``python -m tests.mutations``) fits the code and the tests that it names."""

import re
from pathlib import Path

import pytest

from tests.mutations.faults import FAULTS, Fault, Outdated, mutated

ROOT = Path(__file__).parents[3]
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@each_fault
def test_each_fault_can_be_put_into_the_code_of_today(fault):
    changed = mutated(fault, (ROOT / fault.file).read_text())

    compile(changed, fault.file, "exec")


@each_fault
def test_the_test_that_is_to_notice_it_exists(fault):
    path, _, name = fault.test.partition("::")

    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_there_are_faults_enough_and_none_twice():
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("text", ["", "a = 1\na = 1\n"])
def test_a_fault_whose_code_has_changed_is_refused(text):
    fault = Fault("one is two", "numbers.py", "a = 1\n", "a = 2\n", "test_numbers.py::test_one")

    with pytest.raises(Outdated, match=r"one is two: numbers.py has 'a = 1\\n' (0|2) times"):
        mutated(fault, text)
