"""`make up`: each process's lines in the terminal, and in a file of its own that stays small."""

import io
import re

from zhilian.supervision.processes import OLDER_LOGS, Console, LogFile


def test_each_programs_lines_go_to_the_terminal_and_to_a_file_of_its_own(tmp_path):
    terminal = io.StringIO()
    console = Console(["web", "beat"], terminal, tmp_path / "log")

    console.write("web", "level=info 100% Üben 红烧肉")
    console.write("beat", "level=info tick")
    console.write("up", "web was killed by SIGKILL")
    console.close()

    assert terminal.getvalue().splitlines()[0] == "web  | level=info 100% Üben 红烧肉"
    assert (tmp_path / "log" / "web.log").read_text() == "level=info 100% Üben 红烧肉\n"
    assert (tmp_path / "log" / "beat.log").read_text() == "level=info tick\n"
    supervisors = (tmp_path / "log" / "up.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}Z web was killed by SIGKILL\n", supervisors)


def test_the_directory_is_its_owners_alone(tmp_path):
    Console(["web"], io.StringIO(), tmp_path / "log").close()

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700


def test_a_file_goes_on_where_the_last_start_ended(tmp_path):
    for line in ("one", "two"):
        console = Console(["web"], io.StringIO(), tmp_path)
        console.write("web", line)
        console.close()

    assert (tmp_path / "web.log").read_text() == "one\ntwo\n"


def test_a_file_that_has_become_large_starts_anew_and_old_ones_go(tmp_path):
    file = LogFile(tmp_path, "web", size=100)
    for number in range(200):
        file.write(f"line {number}")
    file.close()

    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [
        "web.log",
        *(f"web.log.{n}" for n in range(1, OLDER_LOGS + 1)),
    ]
    assert all(path.stat().st_size <= 100 for path in files)
    assert (tmp_path / "web.log").read_text().endswith("line 199\n")


def test_without_a_directory_nothing_is_written(tmp_path):
    console = Console(["web"], io.StringIO())
    console.write("web", "a line")

    assert console.files == {}


def test_a_disk_that_is_full_stops_nothing(tmp_path, monkeypatch, capsys):
    file = LogFile(tmp_path, "web")

    def full(text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.stream, "write", full)
    file.write("a line")
    monkeypatch.undo()
    file.close()

    assert capsys.readouterr().err == ""
