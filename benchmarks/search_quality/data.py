"""Records and labelled questions: shared data beside the checkout, and queries of our own.

``../shared/data`` (or the directory that ZHILIAN_TEST_DATA names) holds dishes_zh.jsonl
(HowToCook, public domain), restaurants_zh.jsonl and restaurant_queries_zh.jsonl (CrossWOZ,
Apache-2.0). The labelled queries over the dishes, in ``queries/``, are ours.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

QUERIES = Path(__file__).parent / "queries"
_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data"
_BRACKETS = re.compile(r"[（(].*?[)）]")


class DataAbsent(Exception):
    """The data are not on this machine; the message says where they are looked for."""


class Asked(NamedTuple):
    """A question and the ids of the records that a person would accept."""

    query: str
    relevant: frozenset[str]


def data_file(name: str) -> Path:
    """A file of the shared data."""
    path = Path(os.environ.get("ZHILIAN_TEST_DATA", _BESIDE)) / name
    if not path.is_file():
        raise DataAbsent(f"there is no {path}: set ZHILIAN_TEST_DATA to the directory that has it")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    """Records of a JSON lines file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def asked(path: Path) -> list[Asked]:
    """Labelled questions: lines with ``query`` and ``relevant``, a list of ids."""
    return [Asked(each["query"], frozenset(map(str, each["relevant"]))) for each in lines(path)]


def dishes() -> list[dict[str, Any]]:
    """Recipes with id, title, category, description and ingredients."""
    return lines(data_file("dishes_zh.jsonl"))


def restaurants() -> list[dict[str, Any]]:
    """Restaurants; their names are their ids."""
    found = lines(data_file("restaurants_zh.jsonl"))
    return [{**each, "id": each["name"]} for each in found]


def requests() -> list[Asked]:
    """What people asked for, and the restaurants on whose list it is."""
    return asked(data_file("restaurant_queries_zh.jsonl"))


def labelled(language: str) -> list[Asked]:
    """Our queries over the dishes: ``zh`` shares no character with the titles, ``en``."""
    return asked(QUERIES / f"dishes_{language}.jsonl")


def own_names(records: list[dict[str, Any]]) -> list[Asked]:
    """Each restaurant by its own name."""
    return [Asked(each["name"], frozenset({each["name"]})) for each in records]


def names_without_branch(records: list[dict[str, Any]]) -> list[Asked]:
    """Restaurants as people name them, without the branch in brackets: any branch will do."""
    branches: dict[str, set[str]] = {}
    for each in records:
        branches.setdefault(_BRACKETS.sub("", each["name"]).strip(), set()).add(each["name"])
    return [
        Asked(name, frozenset(found))
        for name, found in branches.items()
        if name and found != {name}
    ]
