"""The map leads to every page, and both languages have the same pages of the same shape."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENGLISH, CHINESE = ROOT / "docs", ROOT / "docs" / "zh"
KINDS = ("tutorial", "how-to", "reference", "explanation")
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_TOLD = re.compile(r"""(\s*(#|--) .*)|("[^"]*")|('[^']*')""")
"""Comments and texts, which a page may translate."""


def pages(tree: Path) -> list[str]:
    return sorted(f"{kind}/{page.name}" for kind in KINDS for page in (tree / kind).glob("*.md"))


def shape(page: Path) -> tuple[list[str], list[int], int, list[list[str]]]:
    """Headings, tables by their cells, items of lists, and code."""
    text = page.read_text()
    prose = _FENCED.sub("", text)
    # An escaped bar stands in a cell.
    cells = [
        line.replace(r"\|", "").count("|") for line in prose.splitlines() if line.startswith("|")
    ]
    return (
        re.findall(r"^(#+) ", prose, re.M),
        cells,
        len(re.findall(r"^ *(?:-|\d+\.) ", prose, re.M)),
        [code(block) for block in _FENCED.findall(text)],
    )


def code(block: str) -> list[str]:
    """A block without what may be translated; of commands, without what they print."""
    first, *lines = block.splitlines()
    if first in ("```text", "```mermaid"):
        return [first]
    if first == "```console":
        return [first, *(" ".join(line.split()[:3]) for line in lines if line.startswith("$ "))]
    return [first, *(_TOLD.sub("", line) for line in lines)]


def every_page(tree: Path) -> list[str]:
    return pages(tree) + sorted(f"decisions/{page.name}" for page in (tree / "decisions").glob("*"))


@pytest.mark.parametrize("tree", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_map_leads_to_every_page_once_and_under_its_kind(tree):
    text = (tree / "README.md").read_text()
    _, *kinds = text.split("\n## ")
    listed = [re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", kind, re.M) for kind in kinds[:4]]

    assert [{page.split("/")[0] for page in own} for own in listed] == [{kind} for kind in KINDS]
    assert sorted(page for own in listed for page in own) == pages(tree)


def test_both_languages_have_the_same_pages():
    assert every_page(ENGLISH) == every_page(CHINESE)


@pytest.mark.parametrize("page", ["README.md", *every_page(ENGLISH)])
def test_a_page_has_the_same_headings_tables_lists_and_code_in_both_languages(page):
    assert shape(CHINESE / page) == shape(ENGLISH / page)


@pytest.mark.parametrize("name", ["README", "SECURITY", "CHANGELOG", "deploy/README"])
def test_what_lies_beside_the_documents_has_the_same_shape_in_both_languages(name):
    assert shape(ROOT / f"{name}.zh.md") == shape(ROOT / f"{name}.md")


@pytest.mark.parametrize("page", every_page(ENGLISH))
def test_the_first_line_of_a_page_leads_to_its_other_language(page):
    assert f"\n[English](../../{page})\n" in (CHINESE / page).read_text()
    assert f"\n[中文](../zh/{page})\n" in (ENGLISH / page).read_text()


@pytest.mark.slow
@pytest.mark.once
def test_the_site_is_built_and_every_link_in_it_leads_somewhere(tmp_path):
    command = [sys.executable, "scripts/docs_site.py", tmp_path]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr
    site = tmp_path / "site"
    for page in ("index", "how-to/redis", "decisions/0001-database-is-the-truth"):
        english, chinese = (site / tree / f"{page}.html" for tree in ("", "zh"))
        assert '<html lang="zh"' in chinese.read_text()
        assert os.path.relpath(english, chinese.parent) in chinese.read_text()
        assert os.path.relpath(chinese, english.parent) in english.read_text()
    assert "死信" in (site / "zh" / "search.json").read_text()
