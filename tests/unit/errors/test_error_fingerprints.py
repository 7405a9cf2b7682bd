"""The same fault has one fingerprint, whatever its values and line numbers; two faults never do.

The faults are the functions of ``tests/unit/errors/tracebacks/kitchen``, which really fail here:
each with three values, each time as another release in another directory with other lines. Texts
that need another Python or a database server are recorded beside them.
"""

import contextlib
import json
import socket
import sys
import time
import types
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from neural.ledger.work_errors import describe, traceback_of
from neural.monitoring.errors.fingerprint import Cause, cause_of
from neural.monitoring.errors.parsing import Frame
from neural.monitoring.errors.places import module_of, place_of

CORPUS = Path(__file__).parent / "tracebacks"
KITCHEN = CORPUS / "kitchen"
RECORDED = CORPUS / "recorded"
MODULES = sorted(path.stem for path in KITCHEN.glob("[!_]*.py"))
VALUES = (1, 2, 3)


def released(name: str, number: int, folder: Path) -> dict[str, Any]:
    """The functions of a module as release ``number`` has them: elsewhere, and further down."""
    directory = folder / f"2026-11-2{number}" / "kitchen"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{name}.py"
    shift = "# another line\n" * (number * 7)
    source = (KITCHEN / f"{name}.py").read_text()
    source = source.replace("\n\n\ndef ", f"\n\n\n{shift}def ")
    file.write_text(source)
    module = types.ModuleType(f"kitchen.{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, str(file), "exec"), module.__dict__)
    return module.__dict__


def faults(module: dict[str, Any]) -> dict[str, Any]:
    return {
        name: each
        for name, each in module.items()
        if isinstance(each, types.FunctionType)
        and not name.startswith("_")
        and each.__module__ == module["__name__"]
    }


def failing(fault: Any, value: int) -> tuple[str, str]:
    """Error and traceback as an attempt keeps them."""
    try:
        fault(value)
    except Exception as error:
        return describe(error), traceback_of(error)
    raise AssertionError(f"{fault.__name__} did not fail")


def group_of(error: str, traceback: str, *, work: str = "kitchen.serve") -> Cause:
    return cause_of(error=error, traceback=traceback, work=work)


def recorded() -> dict[str, list[tuple[str, str]]]:
    """Errors and tracebacks of faults by name, from all recordings."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(RECORDED.glob("*.json")):
        for fault, told in json.loads(path.read_text()).items():
            found[fault] += [
                tuple(each) for each in (told if isinstance(told[0], list) else [told])
            ]
    return found


@pytest.fixture(scope="module")
def causes(django_db_setup: Any, django_db_blocker: Any, tmp_path_factory: Any) -> Any:
    """What each fault's attempts have in common, once for each release."""
    found: dict[str, list[Cause]] = defaultdict(list)
    folder = tmp_path_factory.mktemp("releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_name_server)
        fail_all(found, folder, django_db_blocker)
    for fault, told in recorded().items():
        found[fault] += [group_of(*each) for each in told]
    return found


REAL = socket.getaddrinfo


def no_name_server(host: Any, *args: Any, **options: Any) -> Any:
    """Names are known at once to be unknown; addresses are looked up."""
    if str(host).endswith(".invalid"):
        raise socket.gaierror(-2, "Name or service not known")
    return REAL(host, *args, **options)


def fail_all(found: dict[str, list[Cause]], folder: Path, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), contextlib.suppress(Undone), transaction.atomic():
        for name in MODULES:
            for value in VALUES:
                for fault, call in faults(released(name, value, folder)).items():
                    with contextlib.suppress(Undone), transaction.atomic():
                        found[f"{name}.{fault}"].append(group_of(*failing(call, value)))
                        raise Undone
        raise Undone


class Undone(Exception):
    """Nothing of a fault stays in the database."""


def test_the_corpus_has_many_faults(causes: dict[str, list[Cause]]) -> None:
    assert len(causes) > 150


def test_a_fault_has_one_group_whatever_its_values_lines_and_release(
    causes: dict[str, list[Cause]],
) -> None:
    split = {fault: found for fault, found in causes.items() if len(set(found)) != 1}
    assert split == {}


def test_no_two_faults_share_a_group(causes: dict[str, list[Cause]]) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for fault, found in causes.items():
        for cause in found:
            owners[cause.fingerprint].add(fault)
    assert [faults for faults in owners.values() if len(faults) > 1] == []


def test_what_a_group_shows_is_part_of_its_fingerprint(causes: dict[str, list[Cause]]) -> None:
    """So a group never shows one store the words of another store's attempt."""
    shown: dict[str, set[Cause]] = defaultdict(set)
    for found in causes.values():
        for cause in found:
            shown[cause.fingerprint].add(cause)
    assert all(len(each) == 1 for each in shown.values())


# Errors without frames


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TimeLimitExceeded: it ran for 30 s", "TimeLimitExceeded: it ran for 300.5 s"),
        ("its worker was lost", "its worker was lost; given up as poison after 3 lost deliveries"),
    ],
)
def test_an_error_without_frames_is_told_by_type_message_and_work(one: str, other: str) -> None:
    is_lost = "lost" in one

    def cause(error: str, work: str) -> Cause:
        return cause_of(error=error, traceback="", work=work, is_lost=is_lost)

    assert cause(one, "kitchen.serve") == cause(other, "kitchen.serve")
    assert cause(one, "kitchen.serve") != cause(one, "kitchen.cook")
    assert cause(one, "kitchen.serve").frame == "kitchen.serve"


