"""Several processes write one table of LanceDB at once; some are killed, some are forked."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from neural.retrieval.stores.base import Within
from neural.retrieval.stores.lance.store import LanceStore
from tests.integration.writing_rows import KEYS, SHAPE, TABLE, batches, row

pytestmark = [pytest.mark.integration, pytest.mark.once]
WRITTEN = Within(stores=frozenset(["s"]))
ROUNDS = 8


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    """A store with a table in which older rows, not of these writers, are indexed."""
    made = LanceStore(str(tmp_path))
    made.create(TABLE, SHAPE)
    made.upsert(TABLE, [row(f"older/{number}", 0) for number in range(3000)])
    made.compact(TABLE)
    return made


def writer(location: str, number: int, rounds: int = ROUNDS) -> subprocess.Popen[bytes]:
    """A process that writes its batches."""
    arguments = [location, str(number), str(rounds)]
    return subprocess.Popen([sys.executable, "-m", "tests.integration.writing_rows", *arguments])


def newest(writers: range) -> dict[str, int]:
    """By key the greatest version that any of the writers wrote."""
    versions: dict[str, int] = {}
    for number in writers:
        for batch in batches(number, ROUNDS):
            for key, version in batch.items():
                versions[key] = max(version, versions.get(key, 0))
    return versions


def kept(store: LanceStore) -> dict[str, int]:
    """Versions in the table by key, after looking that no key is there twice."""
    rows = store.rows(TABLE, [f"s/{key}" for key in range(KEYS)], within=WRITTEN)
    assert store.count(TABLE, within=WRITTEN) == len(rows)
    return {key: row.version for key, row in rows.items()}


@pytest.mark.parametrize("compacted", [False, True], ids=["alone", "while it is compacted"])
def test_four_processes_that_write_at_once_lose_no_row_and_double_none(
    store: LanceStore, tmp_path: Path, compacted: bool
) -> None:
    writers = [writer(str(tmp_path), number) for number in range(4)]
    while any(process.poll() is None for process in writers):
        if compacted:
            store.compact(TABLE)
        time.sleep(0.05)

    assert [process.returncode for process in writers] == [0] * 4
    assert kept(store) == newest(range(4))


def test_processes_that_cannot_take_turns_lose_no_row_and_double_none(
    store: LanceStore, tmp_path: Path
) -> None:
    """As at an ``s3://`` location, where nobody can be kept waiting."""
    script = f"""
        import contextlib, sys
        from neural.retrieval.stores.lance.connection import Connection
        from tests.integration.writing_rows import write

        Connection.turn = lambda self, table, lock: contextlib.nullcontext(False)
        write(sys.argv[1], int(sys.argv[2]), {ROUNDS})
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(3)]

    assert [process.wait(120) for process in writers] == [0] * 3
    assert kept(store) == newest(range(3))


def test_a_writer_that_is_killed_in_its_turn_keeps_nobody_waiting(
    store: LanceStore, tmp_path: Path
) -> None:
    script = f"""
        import time
        from neural.retrieval.stores.lance.connection import Connection
        from neural.retrieval.stores.lance.store import WRITERS

        with Connection({str(tmp_path)!r}, {{}}).turn({TABLE!r}, WRITERS):
            print("mine", flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        other = writer(str(tmp_path), 0, rounds=1)
        time.sleep(1)
        process.send_signal(signal.SIGKILL)

    assert other.wait(60) == 0
    assert len(kept(store)) == KEYS // 2


def test_forked_children_open_it_on_their_own(store: LanceStore, tmp_path: Path) -> None:
    """As worker children do, whose parent made the object and opened nothing."""
    script = f"""
        import os, sys
        from neural.retrieval.stores.base import Within
        from neural.retrieval.stores.lance.store import LanceStore
        from tests.integration import writing_rows

        store = LanceStore({str(tmp_path)!r})
        assert "lancedb" not in sys.modules
        children = []
        for number in range(3):
            pid = os.fork()
            if pid == 0:
                writing_rows.LanceStore = lambda location: store
                writing_rows.write("", number, 2)
                sys.exit(0)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True)

    assert len(kept(store)) > KEYS // 2


def test_a_child_of_a_process_that_had_it_open_is_refused_and_told_why(
    store: LanceStore, tmp_path: Path
) -> None:
    """It could crash or wait for ever in the library. Its parent goes on."""
    script = f"""
        import os
        from neural.retrieval.stores.base import StoreUnavailable, Within
        from neural.retrieval.stores.lance.store import LanceStore

        store = LanceStore({str(tmp_path)!r})
        count = lambda opened: opened.count({TABLE!r}, within=Within(stores=None))
        count(store)
        pid = os.fork()
        if pid == 0:
            for opened in (store, LanceStore({str(tmp_path)!r})):
                try:
                    count(opened)
                except StoreUnavailable as error:
                    print(error, flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert count(store) == 3000
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    assert len(said) == 2
    assert all("had LanceDB open when it forked" in line for line in said)
