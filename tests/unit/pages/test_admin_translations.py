"""Every text of an app is in its own Chinese catalogue, translated and compiled."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.utils.translation.template import templatize

import neural
import zhilian

ROOTS = [Path(module.__file__).parent for module in (neural, zhilian)]
CATALOGUES = sorted(path for root in ROOTS for path in root.glob("**/locale/zh_Hans/**/django.po"))
APPS = [path.parents[3] for path in CATALOGUES]
"""The apps that have one; a file belongs to the nearest above it, as `gettext` will look for it."""
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
CALLS_WITH_CONTEXT = {"pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"}
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
TEMPLATE_TEXT = re.compile(rf"(_|n?p?gettext)\(({LITERAL})(?:, ({LITERAL}))?[,)]")
PLACEHOLDER = re.compile(r"%\(\w+\)[.\d]*\w|%%")
Text = tuple[str | None, str]
"""Its context, where it has one, and what it says."""
HOW = "run `make messages` and translate what is new"


def name_of(app: Path) -> str:
    return str(app.relative_to(ROOTS[0].parent))


@pytest.fixture(scope="module", params=APPS, ids=name_of)
def app(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def catalogue(app: Path) -> polib.POFile:
    return polib.pofile(str(source_of(app)))


def source_of(app: Path) -> Path:
    return CATALOGUES[APPS.index(app)]


def owner_of(path: Path) -> Path:
    return next(folder for folder in path.parents if folder in APPS)


def files_of(app: Path, kind: str) -> Iterator[Path]:
    return (path for path in app.rglob(kind) if owner_of(path) == app)


def texts_of_code(path: Path) -> Iterator[Text]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in CALLS:
                yield None, written_out(node.args[0], path)
            elif node.func.id in CALLS_WITH_CONTEXT:
                yield written_out(node.args[0], path), written_out(node.args[1], path)


def written_out(node: ast.expr, path: Path) -> str:
    assert isinstance(node, ast.Constant), f"{path}: a text must be written out"
    return str(node.value)


def texts_of_template(path: Path) -> Iterator[Text]:
    for call, first, second in TEMPLATE_TEXT.findall(templatize(path.read_text())):
        context, text = (first, second) if "pgettext" in call else ("None", first)
        yield ast.literal_eval(context.removeprefix("u")), ast.literal_eval(text.removeprefix("u"))


def texts_of(app: Path) -> set[Text]:
    code = (text for path in files_of(app, "*.py") for text in texts_of_code(path))
    pages = (text for path in files_of(app, "*.html") for text in texts_of_template(path))
    return {*code, *pages}


def known_to(catalogue: polib.POFile) -> set[Text]:
    return {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}


def translation_of(entry: polib.POEntry) -> tuple[str, ...]:
    return (entry.msgstr,) if entry.msgstr else tuple(entry.msgstr_plural.values())


def test_each_app_that_can_be_left_out_has_a_catalogue_of_its_own() -> None:
    assert {name_of(app) for app in APPS} == {
        "neural", "neural/api", "neural/forecasting", "neural/hooks", "neural/monitoring",
        "neural/restaurant", "neural/retrieval", "zhilian",
    }  # fmt: skip


@pytest.mark.slow
def test_every_text_of_the_code_and_the_templates_is_in_the_catalogue(
    app: Path, catalogue: polib.POFile
) -> None:
    assert texts_of(app)
    assert texts_of(app) - known_to(catalogue) == set(), HOW


@pytest.mark.slow
def test_the_catalogue_has_no_text_that_is_gone(app: Path, catalogue: polib.POFile) -> None:
    assert known_to(catalogue) - texts_of(app) == set(), HOW
    assert not catalogue.obsolete_entries()


def test_every_text_is_translated_and_none_is_fuzzy(catalogue: polib.POFile) -> None:
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []


def test_a_translation_keeps_the_placeholders(catalogue: polib.POFile) -> None:
    for entry in catalogue:
        for translation in translation_of(entry):
            original = entry.msgid_plural or entry.msgid
            assert sorted(PLACEHOLDER.findall(translation)) == sorted(
                PLACEHOLDER.findall(original)
            ), entry.msgid


def test_a_text_of_several_apps_reads_the_same_in_each() -> None:
    """Django merges the catalogues: one of them would win, by the order of INSTALLED_APPS."""
    said = defaultdict(set)
    for path in CATALOGUES:
        for entry in polib.pofile(str(path)):
            said[entry.msgctxt, entry.msgid].add(translation_of(entry))

    assert {text: ways for text, ways in said.items() if len(ways) > 1} == {}


def test_the_compiled_catalogue_says_what_its_source_says(
    app: Path, catalogue: polib.POFile
) -> None:
    compiled = polib.mofile(str(source_of(app).with_suffix(".mo")))

    def content(of: polib.POFile | polib.MOFile) -> dict[str, object]:
        return {
            f"{each.msgctxt or ''}|{each.msgid}": each.msgstr or each.msgstr_plural for each in of
        }

    assert content(compiled) == content(catalogue), HOW