def test_a_lost_delivery_is_no_exception_of_that_text() -> None:
    lost = cause_of(error="its worker was lost", traceback="", work="w", is_lost=True)
    failed = cause_of(error="its worker was lost", traceback="", work="w")
    assert lost.fingerprint != failed.fingerprint
    assert lost.exception == "Lost"


def test_an_error_that_was_cut_in_the_middle_of_a_value_is_the_same() -> None:
    def error(guest: str) -> str:
        return ("ValueError: " + "no such guest on the list " * 18 + f"'{guest} and more'")[:500]

    one, other = (group_of(error(guest), "") for guest in ("Zhang San" * 9, "Li"))
    assert len(error("Zhang San" * 9)) == 500
    assert "Zhang" not in one.message
    assert other.exception == "ValueError"


# What must not hold up or break a relay


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "no traceback at all",
        "Traceback (most recent call last):",
        "Traceback (most recent call last):\n",
        'Traceback (most recent call last):\n  File "x", line 1, in f\n',
        "  + Exception Group Traceback (most recent call last):\n  | \n",
        "  + Exception Group Traceback (most recent call last):\n  +-+"
        + "-" * 16
        + " 1 "
        + "-" * 16,
        "\n\nDuring handling of the above exception, another exception occurred:\n\n" * 50,
        "Traceback (most recent call last):\n… 1,234 characters left out …\nhalf a line",
        "Traceback (most recent call last):\n: x",
    ],
)
def test_a_text_that_is_no_whole_traceback_still_has_a_group(text: str) -> None:
    cause = group_of("ValueError: bad", text)
    assert cause == group_of("ValueError: bad", text)
    assert cause.fingerprint.startswith("1-")


@pytest.mark.parametrize(
    "message",
    [
        "a-" * 5000,
        "a." * 5000,
        "'" * 5000,
        "\\'" * 3000,
        "[" * 5000,
        "[<n>," * 1000,
        "{" * 5000,
        "<a " * 2000,
        "1 " * 5000,
        "1:" * 2500,
        "/a" * 2500,
        "a@" * 2500,
        "0x" * 2500,
        "input_value=" * 400,
        "(None, " * 1000,
        "x=" * 2000,
        "a1" * 100 + " " * 3000,
        "\n" * 5000,
        "“" * 3000,
        "<n> " * 1000,
    ],
)
def test_no_message_takes_long(message: str) -> None:
    """In processor time, which a busy machine does not lengthen much; it is 20 ms at most."""
    began = time.process_time()
    group_of(
        f"ValueError: {message}"[:500], f"Traceback (most recent call last):\nValueError: {message}"
    )
    assert time.process_time() - began < 0.5


