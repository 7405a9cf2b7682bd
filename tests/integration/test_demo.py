"""`manage.py demo` from start to end, with real workers."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.conftest import child_environment
from tests.watching import descendants, is_alive, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.takes(seconds=12)]
once = pytest.mark.once  # its services are its own

ROOT = Path(__file__).parents[2]
SHORT = ("--shops", "2", "--days", "20")
LONG = ("--shops", "4", "--days", "200")


class Demo:
    """Runs of the demo on one state directory, with SQLite and the embedded broker there."""

    def __init__(self, directory: Path) -> None:
        ours = {"DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
        self.environment = {k: v for k, v in os.environ.items() if k not in ours}
        self.directory = directory
        self.errors = directory / "errors"
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        own = {
            "ZHILIAN_VAR": str(self.directory / "var"),
            "ZHILIAN_ENV_FILE": "",
            "DJANGO_SETTINGS_MODULE": "zhilian.settings",
        }
        with self.errors.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *arguments],
                env={**self.environment, **own},
                stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, text=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def report(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, self.errors.read_text() + output
        return output


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> Iterator[list[str]]:
    """Of two runs, one after the other, with sales enough for a round."""
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield [made.report(*LONG), made.report(*LONG)]
    made.end()


@pytest.fixture(scope="module")
def short_report(tmp_path_factory) -> Iterator[str]:
    """Of one run."""
    made = Demo(tmp_path_factory.mktemp("short-demo"))
    yield made.report(*SHORT)
    made.end()


def counts(report: str, name: str) -> list[int]:
    """The numbers in the line of this name."""
    line = next(line for line in report.splitlines() if line.strip().startswith(name))
    return [int(each) for each in re.findall(r"\d+", line.replace(",", ""))]


def account_for_every_event(report: str) -> None:
    """All that was answered ``new`` has a run, and each run has ended."""
    sales, live = counts(report, "bakery sales"), counts(report, "invented events")
    assert live[2:] == [1, 2]
    assert counts(report, "RUNS") == [sales[1] + live[1] - 1, 1]
    assert "dead: drill.dead of" in report
    assert f"ok  {sales[1] + live[1]:,} events were accepted" in report
    assert report.rstrip().endswith(ENDS)


ENDS = (
    "Everything is accounted for: finished, or dead for a stated reason.\n"
    "Look at it in the admin:  make up"
)


@once
def test_its_report_accounts_for_every_event(short_report):
    account_for_every_event(short_report)
    assert counts(short_report, "bakery sales (real)") == [40, 40, 0, 0]
    assert "low_priority    half within" in short_report


@once
def test_two_days_of_each_till_end_as_the_till_closed_them(short_report):
    closed = re.findall(r"^  ok  (demo-\d \w+) [\d-]+: ", short_report, re.MULTILINE)

    assert closed[::2] == closed[1::2] == ["demo-1 hall", "demo-1 counter", "demo-2 counter"]
    for bill in ("A-4 92.00", "A-5 0.00", "A-6 92.00"):
        assert f"     {bill}, owed 0.00" in short_report


@once
def test_what_was_recorded_can_be_searched(short_report):
    assert "$ manage.py search 'egg tart'" in short_report
    assert "names: Egg tart" in short_report


@once
def test_with_few_days_no_round_is_opened_and_it_says_why(short_report):
    assert "TRAINING no round: 0 shops have 28 days of sales, 2 are needed" in short_report


@once
def test_it_ends_with_a_round_and_with_what_a_shop_should_prepare(reports):
    first, second = reports

    for report in reports:
        assert "Round 1: published, version 1" in report
        assert re.search(
            r"Shop \d+, 2016-07-20 Wed: version 1, from sales up to 2016-07-19", report
        )
    assert "Of an earlier run" not in first
    assert "Of an earlier run" in second


@once
def test_a_second_run_goes_on_from_the_first(reports):
    first, second = reports

    account_for_every_event(first)
    account_for_every_event(second)
    assert counts(second, "bakery sales (real)") == [800, 0, 800, 0]


@pytest.mark.skipif(settings.EMBEDDED_BROKER, reason="CELERY_BROKER_URL is not set")
def test_it_runs_on_the_services_that_the_environment_names(transactional_db, broker_url, demo):
    demo.environment = child_environment(broker_url=broker_url)

    report = demo.report(*SHORT)

    account_for_every_event(report)
    assert "PostgreSQL, Redis" in report


@once
def test_stopped_in_the_middle_it_leaves_no_process_and_goes_on_though_a_worker_dies(demo):
    process = demo.start("--shops", "10", "--days", "300")
    wait_until(lambda: "submitted" in demo.errors.read_text(), seconds=300)
    wait_until(lambda: len(descendants(process.pid)) >= 5, seconds=300)
    family = descendants(process.pid)

    process.send_signal(signal.SIGINT)

    process.communicate(timeout=300)
    assert process.returncode == 130
    # A pool that its worker did not see end is ended by the kernel, in its own time.
    wait_until(lambda: not any(map(is_alive, family)), 30)
    assert "Traceback" not in demo.errors.read_text()
    goes_on_although_a_worker_dies(demo)


def with_children(process: subprocess.Popen[str]) -> list[int]:
    """The workers: those of the demo's children that have some."""
    return [pid for pid in descendants(process.pid) if descendants(pid)]


def goes_on_although_a_worker_dies(demo: Demo) -> None:
    workers = demo.directory / "var" / "demo-workers.log"
    workers.unlink()
    process = demo.start("--shops", "10", "--days", "300")
    wait_until(lambda: workers.exists() and "event=worker_ready" in workers.read_text(), 300)
    wait_until(lambda: with_children(process), 300)

    # The worker itself, and with it its session.
    os.kill(with_children(process)[0], signal.SIGKILL)

    output, _ = process.communicate(timeout=1200)
    assert output.rstrip().endswith(ENDS)
    assert "was killed by SIGKILL" in demo.errors.read_text()
