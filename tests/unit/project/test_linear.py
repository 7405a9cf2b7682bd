"""No text from outside stops a process: whatever reads one takes time in proportion to its length.

Every pattern that a module of this package has is found and tried, each by the methods by which its
module uses it, and beside them the functions that make patterns of their own, or use none.
"""

import datetime as dt
import importlib
import logging
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import neural
import zhilian
from neural.admin.exporting.formats import text_cell
from neural.api.submitting import splitting
from neural.api.submitting.requests import DECODER
from neural.kit.errors import NeuralError
from neural.logins.counting import keys_of
from neural.monitoring.errors.fingerprint import cause_of
from neural.monitoring.neural_collections import error_group
from neural.personal.beside import Beside, KnownValues, beside, kinds_of
from neural.personal.keys import DEFAULT_KEYS, KeyRules
from neural.personal.patterns import masked_text
from neural.personal.person import Person
from neural.personal.rules import Redaction
from neural.retrieval import neural_collections, text
from neural.retrieval.collections import documents
from neural.retrieval.index.fields import texts_of, tokens_of
from neural.retrieval.query import filters, parsing
from zhilian.logs import KeyValueFormatter

SHORT, TIMES = 1_000, 8
"""Characters of the short text, and how many times as long the long one is. What is quadratic takes
64 times as long: 24 is far from both."""
TOO_MANY = 24
QUICK_SECONDS = 0.001
"""The short text counts as this at least: less is chance."""

PIECES = (
    *("A", "1", "-", ".", "_", " ", "\\", '"', "(", "{", "[", "<", ":", "=", "@", "中", "\n", ","),
    *("&", "%", "＠", "０", "～", "「", "a.", "a-", "1.", "1 ", "1-", "a:", "a=", "a@", "@a", "a'"),
    *("a&", "&a=", "a=&", "%25", "\\u00", "\\\"", "{'", "[1", "('", "中1", "jan", "1a", "f0", "a,"),
    *("+1 ", "138 ", "13800138000", "1380013800 ", "4111111111111111", "a@b.", "\u0301\u0316"),
    *("店", "金额 ", "store:", 'store:"', "昨天", "between ", "1到", "S1店 ", "phone", "phone:'"),
)  # fmt: skip
ENDS = ("", " b!")

RULES = KeyRules(DEFAULT_KEYS)
REDACTION = Redaction(RULES)
PERSON = Person(phone="13800138000", email="a@b.cn", member_id="A11", name="A中", rules=RULES)
BESIDE = Beside(of=PERSON, values=frozenset({"王小明", "AAAA A"}), rules=RULES)
TODAY = dt.date(2026, 1, 31)


def logged(text: str) -> str:
    facts = {"name": "a", "levelno": 40, "levelname": "ERROR", "msg": "%s", "args": (text,)}
    return KeyValueFormatter().format(logging.makeLogRecord(facts))


def event(payload: dict[str, str]) -> documents.Document:
    whole = {"id": "1", "store": "S", "type": "a.b", "event_id": "e", "payload": payload}
    return documents.bounded(neural_collections.document(whole))


FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "a text is masked": masked_text,
    "a text is redacted": REDACTION.text,
    "a value is redacted": lambda text: REDACTION.value({"name": text, "id": text, "x": text}),
    "a key is redacted": lambda text: Redaction(RULES).value({text: "abcdefgh"}),
    "values under personal keys": lambda text: kinds_of(REDACTION, {"phone": text, "note": text}),
    "known values are masked": lambda text: KnownValues(
        kinds_of(REDACTION, {"phone": text[:-1] + "国", "address": "x" + text})
    ).masked(text * 2),
    "a person is erased": lambda text: PERSON.erased({"note": text, text: "1", "b": "13800138000"}),
    "a person is erased from a text": PERSON.erased_text,
    "what is beside a person": lambda text: beside(PERSON, {"name": text, "b": "13800138000"}),
    "what is beside is erased": lambda text: BESIDE.erased({"note": text, "text": text + "王小明"}),
    "somebody else's": lambda text: BESIDE.of_somebody_else({"note": text, "phone": "13900139000"}),
    "a log line": logged,
    "an error group": lambda text: cause_of(facts=None, error=text, work="a"),
    "an error's words": lambda text: error_group(
        {"id": "1", "state": "open", "at": None, "exception": text}
        | dict.fromkeys(("message", "frame", "root", "work"), text)
    ),
    "an event is indexed": lambda text: tokens_of(event({"name": text, "x": text})),
    "an event is embedded": lambda text: texts_of(event({"name": text, "x": text}), ["whole"]),
    "tokens": text.word_tokens,
    "forms of a name": text.name_forms.__wrapped__,
    "text without numbers": text.without_numbers,
    "numbers of a text": lambda given: text.numbers_in(text.fold(given)),
    "numbers as written": lambda given: text.written_numbers(given, {"11"}),
    "parts that match": lambda given: text.matched_parts(given, {"中", "a", "11"}),
    "filters": lambda text: filters.read_filters(text, today=TODAY),
    "filters of what lies ahead": lambda text: filters.read_filters(text, today=TODAY, ahead=True),
    "a query": parsing.parse_query,
    "numbers in words": filters.with_digits,
    "an object's names": lambda text: DECODER.decode(
        "{" + "".join(f'"{at}":1,' for at in range(len(text))) + '"z":1,"z":1}'
    ),
    "the end of an element": lambda text: splitting._end_of('["' + text, 0),
    "an account's name": lambda text: keys_of(account=text, address=""),
    "a cell of a table": text_cell,
}  # fmt: skip

OURS_ALONE = {
    "neural.ledger.guard": "SQL, whose values are bound",
    "neural.admin.pages": "pages, in which what is foreign is escaped",
    "neural.forecasting.admin.display": "reasons of our own",
    "neural.api.submitting.splitting._TOKEN": "ends at a string without an end: see the function",
}
ANCHORED = ("match", "fullmatch")
METHODS = (*ANCHORED, "search", "sub", "split", "findall", "finditer")


def modules() -> Iterator[Any]:
    for package in (neural, zhilian):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            is_left_out = {"migrations", "commands"} & set(each.name.split("."))
            if not (is_left_out or each.name in OURS_ALONE):
                with suppress(ImportError, NeuralError):  # an optional package is not installed
                    yield importlib.import_module(each.name)


def patterns() -> Iterator[tuple[str, Callable[[str], Any]]]:
    seen: set[tuple[str | bytes, str]] = set()
    for module in modules():
        code = Path(module.__file__).read_text()
        for name, pattern in vars(module).items():
            if not isinstance(pattern, re.Pattern) or f"{module.__name__}.{name}" in OURS_ALONE:
                continue
            for method in set(re.findall(rf"\b{name}\s*\.\s*(\w+)\(", code)).intersection(METHODS):
                if (pattern.pattern, method) not in seen:
                    seen.add((pattern.pattern, method))
                    yield f"{module.__name__}.{name}.{method}", using(pattern, method)


def using(pattern: re.Pattern[Any], method: str) -> Callable[[str], Any]:
    function = getattr(pattern, method)
    if isinstance(pattern.pattern, bytes):  # it meets what a client sends
        return lambda text: function(text.encode())
    if method == "sub":
        return lambda text: function("", text)
    return (lambda text: list(function(text))) if method == "finditer" else function


def seconds(what: Callable[[str], Any], text: str) -> float:
    begun = time.process_time()
    with suppress(NeuralError, ValueError, ArithmeticError):
        what(text)
    return time.process_time() - begun


def is_too_slow(what: Callable[[str], Any], piece: str, end: str) -> bool:
    """Measured again, if it seems so: a machine may be busy."""
    short, long = (piece * (size // len(piece)) + end for size in (SHORT, SHORT * TIMES))
    for _ in range(3):
        quick = max(seconds(what, short), QUICK_SECONDS)
        if seconds(what, long) <= TOO_MANY * quick:
            return False
    return True


ALL = FUNCTIONS | dict(patterns())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_text_of_any_length_takes_time_in_proportion_to_it(name: str) -> None:
    what = ALL[name]
    seconds(what, "13800138000 中 A")  # what is loaded once

    slow = [piece + end for piece in PIECES for end in ENDS if is_too_slow(what, piece, end)]

    assert not slow


def test_the_patterns_are_found() -> None:
    found = [name for name in ALL if name not in FUNCTIONS]

    assert len(found) > 60
    assert "neural.personal.patterns._EMAIL.sub" in found
