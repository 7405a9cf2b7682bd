"""Builds, checks and tags the version that pyproject.toml states: `make release`.

It refuses a tree with changes, a version that is not new, one without a dated section of
CHANGELOG.md, and one whose databases are not in tests/unit/ledger/first (`make dumps`). The wheel
must hold what git knows of `neural` and nothing else, and the source distribution must build the
same wheel, byte for byte. Then the wheel is installed in an empty venv, alone and for each extra,
with each Python that this machine has, where a new project passes `manage.py check`, records an
event and handles it. The tag names the commit from which it was built.

var/release/<version> then has both files, a bill of materials (CycloneDX), the licences of
everything that is installed with all extras, and sums. `--dry-run` does everything but the tag;
`--only http --only search` tries these extras alone.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import bill
import matrix
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
DUMPS = Path("tests", "unit", "ledger", "first")
APPS = {
    "search": ["neural.retrieval"],
    "forecasting": ["neural.forecasting"],
    "http": ["neural.api"],
    "webhooks": ["neural.hooks"],
    "monitoring": ["neural.monitoring"],
    "apprise": ["neural.monitoring"],
}
"""What a project installs for an extra; the others bring no app."""
WITH = {"apprise": "apprise,monitoring"}
"""Extras that are for another one's app."""
SETTINGS = """
INSTALLED_APPS += ["neural", "chain", *{apps}]
CELERY_BROKER_URL = "redis://127.0.0.1:1/1"  # nobody answers there: what is recorded waits
DATABASES["default"]["OPTIONS"] = {{
    "transaction_mode": "IMMEDIATE", "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}}
"""
CELERY = """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chain.settings")

import neural

app = neural.LedgerCelery("chain")
"""
HANDLERS = """
import neural

neural.register_event_type(neural.EventType(name="chain.tried", schema=neural.Payload))


@neural.handles("chain.tried")
def tried(event, data):
    return "done"
"""
EVENT = (
    *("--type", "chain.tried", "--store", "S01", "--source", "till"),
    *("--event-id", "1", "--payload", "{}"),
)
DONE = "import neural; print([each.value for each in neural.run_due()])"


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What it prints; what went wrong ends the release."""
    said = subprocess.run(
        command, cwd=cwd, env=_outside() | environment, capture_output=True, text=True, check=False
    )
    if said.returncode:
        sys.exit(f"{' '.join(command)} ended with {said.returncode}:\n{said.stdout}{said.stderr}")
    return said.stdout


def _outside() -> dict[str, str]:
    """The environment without what points to this checkout."""
    ours = ("DJANGO_", "ZHILIAN_", "NEURAL_", "CELERY_", "DATABASE_URL", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


# May it be released


def version_of(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def refusals(root: Path) -> Iterator[str]:
    version = version_of(root)
    if changed := run("git", "status", "--porcelain", cwd=root).splitlines():
        yield f"the tree has changes: {', '.join(line[3:] for line in changed[:5])}"
    tags = run("git", "tag", "--list", "v[0-9]*", cwd=root).split()
    if newer := [tag for tag in tags if Version(tag) >= Version(version)]:
        yield f"{version} is not new: there is {', '.join(newer)}"
    changes = (root / "CHANGELOG.md").read_text()
    sections = dict(re.findall(r"^## \[(.+?)\](.*?)(?=^## \[|\Z)", changes, re.M | re.S))
    if not re.match(r" - \d{4}-\d\d-\d\d\n\s*\S", sections.get(version, "")):
        yield f"CHANGELOG.md has no section '## [{version}] - <date>' that says something"
    if sections.get("Unreleased", "").strip():
        yield f"what CHANGELOG.md has as [Unreleased] belongs to {version}"
    yield from _dumps_that_are_behind(root, version)


def _dumps_that_are_behind(root: Path, version: str) -> Iterator[str]:
    written = {path.stem for path in (root / "neural").glob("**/migrations/0*.py")}
    for vendor in ("sqlite", "postgresql"):
        path = root / DUMPS / f"{version}.{vendor}.sql.gz"
        dump = gzip.decompress(path.read_bytes()).decode() if path.is_file() else ""
        if lacking := sorted(name for name in written if f"'{name}'" not in dump):
            yield f"{path.name} lacks {', '.join(lacking[:3])}: make dumps"


# What is built


def build(root: Path, into: Path, *targets: str) -> list[Path]:
    """The files of these targets, with the time of the commit."""
    epoch = run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip()
    wanted = [word for target in targets for word in ("-t", target)]
    hatchling = (sys.executable, "-m", "hatchling", "build", *wanted, "-d", str(into))
    run(*hatchling, cwd=root, SOURCE_DATE_EPOCH=epoch)
    return sorted(into.iterdir())


def complaints(wheel: Path, sdist: Path, tracked: set[str]) -> Iterator[str]:
    """What differs between these and what git knows."""
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
    if held != tracked:
        yield f"{wheel.name} differs from git in {', '.join(sorted(held ^ tracked)[:5])}"
    if of_tests := sorted(name for name in held if re.search(r"(^|/)tests?(/|_)", name)):
        yield f"{wheel.name} has tests: {', '.join(of_tests[:5])}"
    for name in sorted(held):
        if name.endswith(".po") and f"{name.removesuffix('po')}mo" not in held:
            yield f"{name} is not compiled"
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(sdist) as opened:
            opened.extractall(directory, filter="data")
        (unpacked,) = Path(directory).iterdir()
        (again,) = build(unpacked, Path(directory, "again"), "wheel")
        if again.read_bytes() != wheel.read_bytes():
            yield f"{sdist.name} builds another wheel than {wheel.name}"


# What is installed


def extras_of(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return ["", *project["optional-dependencies"]]


def try_out(program: str, wheel: Path, extra: str) -> int:
    """Install the wheel with this extra in an empty venv, and have a new project record an event
    and handle it; without an extra, with the core alone. Returns how many packages are there."""
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        home = Path(directory)
        run(program, "-m", "venv", "venv", cwd=home)
        python = str(home / "venv" / "bin" / "python")
        wanted = WITH.get(extra, extra)
        install(python, f"{wheel}[{wanted}]" if wanted else str(wheel), cwd=home)
        run(python, "-m", "django", "startproject", "chain", ".", cwd=home)
        with (home / "chain" / "settings.py").open("a") as settings:
            installed = ["django_celery_beat", "neural.restaurant", *APPS.get(extra, [])]
            settings.write(SETTINGS.format(apps=installed if extra else []))
        (home / "chain" / "neural_handlers.py").write_text(HANDLERS)
        (home / "chain" / "celery.py").write_text(CELERY)
        (home / "chain" / "__init__.py").write_text("from .celery import app as celery_app\n")
        manage = (python, "-W", "error::DeprecationWarning:neural", "manage.py")
        run(*manage, "check", "--fail-level", "WARNING", cwd=home)
        run(*manage, "migrate", "--verbosity", "0", cwd=home)
        said = run(*manage, "submit_event", *EVENT, cwd=home)
        if "is recorded as event" not in said:
            sys.exit(f"submit_event said: {said}")
        if "['done']" not in (said := run(*manage, "shell", "--command", DONE, cwd=home)):
            sys.exit(f"run_due did: {said}")
        return len(run(python, "-m", "pip", "list", "--format=freeze", cwd=home).split())


def install(python: str, what: str, *options: str, cwd: Path) -> None:
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    run(*pip, *options, what, cwd=cwd)


def write_bill(program: str, wheel: Path, extras: list[str], into: Path) -> None:
    """A bill of materials and the licences of all that all extras bring."""
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        report = Path(directory, "report.json")
        run(program, "-m", "venv", "venv", cwd=Path(directory))
        python = str(Path(directory, "venv", "bin", "python"))
        # Older ones do not report a licence that is stated as an expression.
        install(python, "pip>=25", cwd=into)
        options = ("--dry-run", "--report", str(report))
        install(python, f"{wheel}[{','.join(filter(None, extras))}]", *options, cwd=into)
        bill.write(report, into)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="everything but the tag")
    parser.add_argument("--only", action="append", help="an extra; '' is none")
    asked = parser.parse_args()
    version = version_of(ROOT)
    into = ROOT / "var" / "release" / version
    commit = run("git", "rev-parse", "HEAD", cwd=ROOT).strip()  # the tree is checked below
    shutil.rmtree(into, ignore_errors=True)
    wheel, sdist = build(ROOT, into, "wheel", "sdist")
    tracked = set(run("git", "ls-files", "neural", cwd=ROOT).splitlines())
    against = [*refusals(ROOT), *complaints(wheel, sdist, tracked)]
    for each in against:
        print(f"refused: {each}")
    if against and not asked.dry_run:
        return 1
    programs = {name: found for name in matrix.PYTHONS if (found := matrix.interpreter(name))}
    for python, program in programs.items():
        for extra in extras_of(ROOT) if asked.only is None else asked.only:
            packages = try_out(program, wheel, extra)
            print(f"Python {python}, {extra or 'no extra'}: {packages} packages", flush=True)
    write_bill(next(iter(programs.values())), wheel, extras_of(ROOT), into)
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in into.iterdir()]
    (into / "SHA256SUMS").write_text("".join(f"{line}\n" for line in sorted(lines)))
    if against or asked.dry_run:
        print(f"not tagged; {into.relative_to(ROOT)} has what would be released")
        return 1 if against else 0
    # The trial takes minutes, in which HEAD may have moved.
    run("git", "tag", "-a", f"v{version}", "-m", f"Zhilian Neural {version}", commit, cwd=ROOT)
    print(f"tagged v{version}; {into.relative_to(ROOT)} has what is released")
    return 0


if __name__ == "__main__":
    sys.exit(main())
