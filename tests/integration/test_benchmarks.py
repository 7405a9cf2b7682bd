"""Every benchmark still fits the code that it measures: they are run with a handful of events, on
SQLite where they can be, started as their users start them: in a process of their own, in which no
variable says what the settings are. All modules are imported, also those of other packages."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from benchmarks import gate, isolated
from benchmarks.peers import installing
from tests.conftest import database_url

pytestmark = [pytest.mark.integration, pytest.mark.takes(seconds=10)]
ROOT = Path(__file__).resolve().parents[2]
PEERS = ("celery", "django_ox", "django_q", "django_tasks", "pgqueuer", "procrastinate")
APART = {f"benchmarks.peers.{name}_peer" for name in PEERS} | {"benchmarks.peers.models"}
"""What has other settings and packages."""
MIGRATING = """
from benchmarks.isolated import set_up
set_up(migrates=True)
"""
IMPORTING = """
import importlib, json, sys
from benchmarks.isolated import set_up
set_up(migrates=False)
missing = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] in ("benchmarks", "neural", "zhilian"):
            raise
        missing[name] = error.name
print(json.dumps(missing))
"""
HERE = ["--database", "sqlite"]
SMALL = {
    "costs": ["--runs", "20", *HERE],
    "embedding": ["--quick"],
    "event_cost": ["--events", "10", "--repeats", "1", *HERE],
    "figures_cost": ["--events", "200", "--batch", "10", *HERE],
    "forecasts --data": ["bakery", "--windows", "1", "--only", "seasonal naive"],
    "forecasts": ["--data", "{sales}", "--windows", "1", "--only", "seasonal naive"],
    "forecasts --horizon": [
        *("14d", "--data", "{sales}", "--windows", "1", "--only", "as served", "weekday mean")
    ],
    "first_days": ["--stores", "9", "--trees", "0"],
    "first_days --data": ["bakery", "--trees", "0", "--history", "60"],
    "hostile_stores": ["--data", "{sales}"],
    "http_api": ["--events", "20", "--batch", "50", "--repeats", "1", "--large", "1", *HERE],
    "indexing": ["--orders", "10", "--descriptions", "4", "--repeats", "1", *HERE],
    "log_lines": [],
    "memory": ["--events", "3"],
    "start": ["--repeats", "1"],
    "nightly_round": ["--stores", "3", "--days", "60", "--trees", "0", *HERE],
    "rates": ["--events", "40", "--repeats", "1", *HERE],
    "rates --drain-only": ["--events", "40", "--repeats", "1", *HERE],
    "search_cost": ["--rows", "30", "60", "--repeats", "1", *HERE],
    "search_cost --typing": ["--rows", "40", "--repeats", "1", "--keep", "{kept}", *HERE],
    "search_quality": ["--records", "{records}", "--queries", "{queries}"],
    "search_questions": ["--filling", "10", *HERE],
    "attempt_rows": ["--runs", "20", *HERE],
    "cancelling": ["--runs", "20", "--repeats", "1", *HERE],
    "urgent_wait": [
        *("--low", "200", "--urgent", "2", "--history", "20", "--settled", "0"),
        *HERE,
    ],
    "waiting": ["--calls", "4", "--milliseconds", "10", "--repeats", "1", *HERE],
    "walks": HERE,
}
"""By command: the arguments with which it is done soonest; `{sales}` and others are small files."""
SMALL_ON_POSTGRESQL = {
    "console_scale": [
        *("--name", "neural_console_few", "--runs", "3000", "--days", "1", "--rate", "20"),
        *("--viewers", "5", "--seconds", "1", "--pause", "0.01", "--visits", "1"),
    ],
    "chords": [
        *("--chords", "5", "--members", "3", "--header", "20", "--repeats", "1"),
        *("--only", "neural"),
    ],
    "delays": ["--calls", "20", "--repeats", "1", "--only", "neural"],
    "gate": [
        *("--base", "HEAD", "--events", "30", "--repeats", "1", "--rounds", "2", "--busy"),
        *("--floor", "0"),
    ],
    "growth": ["--rows", "5000", "--repeats", "1"],
    "peers": ["--events", "50", "--repeats", "1", "--only", "neural"],
}
MAY_FLAG = {"gate", "growth"}
"""They end with 1 where two rounds differ, as they may on a busy machine; and where PostgreSQL does
without an index, as it may with a small table."""
RECORDS = """\
{"id": "1", "title": "Egg tart", "category": "cakes"}
{"id": "2", "title": "麻婆豆腐", "category": "noodles and tofu"}
"""
QUERIES = '{"query": "egg tart", "relevant": ["1"]}\n'


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Sales of a hundred and fifty days with a week's rhythm; two dishes and a question."""
    texts = {"sales.csv": sales(), "records": RECORDS, "queries": QUERIES}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {Path(name).stem: tmp_path / name for name in (*texts, "kept")}


def sales() -> str:
    first = dt.date(2025, 1, 6)
    rows = [
        f"S{store:02},bun,{first + dt.timedelta(days=day)},{10 + store + 3 * (day % 7)}"
        for store in range(8)
        for day in range(150)
    ]
    return "\n".join(["store,dish,day,quantity", *rows])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    """The tables in SQLite, made once for all."""
    folder = tmp_path_factory.mktemp("migrated")
    done = run(["-c", MIGRATING], ZHILIAN_VAR=str(folder), DATABASE_URL="")
    assert done.returncode == 0, done.stderr
    return folder


