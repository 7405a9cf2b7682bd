"""Public names: a project needs no inner module, and nothing that is public goes undocumented."""

import ast
import re
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs" / "example").rglob("*.py")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "deploy" / "README.md",
]
LISTED = (
    *("neural", "neural.retrieval", "neural.forecasting", "neural.api", "neural.hooks"),
    "neural.monitoring",
)
"""Packages whose names docs/reference/api.md lists one by one."""
PUBLIC = {
    *LISTED,
    *("neural.admin", "neural.audit", "neural.models", "neural.restaurant.models"),
    *("neural.runs", "neural.tasks"),
}

IMPORTS = re.compile(
    r"\bfrom\s+(neural[\w.]*)\s+import\s+(\w.*|\([^)]*\))|\bimport\s+(neural[\w.]*)"
)
USED = re.compile(
    r"\b(neural(?:\.retrieval|\.forecasting|\.api|\.hooks|\.monitoring)?)\.([A-Za-z_]\w*)\("
)


def imports(text: str) -> list[tuple[str, list[str]]]:
    """Modules of Neural that a text imports, with the names that it takes from them."""
    return [
        (source or module, re.findall(r"\w+", re.sub(r"#.*", "", names)))
        for source, names, module in IMPORTS.findall(text)
    ]


def docstring(public: Any) -> str:
    """Of a class its own, not its base's."""
    return (vars(public)["__doc__"] if isclass(public) else public.__doc__) or ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_imports_an_inner_module(document):
    inner = {module for module, _ in imports(document.read_text()) if module not in PUBLIC}

    assert inner == set()


def test_what_documents_import_is_there():
    found = [pair for document in DOCUMENTS for pair in imports(document.read_text())]

    assert ("neural.tasks", ["process_neural_event"]) in found
    for module, names in found:
        assert [name for name in names if not hasattr(import_module(module), name)] == [], module


def test_what_documents_call_is_public():
    calls = {call for document in DOCUMENTS for call in USED.findall(document.read_text())}
    own = {(package, name) for package in LISTED for name in import_module(package).__all__}

    assert ("neural", "submit") in calls
    assert calls - own == set()


@pytest.mark.parametrize("package", LISTED)
def test_every_public_name_has_a_docstring_of_its_own(package):
    module = import_module(package)
    told = {name: docstring(getattr(module, name)) for name in module.__all__}

    # dataclasses and NamedTuple write "Name(field, …)" themselves
    assert [name for name, text in told.items() if not text or text.startswith(f"{name}(")] == []


@pytest.mark.parametrize("package", LISTED)
def test_a_type_checker_knows_the_same_names_from_the_same_modules(package):
    module = import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    (guarded,) = (each for each in tree.body if isinstance(each, ast.If))
    known = {
        name.name: each.module
        for each in guarded.body
        if isinstance(each, ast.ImportFrom)
        for name in each.names
    }

    assert known == module._HOMES
    assert sorted(module.__all__) == sorted(known)


@pytest.mark.parametrize("package", LISTED)
def test_a_name_that_is_none_is_refused_as_python_does(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        import_module(package).nothing  # noqa: B018
