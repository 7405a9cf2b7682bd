"""What a contributor is told is there: the files to touch, the decisions, the tools."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "docs" / "reference" / "versions.md",
]
ARCHITECTURE = [ROOT / tree / "explanation" / "architecture.md" for tree in ("docs", "docs/zh")]
PARTS = ["Context", "Choice", "Alternatives", "Figure", "Consequences"]
ADDED = (
    "An event type with a handler",
    "A search collection",
    "An embedder or a vector store",
    "A model type for forecasting",
    "An admin page, or a finding of `doctor`",
)


def paths_of(text: str) -> set[str]:
    """What stands as code in the first column of a table: files and folders."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.M)
    return {path for cell in cells for path in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("thing", ADDED)
def test_each_file_to_touch_for_what_people_add_exists(thing):
    section = re.search(rf"^### {re.escape(thing)}\n(.*?)(?=^#|\Z)", CONTRIBUTING, re.M | re.S)

    assert section, thing
    named = paths_of(section[1])
    assert len(named) >= 5
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", ARCHITECTURE, ids=lambda page: page.name)
def test_the_architecture_names_every_room_and_only_what_is_there(page):
    text = page.read_text()
    rooms = {f"neural/{init.parent.name}" for init in (ROOT / "neural").glob("*/__init__.py")}

    assert paths_of(text) == rooms - {"neural/migrations"}
    files = re.findall(r"`(neural/[^` ]+)`", text)
    assert {path for path in files if not (ROOT / path).exists()} == set()


def targets_of(page: Path) -> set[Path]:
    """What a page links to within the repository."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    return {(page.parent / link).resolve() for link in links}


@pytest.mark.parametrize("page", [*PAGES, *ARCHITECTURE, *DECISIONS], ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page):
    assert {target for target in targets_of(page) if not target.exists()} == set()


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_fits_a_page_and_has_context_choice_alternatives_figure_and_consequences(page):
    text = page.read_text()

    assert re.findall(r"^## (.*)$", text, re.M) == PARTS
    assert len(text.partition("\n\n")[2].splitlines()) <= 40  # below title and languages
    figure = text.partition("## Figure")[2].partition("## ")[0]
    assert re.search(r"\d", figure)
    alternatives = text.partition("## Alternatives")[2].partition("## ")[0]
    assert alternatives.count("\n- **") >= 2


def test_the_index_has_every_decision_under_its_title():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    titles = [page.read_text().partition("\n")[0].partition(". ")[2] for page in DECISIONS]

    rows = re.findall(r"^\| (\d+) \| \[(.+?)\]\((.+?)\) \|$", index, re.M)
    assert rows == [
        (str(number), title, page.name)
        for number, (title, page) in enumerate(zip(titles, DECISIONS, strict=True), 1)
    ]
    assert len(rows) >= 12


def test_a_commit_is_looked_at_by_the_tools_of_make_lint_and_without_a_network():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    lint = (ROOT / "Makefile").read_text().partition("lint: ")[2].partition("\n.PHONY")[0]

    tools = set(re.findall(r"\$\(BIN\)/([\w-]+)", lint))
    assert tools == set(re.findall(r"\.venv/bin/([\w-]+)", hooks))
    assert re.findall(r"repo: (.*)", hooks) == ["local"]


def test_an_editor_and_ruff_agree_on_the_length_of_a_line():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]

    told = re.search(r"^max_line_length = (\d+)$", (ROOT / ".editorconfig").read_text(), re.M)
    assert told
    assert int(told[1]) == ruff["line-length"]