def run(arguments, *, quick="", **options):
    environment = {
        **os.environ,
        "BENCHMARK_QUICK": str(quick),
        "NEURAL_INDEX_PATIENCE_SECONDS": "0",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment |= {name: options.pop(name) for name in list(options) if name.isupper()}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        **options,
    )


def modules():
    folder = ROOT / "benchmarks"
    paths = (path.relative_to(ROOT).with_suffix("") for path in folder.rglob("*.py"))
    return sorted(
        name
        for path in paths
        if (name := ".".join(path.parts)) not in APART
        and not path.name.startswith("__")
        and not path.name.endswith("settings")
        and not any(part.startswith(".venv") for part in path.parts)
    )


@pytest.mark.once
def test_all_modules_can_be_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHILIAN_VAR", str(tmp_path))

    done = run(["-c", IMPORTING], input=json.dumps(modules()))

    assert done.returncode == 0, done.stderr
    for name, package in json.loads(done.stdout).items():
        print(f"{name} not imported: {package} is not installed")


@pytest.mark.once
@pytest.mark.parametrize("command", SMALL)
def test_each_comes_to_its_end(command, files, migrated):
    expect_figures(command, [option.format(**files) for option in SMALL[command]], quick=migrated)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="they measure PostgreSQL")
@pytest.mark.parametrize("command", SMALL_ON_POSTGRESQL)
def test_each_of_postgresql_comes_to_its_end(transactional_db, command):
    server = database_url()
    expect_figures(command, [*SMALL_ON_POSTGRESQL[command], "--postgresql", server])


def expect_figures(command: str, options: list[str], *, quick: Path | str = "") -> None:
    """Figures, unless a package or data that only the benchmark needs are not here."""
    name, *more = command.split()

    done = run(["-m", f"benchmarks.{name}", *more, *options], quick=quick)

    absent = re.search(r"No module named '(\w+)|skipped: .*|set ZHILIAN_TEST_DATA.*", done.stderr)
    if absent and absent[1] not in ("benchmarks", "neural", "zhilian", "tests"):
        pytest.skip(absent[0])
    assert done.returncode == 0 or command in MAY_FLAG, done.stderr
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert figures, done.stderr
    if name == "console_scale":
        assert figures["not_walked"] == {}
    if command == "forecasts --horizon":
        served, rule = (figures["14d"][name] for name in ("as served", "weekday mean"))
        assert served["wape"] <= rule["wape"]
        assert [served[f"to_day_{last}"]["coverage"] is None for last in (1, 7, 14)] == 3 * [False]
    if command == "first_days":
        for each in figures["wape_by_open_days"].values():
            assert each["served"] < min(each["own_mean"], each["weekday_mean"])
    if name == "search_quality":
        assert {method["recall"] for method in figures["sets"]["queries"].values()} == {1.0}
    if name == "search_questions":
        asked = figures["sqlite"]["sets"]["questions"]
        assert asked["mislabelled"] == []
        assert asked["all"]["at_first"] >= 0.9
        assert asked["rightly_nothing"]["at_first"] >= 0.95


@pytest.mark.quick
@pytest.mark.once
def test_peers_that_need_a_newer_python_are_left_out_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(installing, "FOLDER", tmp_path)
    monkeypatch.setattr(installing, "NEWER", (99, 0))
    monkeypatch.setattr(installing, "_python_312", lambda: None)

    assert not installing.install(newer=True)


@pytest.mark.quick
@pytest.mark.once
def test_the_gate_fails_where_the_median_of_the_pairs_is_below_the_floor():
    pairs = [{"delay": [100, 80], "drain": [100, new]} for new in (50, 99, 120)]

    assert gate.below(gate.summary(pairs), 0.9) == ["delay"]


@pytest.mark.quick
@pytest.mark.once
def test_the_gate_fails_for_a_tenth_more_processor_time_or_a_statement_in_fifty():
    costs = {
        "delay_processor_us_of_the_client": [1000, 1100],
        "drain_processor_us_of_the_client": [1000, 1030],
        "submit_statements": [1, 1.02],
        "delay_statements": [1.002, 1.0],
    }

    worse = gate.below(gate.summary([costs]), 0.85)

    assert worse == ["delay_processor_us_of_the_client", "submit_statements"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a server's databases")
def test_no_benchmark_drops_a_database_to_which_another_one_is_connected(transactional_db):
    first, second = (isolated.Server(database_url()) for _ in range(2))
    name = f"neural_test_of_benchmarks_{os.getpid()}"
    try:
        with psycopg.connect(first.create(name)):
            with pytest.raises(psycopg.errors.ObjectInUse):
                second.create(name)
            second.drop_all()
            assert first.show("server_version")
        assert second.create(name)
    finally:
        first.drop_all()


@pytest.mark.once
def test_growth_refuses_a_ledger_too_small_for_its_backlog():
    refused = run(["-m", "benchmarks.growth", "--rows", "100,2000"])

    assert refused.returncode == 2
    assert "the largest size is at least 5,000" in refused.stderr


@pytest.mark.quick
@pytest.mark.once
def test_no_benchmark_is_forgotten():
    folder = ROOT / "benchmarks"
    scripts = {
        path.stem
        for path in folder.glob("*.py")
        if '\nif __name__ == "__main__":' in path.read_text()
    }
    packages = {path.parent.name for path in folder.glob("*/__main__.py")}

    tried = {command.split()[0] for command in (*SMALL, *SMALL_ON_POSTGRESQL)}
    assert tried == scripts | packages