def test_a_traceback_that_was_cut_keeps_its_place() -> None:
    """As the ledger cuts a traceback that is too long: its beginning and its end are kept."""
    frame = '  File "/srv/releases/20261126/kitchen/deep.py", line {}, in {}\n    call()\n'

    def text(depth: int) -> str:
        steps = "".join(
            frame.format(number, "step" if number % 2 else "go") for number in range(depth)
        )
        whole = f"Traceback (most recent call last):\n{steps}ValueError: bad {depth}\n"
        half = 2000
        return f"{whole[:half]}\n… {len(whole) - 2 * half:,} characters left out …\n{whole[-half:]}"

    one, other = (
        group_of("ValueError: bad 100", text(100)),
        group_of("ValueError: bad 202", text(202)),
    )

    assert one == other
    assert one.frame == "kitchen.deep.step"


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("/srv/releases/20261126/kitchen/orders.py", "kitchen.orders"),
        ("/home/lee/shop-2/kitchen/orders/__init__.py", "kitchen.orders"),
        ("/app/kitchen/orders.py", "kitchen.orders"),
        ("/srv/venv/lib/python3.11/site-packages/kitchen/orders.py", "kitchen.orders"),
        ("/usr/lib/python3/dist-packages/kitchen/orders.py", "kitchen.orders"),
        ("/usr/lib/python3.13/json/decoder.py", "json.decoder"),
        ("/usr/lib/python313.zip/json/decoder.py", "json.decoder"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("<ipython-input-12-abc>", "<ipython-input-N-abc>"),
        ("orders.py", "orders"),
    ],
)
def test_a_module_is_named_by_its_path_without_where_it_lies(path: str, module: str) -> None:
    assert module_of(path) == module


def test_own_code_goes_before_libraries_and_libraries_before_machinery() -> None:
    own = Frame("/srv/shop-1/kitchen/orders.py", "record")
    theirs = Frame("/srv/venv/lib/python3.11/site-packages/tillkit/client.py", "send")
    library = Frame("/srv/venv/lib/python3.11/site-packages/urllib3/poolmanager.py", "urlopen")
    machinery = Frame("/srv/shop-1/neural/ledger/execute.py", "execute")
    ours = Frame("/srv/shop-1/neural/restaurant/handlers/orders.py", "record_order")
    standard = Frame("/usr/lib/python3.11/socket.py", "create_connection")

    assert place_of([machinery, own, library, standard]) == "kitchen.orders.record"
    assert place_of([machinery, ours, library]) == "neural.restaurant.handlers.orders.record_order"
    assert place_of([machinery, theirs, library, standard]) == "tillkit.client.send"
    assert place_of([machinery, library, standard]) == "urllib3.poolmanager.urlopen"
    assert place_of([machinery, standard]) == "socket.create_connection"


def test_an_own_exception_with_the_name_of_a_wrapper_at_its_end_is_itself() -> None:
    inner = """Traceback (most recent call last):
  File "/srv/kitchen/orders.py", line 3, in pay
    charge()
ValueError: no such card

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/kitchen/orders.py", line 5, in pay
    raise PaymentAttemptFailed("declined") from error
"""
    own = inner + "kitchen.orders.PaymentAttemptFailed: declined\n"
    wrapper = inner + "neural.ledger.work_errors.AttemptFailed: ValueError: no such card\n"

    assert cause_of(error="", traceback=own, work="w").exception.endswith("PaymentAttemptFailed")
    assert cause_of(error="", traceback=wrapper, work="w").exception == "ValueError"


def test_names_in_any_script_fit_into_an_index_of_postgresql() -> None:
    """It refuses a row of an index beyond 2,704 bytes: no failure would be grouped any more."""
    letters = "𠮷" * 900
    text = f"""Traceback (most recent call last):
  File "/srv/kitchen/orders.py", line 3, in {letters}
    pay()
{letters}: no such card
"""
    cause = cause_of(error="", traceback=text, work="w")

    assert len((cause.exception + cause.frame).encode()) < 2600
