"""No function stands in the code because a test calls it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CODE = ("neural", "zhilian", "benchmarks", "scripts")
LONGEST_TEXT = 300
"""Names are looked for in strings too (dotted paths, names of fields), not in long docstrings."""


def parsed(folders: tuple[str, ...]) -> dict[Path, ast.Module]:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {path: ast.parse(path.read_text()) for path in paths if "migrations" not in path.parts}


def mentions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+", node.value) if len(node.value) < LONGEST_TEXT else ()


def unused(trees: dict[Path, ast.Module], outside: Counter[str]) -> list[str]:
    """Plain functions of modules that nothing mentions but themselves. What a decorator
    registers, and what a class inherits, is called by name elsewhere."""
    mentioned = outside.copy()
    for tree in trees.values():
        mentioned.update(mentions(tree))
    return [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("__")
        and not any(ast.unparse(each).endswith(")") or "." in ast.unparse(each)
                    for each in node.decorator_list)
        and mentioned[node.name] <= Counter(mentions(node))[node.name]
    ]  # fmt: skip


def test_every_function_is_called_by_more_than_tests():
    texts = [path for folder in CODE for path in (ROOT / folder).rglob("*.html")]
    texts += [path for folder in CODE for path in (ROOT / folder).rglob("migrations/*.py")]
    outside = Counter(re.findall(r"\w+", "".join(path.read_text() for path in texts)))
    trees = parsed(CODE)

    found = unused(trees, outside)

    assert len(trees) > 300
    assert [name for name in found if name.startswith(("neural/", "zhilian/"))] == []


def test_a_function_that_only_calls_itself_is_found():
    path = ROOT / "neural" / "example.py"
    text = "def used(): pass\ndef lonely(): lonely()\ndef caller(): used()\nregister('caller')"

    assert unused({path: ast.parse(text)}, Counter()) == ["neural/example.py:2 lonely"]
