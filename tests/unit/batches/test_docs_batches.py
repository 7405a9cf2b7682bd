"""The guide to batches: its code runs from top to bottom, in both languages the same."""

import re
from pathlib import Path

import pytest
from celery import current_app

import neural
from neural.celeryapp.results import LedgerResults
from neural.models import Batch, TaskRun

DOCS = Path(__file__).parents[3] / "docs"


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.S)


@pytest.fixture
def tasks_as_before():
    """What the guide registers is forgotten again."""
    before = set(current_app.tasks)
    yield
    for name in set(current_app.tasks) - before:
        current_app.tasks.unregister(name)


@pytest.mark.django_db(transaction=True)
def test_the_code_of_the_guide_runs_from_top_to_bottom(fake_broker, monkeypatch, tasks_as_before):
    wait_for = LedgerResults.wait_for

    def wait_for_a_worker(self, *args, **options):
        neural.run_due()
        return wait_for(self, *args, **options)

    monkeypatch.setattr(LedgerResults, "wait_for", wait_for_a_worker)
    namespace: dict = {}
    assert len(blocks("reference/batches.md")) == 4
    for block in blocks("reference/batches.md"):
        exec(compile(block, "docs/reference/batches.md", "exec"), namespace)
        neural.run_due()
    namespace["send_statements"]("2026-11", ["G-1", "G-2", "G-3"])  # once more

    def result(task: str) -> object:
        return TaskRun.objects.get(task=f"shop.tasks.{task}").result

    assert result("report_statements") == "3 sent, 0 not"
    assert result("analyse_night") == "every page of every shop is there"
    assert not TaskRun.objects.filter(task="shop.tasks.tell_night_shift").exists()
    assert TaskRun.objects.filter(task="shop.tasks.send_statement").count() == 3
    assert TaskRun.objects.filter(task="shop.tasks.import_page", state="succeeded").count() == 4
    assert {*Batch.objects.values_list("state", "outcome")} == {("ended", "succeeded")}
