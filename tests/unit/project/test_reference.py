"""The lists in the documents are those of the code: `make reference` writes them."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[3]
reference = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "reference.py")))
PAGES = {str(page.relative_to(ROOT)): page for page in reference.pages()}
BLOCK = "<!-- generated: {} -->\n\n{}\n<!-- end -->\n"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_lists_what_the_code_has(name):
    text = PAGES[name].read_text()

    assert reference.written(PAGES[name]) == text, f"{name} is stale: run make reference"
    assert f"| {reference.UNSAID} |" not in text, f"{name}: write what its … stand for"


def test_every_list_is_in_both_languages():
    blocks = {name: reference.BLOCK.findall(page.read_text()) for name, page in PAGES.items()}
    listed = {name: [(what, part) for _, what, part, *_ in own] for name, own in blocks.items()}
    english = {name: own for name, own in listed.items() if "/zh/" not in name}

    assert english == {name.replace("/zh/", "/"): listed[name] for name in listed if "/zh/" in name}
    assert {what for own in english.values() for what, _ in own} == {
        *reference.TABLES,
        *reference.TEXTS,
    }


@pytest.mark.parametrize(("language", "sentence"), [("docs", "Whether it is hot."), ("zh", "热否")])
def test_the_code_wins_except_where_a_page_has_its_own_words(
    language, sentence, tmp_path, monkeypatch
):
    rows = {
        ("", "hot"): (7, reference.IN_PAGE, reference.English("Whether it is hot.")),
        ("", "new"): (True, reference.IN_PAGE, reference.English("Whether it is new.")),
    }
    monkeypatch.setitem(reference.TABLES, "settings", lambda: rows)
    page = tmp_path / language / "soup.md"
    page.parent.mkdir()
    old = "| `gone` | 1 | s | Gone. |\n| `hot` | 6 | °C | 热否 |\n"
    head = "| a | b | c | d |\n|---|---|---|---|\n"
    page.write_text(BLOCK.format("settings", head + old))

    *_, hot, new = reference.written(page).partition("\n\n<!--")[0].splitlines()

    assert hot == f"| `hot` | 7 | °C | {sentence} |"
    assert new.startswith("| `new` | True | … | ")


def test_a_part_that_no_table_is_for_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(reference.TABLES, "checks", lambda: {("soup", "hot"): ()})
    page = tmp_path / "page.md"
    page.write_text(BLOCK.format("checks", "| a |\n|---|\n"))

    with pytest.raises(SystemExit, match="soup"):
        reference.written(page)
