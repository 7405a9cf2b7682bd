"""What a process says of itself in its row: its memory and its versions."""

import os
import platform
from pathlib import Path

import pytest

from neural.worker import models as worker


def process(directory: Path, pid: int, **files: str) -> int:
    (directory / str(pid)).mkdir()
    for name, text in files.items():
        (directory / str(pid) / name).write_text(text)
    return pid


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(worker, "PROCESSES", tmp_path)
    return tmp_path


def test_memory_that_is_shared_counts_once(processes: Path) -> None:
    text = "00400000-7ffd rollup\nRss:  900 kB\nPss:  {} kB\nPss_Dirty: 7 kB\n"
    pids = [process(processes, pid, smaps_rollup=text.format(100)) for pid in (1, 2)]

    assert worker.memory_bytes(pids) == 200 * 1024


def test_where_sharing_is_not_told_the_resident_pages_count(processes: Path) -> None:
    pid = process(processes, 1, statm="5000 30 10 1 0 20 0")

    assert worker.memory_bytes([pid]) == 30 * os.sysconf("SC_PAGE_SIZE")


def test_a_process_that_has_ended_counts_nothing_and_a_system_without_proc_says_nothing(
    processes: Path,
) -> None:
    pid = process(processes, 1, statm="5000 1 10 1 0 20 0")

    assert worker.memory_bytes([pid, 2]) == os.sysconf("SC_PAGE_SIZE")
    assert worker.memory_bytes([2]) is None


def test_the_versions_are_those_of_this_process() -> None:
    found = worker.versions()

    assert list(found) == ["neural", "python", "django", "celery"]
    assert found["python"] == platform.python_version()
