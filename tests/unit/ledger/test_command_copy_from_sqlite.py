"""`manage.py copy_from_sqlite`: a deployment moves from SQLite, and nothing of it is lost."""

import datetime as dt
import gzip
import sqlite3
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

import neural
from neural.management.commands import copy_from_sqlite
from neural.models import AuditEntry, NeuralEvent, RunState, TaskRun
from neural.retrieval.models import SearchIndex, SearchRow
from zhilian.demo import live

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes(seconds=4),
]

MOMENT = dt.datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=dt.UTC)
"""With microseconds, of which `dumpdata` writes three digits."""
DUMPS = sorted((Path(__file__).parent / "first").glob("[0-9]*.sqlite.sql.gz"))


def made(path: Path) -> Path:
    with sqlite3.connect(path) as opened:
        opened.executescript(gzip.decompress(DUMPS[-1].read_bytes()).decode())
    opened.close()
    with copy_from_sqlite._opened(path) as alias:
        call_command("migrate", database=alias, verbosity=0)
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    """A deployment on SQLite: as the last release left it, and migrated since."""
    return made(tmp_path / "zhilian.sqlite3")


def rows(alias: str) -> dict[str, list[tuple]]:
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            values = model._base_manager.using(alias).order_by("pk").values_list()
            found[model._meta.db_table] = list(values)
    return found


def test_every_value_of_every_table_is_the_same_afterwards(file):
    with copy_from_sqlite._opened(file) as alias:
        get_user_model()._base_manager.using(alias).update(date_joined=MOMENT)
        index = SearchIndex.objects.using(alias).create(dimensions=1, token_form=1)
        for number, words in enumerate([{"egg", "tart", "#17"}, set()], 1):
            SearchRow.objects.using(alias).create(
                id=number, index=index, key=str(number), version=1, words=words
            )

    call_command("copy_from_sqlite", str(file))

    with copy_from_sqlite._opened(file) as alias:
        theirs, ours = rows(alias), rows("default")
    for table in ("neural_auditentry", "neural_auditedrow"):  # that it was copied
        del theirs[table], ours[table]
    assert ours == theirs
    assert get_user_model().objects.get().date_joined == MOMENT


def test_what_was_due_runs_and_what_comes_gets_keys_above_theirs(file, fake_broker):
    call_command("copy_from_sqlite", str(file))
    last = NeuralEvent.objects.latest("pk").pk
    drill = TaskRun.objects.get(handler="drill.retry", state=RunState.PENDING)

    answer = neural.submit(**live.stock(session="2", number="1", item=0, level=1))
    neural.run_due(now=timezone.now() + dt.timedelta(days=1))

    assert answer.event.pk > last  # how far above depends on what ran here before
    drill.refresh_from_db()
    assert drill.state != RunState.PENDING


def test_an_event_of_before_is_known_as_a_duplicate(file, fake_broker):
    call_command("copy_from_sqlite", str(file))
    event = NeuralEvent.objects.filter(type="order.created").first()

    again = neural.submit(
        type=event.type,
        store=event.store_id,
        source=event.source,
        event_id=event.event_id,
        payload=event.payload,
        occurred_at=event.occurred_at,
    )

    assert again.verdict == "duplicate"


def test_it_leaves_an_entry_with_who_and_why(file):
    call_command("copy_from_sqlite", str(file), by="lee", reason="a second machine")

    entry = AuditEntry.objects.standing().get()
    assert (entry.action, entry.actor, entry.reason) == ("database.copy", "lee", "a second machine")
    assert entry.count > 1000


def test_a_database_in_use_is_refused_and_stays_as_it_is(file, fake_broker):
    neural.submit(**live.stock(session="2", number="1", item=0, level=1))

    with pytest.raises(CommandError, match=r"in use: neural\.NeuralEvent, neural\.TaskRun"):
        call_command("copy_from_sqlite", str(file))

    assert NeuralEvent.objects.count() == 1


def test_a_file_of_another_version_is_refused(file):
    with copy_from_sqlite._opened(file) as alias:
        call_command("migrate", "neural_logins", "zero", database=alias, verbosity=0)

    with pytest.raises(CommandError, match="the file lacks migrations"):
        call_command("copy_from_sqlite", str(file))


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(CommandError, match="there is no file") as refused:
        call_command("copy_from_sqlite", str(tmp_path / "absent.sqlite3"))

    assert refused.value.returncode == 2
    assert not list(tmp_path.iterdir())
