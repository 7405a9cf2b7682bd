"""Runs Celery's own integration tests, plain and on the ledger: `make celery-suite`.

Its suite is in the source distribution of the version that requirements.txt pins. A test that
passes plain and not on the ledger must stand in the table of docs/reference/celery.md, with the
reason; one that stands there and passes plain must still differ. `--backend django-db` keeps
results in the database, `-k` selects tests as pytest does, `--mended` runs alone, and on the ledger
alone, what once failed there.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var" / "celery-suite"
DOCS = ROOT / "docs" / "reference" / "celery.md"
VERSION = "5.7.0"
SHA256 = "6a5dfcf6662287204f009a02002b9e66c83d4105e47ebabdc7079108772fc6f0"
ROOMS = ("canvas", "tasks", "group_chains", "inspect", "security")
MENDED = (
    "nesting_increments or add_to_chord or chord_header_task_replaced or chord_body_task_replaced "
    "or second_order_replace or properties or wrong_arguments or limits_from_task_declaration "
    "or retried_once or retried_priority or groupresult_serialization or ignore_result "
    "or unpickleable_exception or chord_in_chords_with_chains "
    "or chain_chord_chain_chord or replaced_nested_chord"
)
TRIES = 3
"""Some of its tests are flaky, and say so."""


def suite() -> Path:
    """The directory of the suite's package, downloaded unless it is there."""
    if not (VAR / "t").is_dir():
        pinned = f"celery=={VERSION}"
        download = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps"]
        subprocess.run([*download, "-q", "-d", VAR, pinned], check=True)
        archive = VAR / f"celery-{VERSION}.tar.gz"
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            sys.exit(f"{archive} is not the source distribution of {pinned}")
        with tarfile.open(archive) as opened:
            opened.extractall(VAR, filter="data")
        shutil.move(VAR / f"celery-{VERSION}" / "t", VAR / "t")  # beside it, Celery's own code
    return VAR


def outcomes(backend: str, *chosen: str, on_ledger: bool) -> dict[str, str]:
    """The outcomes of the suite's tests by their names; those that failed were tried anew. Exits if
    pytest did not come to its end."""
    broker = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
    host, _, port = broker.partition("://")[2].partition("/")[0].partition(":")
    environment = os.environ | {
        "CELERY_SUITE": str(VAR),
        "DJANGO_SETTINGS_MODULE": "tests.celery_suite.settings",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{VAR}",
        "REDIS_HOST": host,
        "REDIS_PORT": port or "6379",
        "TEST_BACKEND": broker if backend == "redis" else backend,
        "TEST_BROKER": broker,
    }
    environment |= {"ON_LEDGER": "1"} if on_ledger else {}
    names = [*(f"t/integration/test_{room}.py" for room in ROOMS), *chosen]
    ended = VAR / "outcomes.json"
    found: dict[str, str] = {}
    for left in VAR.glob("*.sqlite3*"):
        left.unlink()
    for _ in range(TRIES):
        options = ["-p", "tests.celery_suite.plugin", "-p", "no:django", "-p", "no:cacheprovider"]
        options += ["-o", "python_classes=test_*", "-c", os.devnull, "--rootdir", ".", "-q"]
        run = [sys.executable, "-m", "pytest", *options, "-W", "ignore", "--tb=line", *names]
        ended.unlink(missing_ok=True)
        code = subprocess.run(run, cwd=VAR, env=environment, check=False).returncode
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not ended.exists():
            sys.exit(f"pytest ended with {code} before it had run all tests")
        found |= json.loads(ended.read_text())
        names = [name for name, outcome in found.items() if outcome == "failed"]
        if not names:
            break
    return found


def listed() -> set[str]:
    """The tests in the table of the docs."""
    return set(re.findall(r"^\| `(test_\w+\.py::\S+)` \|", DOCS.read_text(), re.M))


def row(name: str) -> str:
    """What the table calls a test: without its directory and its parameters."""
    return re.sub(r"\[.*|^.*integration/", "", name)


def faults(plain: Mapping[str, str], ours: Mapping[str, str], rows: Iterable[str]) -> Iterator[str]:
    """What is wrong with these outcomes, or with the rows of the table. A test that did not pass
    plain, as one that another result backend skips, says nothing of its row."""
    passed = {name for name, how in plain.items() if how == "passed"}
    failed = {row(name) for name in passed if ours.get(name) == "failed"}
    found = {
        "have no outcome on the ledger": passed - ours.keys(),
        f"are in no table of {DOCS.name}": failed - {*rows},
        f"pass on the ledger, but are in the table of {DOCS.name}": (
            {*rows} & {row(name) for name in passed if ours.get(name) == "passed"} - failed
        ),
    }
    for what, names in found.items():
        if names:
            yield f"{', '.join(sorted(names))} {what}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("redis", "django-db"), default="redis")
    parser.add_argument("--mended", action="store_true")
    parser.add_argument("-k", metavar="EXPRESSION")
    asked = parser.parse_args()
    suite()
    if asked.mended:
        ours = outcomes(asked.backend, "-k", asked.k or MENDED, on_ledger=True)
        sys.exit(", ".join(each for each, how in ours.items() if how == "failed") or 0)
    chosen = ("-k", asked.k) if asked.k else ()
    plain = outcomes(asked.backend, *chosen, on_ledger=False)
    ours = outcomes(asked.backend, *chosen, on_ledger=True)
    both = [name for name, how in plain.items() if how == ours.get(name) == "passed"]
    passed = list(plain.values()).count("passed")
    print(f"{passed} tests pass plain, {len(both)} of them on the ledger, too")
    sys.exit("; ".join(faults(plain, ours, listed())) or 0)


if __name__ == "__main__":
    main()
