"""Every text of the app is in the Chinese catalogue, translated and compiled."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.utils.translation.template import templatize

import neural

APP = Path(neural.__file__).parent
CATALOGUE = APP / "locale" / "zh_Hans" / "LC_MESSAGES"
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
TEMPLATE_TEXT = re.compile(r"""(?:_|gettext)\((u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))\)""")
PLACEHOLDER = re.compile(r"%\(\w+\)[.\d]*\w|%%")
HOW = "run `make messages` and translate what is new"


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE / "django.po"))


def texts_of_code(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            first = node.args[0]
            assert isinstance(first, ast.Constant), f"{path}: a text must be written out"
            yield str(first.value)


def texts_of_template(path: Path) -> Iterator[str]:
    for literal in TEMPLATE_TEXT.findall(templatize(path.read_text())):
        yield ast.literal_eval(literal.removeprefix("u"))


def texts() -> set[str]:
    code = (text for path in APP.rglob("*.py") for text in texts_of_code(path))
    pages = (text for path in APP.rglob("*.html") for text in texts_of_template(path))
    return {*code, *pages}


def test_every_text_of_the_code_and_the_templates_is_in_the_catalogue(
    catalogue: polib.POFile,
) -> None:
    known = {entry.msgid for entry in catalogue if not entry.obsolete}

    assert len(texts()) > 100
    assert texts() - known == set(), HOW


def test_the_catalogue_has_no_text_that_is_gone(catalogue: polib.POFile) -> None:
    plural = {entry.msgid for entry in catalogue if entry.msgid_plural}

    assert {entry.msgid for entry in catalogue} - texts() - plural == set(), HOW
    assert not catalogue.obsolete_entries()


def test_every_text_is_translated_and_none_is_fuzzy(catalogue: polib.POFile) -> None:
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []


def test_a_translation_keeps_the_placeholders(catalogue: polib.POFile) -> None:
    for entry in catalogue:
        translations = [entry.msgstr] if entry.msgstr else list(entry.msgstr_plural.values())
        for translation in translations:
            assert sorted(PLACEHOLDER.findall(translation)) == sorted(
                PLACEHOLDER.findall(entry.msgid)
            ), entry.msgid


def test_the_compiled_catalogue_says_what_its_source_says(catalogue: polib.POFile) -> None:
    compiled = polib.mofile(str(CATALOGUE / "django.mo"))

    def content(of: polib.POFile | polib.MOFile) -> dict[str, object]:
        return {
            f"{each.msgctxt or ''}|{each.msgid}": each.msgstr or each.msgstr_plural for each in of
        }

    assert content(compiled) == content(catalogue), HOW
