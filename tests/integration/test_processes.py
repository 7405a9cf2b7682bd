"""The supervisor behind `make up`: keeps programs running and leaves none behind."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.watching import descendants, is_alive, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.once]

ROOT = Path(__file__).parents[2]


class Supervised:
    """A supervisor in a process of its own, with one program written in Python."""

    def __init__(
        self, program: str, output: Path, *, grace: float = 10.0, before: str = ""
    ) -> None:
        """``before`` is code that the supervisor's process runs first."""
        code = (
            "import sys; from zhilian.supervision.processes import ProgramSpec, Supervisor\n"
            f"{before}\n"
            f"it = ProgramSpec(name='it', arguments=[sys.executable, '-u', '-c', {program!r}])\n"
            f"Supervisor([it], grace={grace}, output=sys.stdout).run()"
        )
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", code], stdout=file, cwd=ROOT
            )

    def said(self, pattern: str, times: int = 1) -> bool:
        return len(re.findall(pattern, self.output.read_text(), re.MULTILINE)) >= times


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(program: str, **options: Any) -> Supervised:
        started.append(Supervised(program, tmp_path / "output", **options))
        return started[-1]

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.wait()


STUBBORN = "import signal, time; signal.signal(15, 1); print('ready'); time.sleep(60)"
AT_ONCE = """
import os, signal
write = sys.stdout.write
def answered(text):
    write(text)
    if "again to stop at once" in text:
        os.kill(os.getpid(), signal.SIGTERM)
sys.stdout.write = answered
"""
"""A person who presses Ctrl-C again as soon as the line about it is there."""
PARENT = (
    "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('ready'); time.sleep(60)"
)


def test_each_line_carries_its_programs_name_and_no_colour_in_a_file(supervise):
    supervised = supervise("import time; print('one\\ntwo'); time.sleep(60)")

    wait_until(lambda: supervised.said(r"^it \| one$"))
    wait_until(lambda: supervised.said(r"^it \| two$"))


def test_a_program_that_dies_is_started_again_with_a_growing_pause(supervise):
    supervised = supervise("print('last words', end=''); raise SystemExit(3)")

    wait_until(lambda: supervised.said("ended with exit code 3; starting it again in 1 s"))
    wait_until(lambda: supervised.said("ended with exit code 3; starting it again in 2 s"))
    assert supervised.said(r"^it \| last words$", times=2)


def test_the_children_of_a_killed_program_go_with_it(supervise):
    supervised = supervise(PARENT)
    wait_until(lambda: supervised.said("ready") and len(descendants(supervised.process.pid)) == 2)
    program, child = sorted(descendants(supervised.process.pid))

    subprocess.run(["kill", "-KILL", str(program)], check=True)

    wait_until(lambda: not is_alive(child))
    wait_until(lambda: supervised.said("was killed by SIGKILL; starting it again"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(supervise, number):
    supervised = supervise(PARENT)
    wait_until(lambda: supervised.said("ready") and len(descendants(supervised.process.pid)) == 2)
    family = descendants(supervised.process.pid)

    supervised.process.send_signal(number)

    assert supervised.process.wait(40) == 0
    wait_until(lambda: not any(map(is_alive, family)))  # what was killed needs a moment


def test_what_does_not_stop_in_time_is_killed(supervise):
    supervised = supervise(STUBBORN, grace=0.5)
    wait_until(lambda: supervised.said("ready"))

    supervised.process.terminate()

    assert supervised.process.wait(40) == 0
    assert supervised.said("it did not stop: killing it")


def test_a_second_signal_stops_at_once(supervise):
    supervised = supervise(STUBBORN, grace=60)
    wait_until(lambda: supervised.said("ready"))

    supervised.process.terminate()
    wait_until(lambda: supervised.said("again to stop at once"))
    supervised.process.terminate()

    assert supervised.process.wait(40) == 0


def test_a_second_signal_counts_however_quickly_it_comes(supervise):
    supervised = supervise(STUBBORN, grace=60, before=AT_ONCE)
    wait_until(lambda: supervised.said("ready"))

    supervised.process.terminate()

    assert supervised.process.wait(40) == 0


def test_a_killed_supervisor_leaves_no_program_behind(supervise):
    supervised = supervise(STUBBORN)
    wait_until(lambda: supervised.said("ready"))
    family = descendants(supervised.process.pid)

    supervised.process.kill()

    wait_until(lambda: not any(map(is_alive, family)))
