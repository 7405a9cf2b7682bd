"""`manage.py doctor` on a database that cannot be written: full, read only, somebody else's."""

import os
import subprocess
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from neural.health import Status, database, examine
from neural.health.database import remedies
from neural.health.situation import Situation
from neural.models import WorkerProcess
from tests.unit.health.doctoring import asked, healthy, is_found

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ROOT = Path(__file__).parents[3]
SQLITE = "sqlite"


def only(vendor: str) -> None:
    if connection.vendor != vendor:
        pytest.skip(f"{vendor} only")


# Disks


@pytest.mark.parametrize(
    ("free", "status"),
    [(database.FULL - 1, Status.PROBLEM), (database.SCARCE - 1, Status.WARNING)],
)
def test_a_disk_with_little_room_is_found_before_it_is_full(monkeypatch, tmp_path, free, status):
    monkeypatch.setattr(database, "places", lambda: [tmp_path])
    monkeypatch.setattr(database, "free_of", lambda place: (free, 2 * database.SCARCE))

    assert is_found(database.disk(Situation()), status, str(tmp_path), "df -h")


def test_only_the_disks_that_lack_room_are_named(monkeypatch):
    free = {Path("/full"): 0, Path("/empty"): 10 * database.SCARCE}
    monkeypatch.setattr(database, "places", lambda: free)
    monkeypatch.setattr(database, "free_of", lambda place: (free[place], 10 * database.SCARCE))

    found = database.disk(Situation()).found

    assert "/full" in found
    assert "/empty" not in found


def test_the_disks_of_the_database_and_of_a_store_of_ones_own_are_looked_at(settings, tmp_path):
    settings.NEURAL = {"search": True, "vector_store_location": str(tmp_path)}

    assert tmp_path in list(database.places())
    is_in_a_file = connection.vendor == SQLITE
    directory = Path(str(connection.settings_dict["NAME"])).absolute().parent
    assert (directory in list(database.places())) == is_in_a_file
    settings.NEURAL = {"search": True, "vector_store_location": "s3://bucket"}
    assert all(str(place) != "s3://bucket" for place in database.places())


def test_a_directory_that_is_yet_to_come_is_looked_for_further_up(tmp_path):
    assert database.free_of(tmp_path / "a" / "b")[0] > 0


# Writing


def refuse(monkeypatch, words: str, sqlstate: str | None = None):
    """As if the database said so to a write."""
    cause = Exception(words)
    cause.sqlstate = sqlstate

    def create(**values):
        raise OperationalError(words) from cause

    monkeypatch.setattr(WorkerProcess.objects, "create", create)
    return database.writing(Situation())


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("database or disk is full", "make room"),
        ("attempt to write a readonly database", "mount -o remount,rw"),
        ("database disk image is malformed", "put back a backup"),
        ("database is locked", "long transaction"),
    ],
)
def test_what_sqlite_says_to_a_write_has_its_own_cure(monkeypatch, words, cure):
    only(SQLITE)
    assert is_found(refuse(monkeypatch, words), Status.PROBLEM, words, cure)


@pytest.mark.parametrize(
    ("words", "sqlstate", "cure"),
    [
        ("could not extend file: No space left on device", "53100", "make room"),
        ("permission denied for table", "42501", "REASSIGN OWNED"),
        ("canceling statement due to statement timeout", "57014", "long transaction"),
        ("cannot execute INSERT", "25006", "default_transaction_read_only"),
    ],
)
def test_what_postgresql_says_to_a_write_has_its_own_cure(monkeypatch, words, sqlstate, cure):
    only("postgresql")
    assert is_found(refuse(monkeypatch, words, sqlstate), Status.PROBLEM, words, cure)


@pytest.mark.django_db(transaction=True)
def test_a_postgresql_that_is_set_to_read_only_is_told_by_its_setting():
    only("postgresql")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        finding = database.writing(Situation())
    finally:
        connection.close()

    assert is_found(finding, Status.PROBLEM, "read-only", "default_transaction_read_only")


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ('FATAL: password authentication failed for user "a"', "user and password"),
        ('FATAL: database "a" does not exist', "createdb"),
        ("FATAL: no pg_hba.conf entry for host", "pg_hba.conf"),
        ("FATAL: sorry, too many clients already", "max_connections"),
        ("FATAL: the database system is starting up", "wait"),
        ("connection refused", "systemctl start postgresql"),
    ],
)
def test_a_postgresql_that_lets_nobody_in_is_not_always_one_to_start(words, cure):
    only("postgresql")
    assert cure in remedies().of_reaching(OperationalError(words))


@pytest.mark.django_db(transaction=True)
def test_what_is_written_to_see_whether_it_can_be_leaves_no_row():
    assert database.writing(Situation()).status == Status.OK
    assert not WorkerProcess.objects.exists()


def test_while_nothing_can_be_written_no_worker_is_called_dead(monkeypatch):
    refuse(monkeypatch, "database or disk is full")

    found = {each.probe: each for each in examine(healthy())}

    assert found["writing"].status == Status.PROBLEM
    assert found["workers"].status == Status.UNKNOWN
    assert "takes no write" in found["workers"].found


# For real


def examined(database: Path) -> dict:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "CELERY_BROKER_URL": f"redis+socket://{database.parent}/none.sock",
    }
    return asked(environment)[1]


@pytest.fixture
def small_disk(tmp_path):
    """2 MB of a file system of its own, where a test may mount one."""
    only(SQLITE)
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_and_a_read_only_one_are_told_from_a_postgresql_to_start(small_disk):
    file = small_disk / "db.sqlite3"
    (small_disk / "fill").write_bytes(b"x" * 2 * 1024**2)

    full = examined(file)
    assert full["disk"]["status"] == full["database"]["status"] == "problem"
    assert "make room" in full["disk"]["remedy"]
    assert "make room" in full["database"]["remedy"]

    (small_disk / "fill").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    read_only = examined(file)["database"]
    assert read_only["status"] == "problem"
    assert f"{file}" in read_only["remedy"]
    assert "remount,rw" in read_only["remedy"]


def test_a_file_that_is_no_database_is_called_damaged(tmp_path):
    only(SQLITE)
    file = tmp_path / "db.sqlite3"
    file.write_bytes(b"this is a text and no database " * 100)

    found = examined(file)["database"]

    assert found["status"] == "problem"
    assert str(file) in found["remedy"]
