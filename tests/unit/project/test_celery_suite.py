"""The runner of Celery's own tests believes only what has come to its end."""

import json
from types import SimpleNamespace

import pytest

from tests.celery_suite import __main__ as runner

NAME = "t/integration/test_tasks.py::test_tasks::test_one"
ROW = "test_tasks.py::test_tasks::test_one"


@pytest.mark.parametrize(
    ("plain", "ours", "rows", "found"),
    [
        ({NAME: "passed"}, {NAME: "passed"}, [], ""),
        ({NAME: "passed"}, {NAME: "failed"}, [ROW], ""),
        ({NAME: "passed"}, {NAME: "failed"}, [], f"{ROW} are in no table of celery.md"),
        ({NAME: "passed"}, {NAME: "passed"}, [ROW], f"{ROW} pass on the ledger, but"),
        ({NAME: "passed"}, {}, [ROW], f"{NAME} have no outcome on the ledger"),
        ({NAME: "skipped"}, {NAME: "skipped"}, [ROW], ""),
        ({NAME: "failed"}, {NAME: "passed"}, [ROW], ""),
        ({}, {}, [ROW], ""),
    ],
)
def test_what_the_table_does_not_say_is_a_fault_and_so_is_what_it_says_no_longer(
    plain, ours, rows, found
):
    text = "; ".join(runner.faults(plain, ours, rows))

    assert text.startswith(found) if found else text == ""


def test_a_row_stands_while_the_test_differs_with_one_of_its_parameters():
    plain = {f"{NAME}[a]": "passed", f"{NAME}[b]": "passed"}

    assert not [*runner.faults(plain, {**plain, f"{NAME}[b]": "failed"}, [ROW])]
    assert [*runner.faults(plain, plain, [ROW])]


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Runs the suite with a pytest that ends with this code, and wrote these outcomes if any."""

    def run(code, written):
        (tmp_path / "outcomes.json").write_text(json.dumps({NAME: "passed"}))  # of a run before
        ended = tmp_path / "outcomes.json"

        def end(*_, **__):
            if written is not None:
                ended.write_text(json.dumps(written))
            return SimpleNamespace(returncode=code)

        monkeypatch.setattr(runner.subprocess, "run", end)
        return runner.outcomes("redis", on_ledger=True)

    monkeypatch.setattr(runner, "VAR", tmp_path)
    return run


def test_the_outcomes_are_those_that_the_run_wrote(suite):
    assert suite(1, {NAME: "failed"}) == {NAME: "failed"}


@pytest.mark.parametrize(
    ("code", "written"),
    [(-9, None), (1, None), (2, {NAME: "passed"}), (3, {NAME: "passed"}), (5, {})],
)
def test_a_run_that_died_on_its_way_is_an_error(suite, code, written):
    with pytest.raises(SystemExit, match=f"ended with {code}"):
        suite(code, written)
