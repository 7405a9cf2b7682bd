"""The Celery guide: its code runs, its tests exist, both languages say the same."""

import re
from pathlib import Path

import pytest
from celery import current_app

import neural
from neural import queues
from neural.celeryapp.results import LedgerResults
from neural.models import TaskRun
from tests.unit.celeryapp.canvas import record_plain_messages

ROOT = Path(__file__).parents[3]
LANGUAGES = ["docs", "docs/zh"]


def guide(language: str) -> str:
    return (ROOT / language / "reference" / "celery.md").read_text()


def blocks(language: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", guide(language), re.S)


@pytest.fixture
def tasks_as_before():
    """What the guide registers is forgotten again."""
    current_app.loader.import_default_modules()  # what it registers stays
    before = set(current_app.tasks)
    yield
    for name in set(current_app.tasks) - before:
        current_app.tasks.unregister(name)


@pytest.mark.django_db
@pytest.mark.usefixtures("search_on")
def test_the_code_of_the_guide_runs_from_top_to_bottom(fake_broker, monkeypatch, tasks_as_before):
    record_plain_messages(monkeypatch)
    wait_for = LedgerResults.wait_for

    def wait_for_a_worker(self, *args, **options):
        neural.run_due()
        return wait_for(self, *args, **options)

    monkeypatch.setattr(LedgerResults, "wait_for", wait_for_a_worker)
    namespace: dict = {}
    assert len(blocks("docs", "python")) > 8
    for block in blocks("docs", "python"):
        exec(compile(block, "docs/reference/celery.md", "exec"), namespace)

    assert TaskRun.objects.filter(task="neural.tasks.process_neural_event").exists()
    assert TaskRun.objects.filter(task="shop.tasks.add", state="succeeded").count() > 3
    assert TaskRun.objects.get(task="neural.tasks.batch_index_orders").result["indexed"] == 2


@pytest.mark.services
def test_every_name_of_the_routing_table_is_a_task():
    current_app.loader.import_default_modules()

    assert [name for name in queues.TASK_QUEUES if name not in current_app.tasks] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_test_that_the_guide_names_exists(language):
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = set(re.findall(r"`(test_\w+)`", guide(language)))
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", guide(language)))

    assert len(names) > 5
    assert len(files) > 10
    assert [name for name in names if f"def {name}(" not in written] == []
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_ends_with_what_shows_it(language):
    sections = re.split(r"^## ", guide(language), flags=re.M)[1:-1]

    assert len(sections) > 9
    for section in sections:
        last = section.strip().rpartition("\n\n")[2]
        assert "tests/" in last or "`test_" in last or "doctor" in last, section.splitlines()[0]


def test_what_is_named_as_code_in_a_table_is_the_same_in_both_languages():
    names = [
        [
            sorted(re.findall(r"`([^`]+)`", line))
            for line in guide(language).splitlines()
            if line[:1] == "|"
        ]
        for language in LANGUAGES
    ]

    assert names[0] == names[1]
