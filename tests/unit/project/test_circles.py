"""No file of a room imports itself through others of the room, not even within a function: who
reads one of two files that import each other must read both."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from django.conf import settings

ROOTS = ("neural", "zhilian")
ALLOWED = {
    # Amounts are arithmetic, which the models of their folder need as well.
    ("neural.restaurant.bill", "neural.restaurant.models.amounts"),
    # Which events are about an order is asked while a person searches, long after both are loaded.
    ("neural.restaurant.run_pages", "neural.restaurant.admin.order_events"),
}
"""Files, each with one whose folder imports it as soon as it is loaded."""
TABLES = "neural.models"
"""It only names the tables of all rooms: Django loads it before anything else of them."""


def files() -> dict[str, Path]:
    """The files of the product by the names of their modules."""
    base = Path(settings.BASE_DIR)
    found = {}
    for path in (path for root in ROOTS for path in (base / root).rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, modules: dict[str, Path], *, indented: bool = True) -> Iterator[str]:
    """The modules that a file imports, all by their whole names."""
    for node in ast.walk(tree) if indented else ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "ruff forbids relative imports"
            for each in node.names:
                name = f"{node.module}.{each.name}"
                yield name if name in modules else str(node.module)


def folders(module: str) -> Iterator[str]:
    """The folders in which a module lies, outermost first."""
    parts = module.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))


def test_no_files_of_a_room_import_each_other_in_a_circle() -> None:
    modules = files()
    trees = {name: ast.parse(path.read_text()) for name, path in modules.items()}
    at_once = {name: list(imported(tree, modules, indented=False)) for name, tree in trees.items()}
    graphs: dict[str, dict[str, set[str]]] = {}
    for name, tree in trees.items():
        room = ".".join(name.split(".")[:2])
        found = set()
        for each in set(imported(tree, modules)) - {name}:
            found.add(each)
            # Loading a file loads its folders' ``__init__`` before, and what these import at once.
            if (name, each) not in ALLOWED:
                others = set(folders(each)) - {*folders(name), name, TABLES}
                found |= {one for folder in others for one in at_once.get(folder, ())}
        inside = {each for each in found if f"{each}.".startswith(f"{room}.")}
        graphs.setdefault(room, {})[name] = inside & modules.keys()
    circles = []
    for graph in graphs.values():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circles.append(" -> ".join(error.args[1][::-1]))
    assert circles == []
