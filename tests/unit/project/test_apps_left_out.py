"""An app that is not installed costs no import, no table, no page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.project import left_out

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.takes(seconds=0.7),
]  # its services are its own
ROOT = Path(__file__).parents[3]
TABLES_OF_THE_LEDGER = {
    "neural_neuralevent",
    "neural_refusedevent",
    "neural_store",
    "neural_store_operators",
    "neural_taskrun",
    "neural_tasktry",
    "neural_workerprocess",
    "neural_auditedrow",
    "neural_auditentry",
    "neural_awaitedmember",
    "neural_batch",
    "neural_bulkaction",
    "neural_bulkactionitem",
    "neural_queuepause",
    "neural_runedit",
    "neural_savedview",
    "neural_schedulepolicy",
    "neural_shippeddefault",
}
TABLES = {
    "restaurant": {
        *("neural_dailydemand", "neural_demandsummary", "neural_dish", "neural_order"),
        *("neural_orderline", "neural_payment", "neural_salesreport", "neural_shift"),
        *("neural_stocklevel", "neural_menu", "neural_openingstate", "neural_timecard"),
        "neural_dayclose",
        "neural_availability",
    },
    "retrieval": {
        *("neural_indexlane", "neural_indexmark", "neural_searchindex"),
        *("neural_searchpiece", "neural_searchrow", "neural_searchterm", "neural_suppliedrecord"),
        *("neural_storedvector", "neural_vectorcolumn"),
        # SQLite's full-text index
        *(f"neural_searchwords{part}" for part in ("", "_config", "_data", "_docsize", "_idx")),
    },
    "forecasting": {
        *(
            "neural_activemodel",
            "neural_forecast",
            "neural_forecast_accuracy",
            "neural_groupsum",
            "neural_modelversion",
        ),
        *("neural_privacyspend", "neural_roundtransition", "neural_storeupdate"),
        *("neural_trainingplan", "neural_trainingplan_participants", "neural_traininground"),
    },
    "logins": {"neural_logins_loginfailures"},
    "api": {"neural_api_apikey", "neural_api_apikey_stores"},
    "hooks": {
        *("neural_hooks_delivery", "neural_hooks_storecode", "neural_hooks_subscription"),
        *("neural_hooks_subscribedtype", "neural_hooks_subscription_stores"),
        "neural_hooks_reconciliation",
        "neural_hooks_unroutedpush",
        "neural_hooks_webhooksource",
    },
    "monitoring": {
        f"neural_monitoring_{name}"
        for name in (
            *("alert", "alertchannel", "alertmessage", "alertrule"),
            *("errorgroup", "errorgrouphit", "errorgrouphour", "eventfigures"),
            *("examination", "failedrun", "hourfigures", "minutefigures"),
            *("readmark", "tally", "totalevents", "totalfigures"),
        )
    },
}
SCHEDULED = {
    "restaurant": "analyse_demand",
    "retrieval": "tend_search_indexes",
    "forecasting": "train_federated_model",
}
ASKED_FOR = {**SCHEDULED, "retrieval": "search"}
COMBINATIONS = (
    (),
    ("schedules",),
    ("schedules", "restaurant"),
    ("schedules", "retrieval"),
    ("schedules", "forecasting"),
    ("logins", "api"),
    ("restaurant", "hooks"),
    ("monitoring",),
)


class Project:
    """One that installs these apps, and what it answered."""

    def __init__(self, apps: tuple[str, ...], answer: dict) -> None:
        self.apps, self.answer = apps, answer

    def __getitem__(self, name: str):
        return self.answer[name]

    @property
    def left_out(self) -> set[str]:
        return set(SCHEDULED) - set(self.apps)


@pytest.fixture(scope="module", params=COMBINATIONS, ids=lambda apps: " ".join(apps) or "alone")
def project(request, tmp_path_factory) -> Project:
    directory = tmp_path_factory.mktemp("left-out")
    (directory / "neural").symlink_to(ROOT / "neural")
    ours = ("CELERY_", "ZHILIAN_", "NEURAL_", "DJANGO_", "DATABASE_", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, left_out.__file__, str(directory), *request.param],
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(directory), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Project(request.param, json.loads(done.stdout.rpartition("ANSWER ")[2]))


def test_nothing_of_it_is_imported(project):
    assert project["loaded at start"] == []


def test_nothing_of_it_is_imported_by_commands_pages_and_runs_either(project):
    assert project["loaded at the end"] == []


def test_only_the_tables_of_what_is_installed_are_made(project):
    expected = TABLES_OF_THE_LEDGER.union(*(TABLES.get(app, ()) for app in project.apps))

    assert set(project["tables"]) == expected


def test_the_checks_are_clean_and_no_migration_is_missing(project):
    assert project["checks"] == []
    assert project["makemigrations"].strip() == "No changes detected"


def test_every_page_of_the_admin_answers_and_none_is_an_apps_that_is_left_out(project):
    pages = project["pages"]

    assert len(pages) > 10
    assert {address: status for address, status in pages.items() if status != 200} == {}
    assert not [
        address for address in pages for app in project.left_out if f"/neural_{app}/" in address
    ]


def test_an_event_of_the_projects_own_is_handled(project):
    assert project["event"]["verdict"] == "new"
    assert project["event"]["outcomes"] == ["succeeded"]
    assert project["event"]["results"] == ["table 4"]


def test_the_commands_answer(project):
    findings = json.JSONDecoder().raw_decode(project["doctor"])[0]["findings"]
    found = {each["probe"]: each["status"] for each in findings}
    wrong = {probe for probe, status in found.items() if status == "problem"}

    # Schedules are there for what is left out.
    assert found["kept settings"] == ("warning" if "schedules" in project.apps else "ok")
    assert wrong == {"workers", "messages"}  # no worker runs, and nobody reads what was published
    assert ("search" in found) == ("retrieval" in project.apps)
    assert "0 succeeded runs older than 30 days deleted" in project["prune"]
    assert ("forecasts older than" in project["prune"]) == ("forecasting" in project.apps)
    assert "0 dead runs are chosen" in project["retry_runs"]
    assert "is recorded as event" in project["submit_event"]


def test_what_is_asked_of_it_says_which_app_to_add(project):
    assert set(project["errors"]) == project.left_out
    for app, message in project["errors"].items():
        assert message.split(" ")[0].rpartition(".")[2] == ASKED_FOR[app]
        assert message.endswith(f"add 'neural.{app}' to INSTALLED_APPS")


def test_a_schedule_for_its_task_is_named_by_a_check(project):
    told = {message.split("'")[1]: message for message in project["schedules"]}
    left_out = project.left_out if "schedules" in project.apps else set()

    assert set(told) == {SCHEDULED[app] for app in left_out}
    for app in left_out:
        assert told[SCHEDULED[app]].endswith(f"add 'neural.{app}' to INSTALLED_APPS")


def test_every_system_check_is_registered_when_django_has_started():
    """In a process of its own: here, tests have imported the modules."""
    written = (ROOT / "neural").rglob("checks.py")
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in written}
    asked = f"import sys, django; django.setup(); print({names} - {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(names) > 6
    assert done.stdout.strip() == "set()"
