"""`make release` refuses what is not ready, and says what it releases."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neural.broker.patches import LOOKED_AT

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def release():
    scripts = str(ROOT / "scripts")
    sys.path.insert(0, scripts)
    try:
        import release
    finally:
        sys.path.remove(scripts)
    return release


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=anna", "-c", "user.email=anna@example.com")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def ready(tmp_path, release) -> Path:
    """A repository of which 1.2.0 may be released."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.0] - 2026-12-01\n\n- Tea.\n")
    migrations = tmp_path / "neural" / "migrations"
    dumps = tmp_path / release.DUMPS
    for directory in (migrations, dumps):
        directory.mkdir(parents=True)
    (migrations / "0001_first.py").touch()
    for vendor in ("sqlite", "postgresql"):
        (dumps / f"1.2.0.{vendor}.sql.gz").write_bytes(gzip.compress(b"VALUES (1, '0001_first')"))
    git(tmp_path, "init")
    commit(tmp_path)
    return tmp_path


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--message", "Ready")


def test_what_is_ready_is_not_refused(release, ready):
    assert list(release.refusals(ready)) == []


def test_a_tree_with_changes_is_refused(release, ready):
    (ready / "neural" / "new.py").touch()

    (said,) = release.refusals(ready)

    assert said == "the tree has changes: neural/new.py"


@pytest.mark.parametrize("tag", ["v1.2.0", "v1.10.0"])
def test_a_version_that_is_not_new_is_refused(release, ready, tag):
    git(ready, "tag", tag)
    git(ready, "tag", "v1.1.9")

    (said,) = release.refusals(ready)

    assert said == f"1.2.0 is not new: there is {tag}"


@pytest.mark.parametrize(
    "section", ["", "## [1.2.0]\n\n- Tea.\n", "## [1.2.0] - 2026-12-01\n\n## [1.1.0]\n\n- Rice.\n"]
)
def test_a_version_without_a_dated_section_that_says_something_is_refused(release, ready, section):
    (ready / "CHANGELOG.md").write_text(f"# Changelog\n\n{section}")
    commit(ready)

    (said,) = release.refusals(ready)

    assert "has no section '## [1.2.0] - <date>'" in said


def test_changes_of_no_version_are_refused(release, ready):
    changes = (ready / "CHANGELOG.md").read_text()
    (ready / "CHANGELOG.md").write_text(
        changes.replace("## [1", "## [Unreleased]\n\n- Milk.\n\n## [1")
    )
    commit(ready)

    (said,) = release.refusals(ready)

    assert said == "what CHANGELOG.md has as [Unreleased] belongs to 1.2.0"


def test_a_version_whose_databases_were_dumped_before_its_last_migration_is_refused(release, ready):
    (ready / "neural" / "migrations" / "0002_milk.py").touch()
    commit(ready)

    assert list(release.refusals(ready)) == [
        "1.2.0.sqlite.sql.gz lacks 0002_milk: make dumps",
        "1.2.0.postgresql.sql.gz lacks 0002_milk: make dumps",
    ]


# What is built


@pytest.fixture(scope="module")
def built(release, tmp_path_factory):
    return release.build(ROOT, tmp_path_factory.mktemp("built"), "wheel", "sdist")


def tracked() -> set[str]:
    said = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "neural"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return set(said.stdout.splitlines())


def test_what_is_built_here_is_whole_and_the_source_builds_the_same_wheel(release, built):
    assert list(release.complaints(*built, tracked())) == []


def test_what_differs_from_git_is_told(release, built):
    wheel, sdist = built
    known = tracked() - {"neural/py.typed"} | {"neural/forgotten.html"}

    (said,) = release.complaints(wheel, sdist, known)

    assert said.endswith("differs from git in neural/forgotten.html, neural/py.typed")


def test_the_same_commit_gives_the_same_files(release, built, tmp_path):
    again = release.build(ROOT, tmp_path, "wheel", "sdist")

    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


def test_every_extra_is_tried(release):
    extras = release.extras_of(ROOT)

    assert extras[0] == ""
    assert {*release.APPS, *release.WITH} <= set(extras)


# What it brings


def item(name: str, *, requested: bool = False, **metadata) -> dict:
    return {
        "metadata": {"name": name, "version": "1.0", **metadata},
        "requested": requested,
        "download_info": {"url": "file", "archive_info": {"hashes": {"sha256": "ab"}}},
    }


def test_the_bill_names_each_package_with_its_licence_sum_and_needs(release, tmp_path):
    items = [
        item("Zhilian.Neural", requested=True, requires_dist=["tea>=1", "milk; extra == 'x'"]),
        item("tea", license_expression="MIT"),
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"install": items}))

    release.bill.write(report, tmp_path)

    bill = json.loads((tmp_path / "sbom.cdx.json").read_text())
    (tea,) = bill["components"]
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/zhilian-neural@1.0"
    assert (tea["purl"], tea["hashes"][0]["content"]) == ("pkg:pypi/tea@1.0", "ab")
    assert {each["ref"]: each["dependsOn"] for each in bill["dependencies"]} == {
        "pkg:pypi/zhilian-neural@1.0": ["pkg:pypi/tea@1.0"],
        "pkg:pypi/tea@1.0": [],
    }
    assert "| tea | 1.0 | MIT |" in (tmp_path / "LICENCES.md").read_text()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"license_expression": "BSD-3-Clause"}, "BSD-3-Clause"),
        ({"license": "MIT"}, "MIT"),
        (
            {"license": "A" * 400, "classifier": ["License :: OSI Approved :: MIT License"]},
            "MIT License",
        ),
        ({}, "not stated"),
    ],
)
def test_a_licence_is_what_the_package_states(release, metadata, said):
    assert release.bill.licence(item("tea", **metadata)) == said


# What the page of versions says


def test_every_error_of_celery_and_kombu_that_is_passed_by_is_in_the_page_of_versions():
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    modules = [
        *(ROOT / "neural" / "broker").glob("*.py"),
        *(ROOT / "neural" / "worker").glob("*.py"),
    ]
    named = set(re.findall(r"#(\d{3,5})\b", "\n".join(module.read_text() for module in modules)))

    assert len(named) > 5
    assert {number for number in named if f"#{number}]" not in page} == set()


def test_every_module_that_replaces_something_is_in_the_page_of_versions():
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    rows = re.findall(r"^\| (?:kombu|Celery|billiard): .*$", page, re.M)
    files = {name for row in rows for name in re.findall(r"`(neural/\S+)`", row)}
    replacing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "neural").rglob("*.py")
        if re.search(
            r"^ *replace\([A-Za-z]+, \"|^class \w+\((?:redis|consumer|heartbeat)\.",
            path.read_text(),
            re.M,
        )
    }

    assert replacing <= files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_the_versions_with_which_the_patches_were_tried_are_those_of_the_page():
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()

    assert f"Celery {LOOKED_AT['celery']}, kombu {LOOKED_AT['kombu']}" in " ".join(page.split())
