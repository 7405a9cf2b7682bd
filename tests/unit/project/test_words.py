"""Identifiers use the field's terms, not words of our own for telling and saying."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
WORDS = {"told", "said"}
"""Say instead what it is: a message, a text, facts, advice, what is notified."""
STORED = {"told_at"}
"""Columns of tables."""


def defined_in(module: Path) -> set[str]:
    """The names that a module defines or assigns, its own among them."""
    names = {module.stem}
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def words_of(name: str) -> set[str]:
    return set(re.findall("[a-z]+", re.sub("([A-Z])", r"_\1", name).lower()))


def test_no_name_of_the_code_uses_them():
    modules = [path for app in ("neural", "zhilian") for path in (ROOT / app).rglob("*.py")]

    found = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules
        for name in defined_in(module) - STORED
        if WORDS & words_of(name)
    }
    assert found == set()
