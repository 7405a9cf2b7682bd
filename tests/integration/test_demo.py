"""`manage.py demo` from start to end, with real workers."""

import json
import os
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
SHORT = ("--shops", "2", "--days", "20", "--json")
PARTS = ("sales", "live", "orders", "tills")
LONG = ("--shops", "4", "--days", "200", "--json")


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

    def report(self, *arguments: str) -> dict:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, self.errors.read_text() + output
        return json.loads(output)


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> Iterator[list[dict]]:
    """Of two runs, one after the other, with sales enough for a round."""
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield [made.report(*LONG), made.report(*LONG)]
    made.end()


@pytest.fixture(scope="module")
def short_report(tmp_path_factory) -> Iterator[dict]:
    """Of one run."""
    made = Demo(tmp_path_factory.mktemp("short-demo"))
    yield made.report(*SHORT)
    made.end()


def account_for_every_event(report: dict) -> None:
    sales, live, runs = report["sales"], report["live"], report["runs"]
    assert (live["duplicates"], live["refused"]) == (1, 2)
    handled = live["recorded"] - live["unhandled"]
    assert runs["processed"] + runs["dead"] == sales["recorded"] + handled
    assert (runs["dead"], runs["retried"], runs["unfinished"]) == (1, 2, 0)
    assert [each["work"] for each in report["dead"]] == ["drill.dead"]
    assert "on purpose" in report["dead"][0]["reason"]
    assert all(case["ok"] for case in report["cases"])
    assert report["tills"]["ok"]
    assert report["ok"]


@once
def test_its_report_accounts_for_every_event(short_report):
    account_for_every_event(short_report)
    history = short_report["live"]["history"]
    assert short_report["sales"]["recorded"] == 40
    assert short_report["queues"]["low_priority"]["runs"] == 40 + history


@once
def test_its_report_says_what_is_real_and_what_is_invented(short_report):
    origins = {part: short_report[part]["origin"] for part in PARTS}

    assert origins == dict.fromkeys(PARTS, "invented") | {"sales": "real"}


@once
def test_two_days_of_each_till_end_as_the_till_closed_them(short_report):
    tills = short_report["tills"]

    closed = [(each["shop"], each["till"], each["stated"]["total"]) for each in tills["days"]]
    assert [each[:2] for each in closed[::2]] == [
        ("demo-1", "hall"), ("demo-1", "counter"), ("demo-2", "counter")
    ]  # fmt: skip
    assert [each["ledger"]["total"] for each in tills["days"]] == [each[2] for each in closed]
    assert len(tills["first_ticket"]["orders"]) == 6
    assert {"A-4": "92.00", "A-5": "0.00", "A-6": "92.00"}.items() <= {
        each["ticket"]: each["counted"] for each in tills["bills"][:7]
    }.items()


@once
def test_all_that_was_recorded_can_be_searched(short_report):
    search = short_report["search"]

    recorded = short_report["sales"]["recorded"] + short_report["live"]["recorded"]
    assert search["records"]["events"] == recorded
    assert search["waiting"] == 0
    assert search["found"][0]["names"] == ["Egg tart"]


@once
def test_with_few_days_no_round_is_opened_and_it_says_why(short_report):
    training = short_report["training"]

    assert training["round"] is None
    assert training["why_not"] == "0 shops have 28 days of sales, 2 are needed"


@once
def test_it_ends_with_a_round_and_with_what_a_shop_should_prepare(reports):
    first, second = (report["training"] for report in reports)

    assert (first["state"], first["as_of"]) == ("published", "2016-07-20")
    assert first["version"] == first["prepare"]["version"] == 1
    assert first["methods"]["candidate"]["deviance"] < first["methods"]["weekday_mean"]["deviance"]
    assert first["prepare"]["day"] == "2016-07-20"
    assert all(each["usual"] <= each["rarely_out"] for each in first["prepare"]["dishes"])
    assert (second["round"], second["of_an_earlier_run"]) == (first["round"], True)


@once
def test_a_second_run_goes_on_from_the_first(reports):
    first, second = reports

    account_for_every_event(second)
    recorded = first["sales"]["recorded"]
    assert recorded
    assert (second["sales"]["recorded"], second["sales"]["duplicates"]) == (0, recorded)
    assert first["sales"]["top_shops"] == second["sales"]["top_shops"]


@pytest.mark.skipif(settings.EMBEDDED_BROKER, reason="CELERY_BROKER_URL is not set")
def test_it_runs_on_the_services_that_the_environment_names(transactional_db, broker_url, demo):
    demo.environment = child_environment(broker_url=broker_url)

    report = demo.report(*SHORT)

    account_for_every_event(report)
    assert report["broker"] == "Redis"


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
    process = demo.start("--shops", "10", "--days", "300", "--json")
    wait_until(lambda: workers.exists() and "event=worker_ready" in workers.read_text(), 300)
    wait_until(lambda: with_children(process), 300)

    # The worker itself, and with it its session.
    os.kill(with_children(process)[0], signal.SIGKILL)

    output, _ = process.communicate(timeout=1200)
    report = json.loads(output)
    assert report["ok"]
    assert any("was killed by SIGKILL" in notice for notice in report["worker_notices"])
