"""The same fault has one fingerprint, whatever its values and line numbers; two places never do.

The faults are the functions of ``tests/unit/monitoring/tracebacks/kitchen``, which really fail
here: each with three values, each time as another release in another directory with other lines.
"""

import contextlib
import socket
import sys
import sysconfig
import types
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from neural.ledger.exception_facts import facts_of
from neural.ledger.work_errors import AttemptFailed
from neural.monitoring.errors.fingerprint import Cause, cause_of

CORPUS = Path(__file__).parent / "tracebacks"
KITCHEN = CORPUS / "kitchen"
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


def failing(fault: Any, value: int) -> dict[str, Any]:
    """The facts that an attempt keeps."""
    try:
        fault(value)
    except Exception as error:
        return facts_of(error)
    raise AssertionError(f"{fault.__name__} did not fail")


def group_of(facts: Any, *, error: str = "", work: str = "kitchen.serve") -> Cause:
    return cause_of(facts=facts, error=error, work=work)


@pytest.fixture(scope="module")
def causes(django_db_setup: Any, django_db_blocker: Any, tmp_path_factory: Any) -> Any:
    """What each fault's attempts have in common, once for each release."""
    found: dict[str, list[Cause]] = defaultdict(list)
    folder = tmp_path_factory.mktemp("releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_name_server)
        fail_all(found, folder, django_db_blocker)
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
                        found[f"{name}.{fault}"].append(group_of(failing(call, value)))
                        raise Undone
        raise Undone


class Undone(Exception):
    """Nothing of a fault stays in the database."""


@pytest.mark.django_db
def test_the_corpus_has_many_faults(causes: dict[str, list[Cause]]) -> None:
    assert len(causes) > 120


@pytest.mark.django_db
def test_a_fault_has_one_group_whatever_its_values_lines_and_release(
    causes: dict[str, list[Cause]],
) -> None:
    split = {fault: found for fault, found in causes.items() if len(set(found)) != 1}
    assert split == {}


@pytest.mark.django_db
def test_no_two_faults_share_a_group(causes: dict[str, list[Cause]]) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for fault, found in causes.items():
        for cause in found:
            owners[cause.fingerprint].add(fault)
    shared = [faults for faults in owners.values() if len(faults) > 1]
    assert [faults for faults in shared if not any(map(raised_by(faults), ONE_FUNCTION))] == []


ONE_FUNCTION = ("chains.told_", "chains.process_", "language.in_one_function_", "messages.")
"""Faults that one function raises as one type, with different messages, are one group."""


def raised_by(faults: set[str]) -> Any:
    return lambda function: all(fault.startswith(function) for fault in faults)


def test_three_hundred_dishes_of_an_unknown_unit_are_one_group() -> None:
    def convert(dish: int) -> None:
        raise LookupError(f"unknown unit for dish {dish}: {'abc'[dish % 3] * (dish % 7)}")

    assert len({group_of(failing(convert, dish)) for dish in range(300)}) == 1


@pytest.mark.django_db
def test_what_a_group_shows_is_part_of_its_fingerprint(causes: dict[str, list[Cause]]) -> None:
    """So a group never shows one store the words of another store's attempt."""
    shown: dict[str, set[Cause]] = defaultdict(set)
    for found in causes.values():
        for cause in found:
            shown[cause.fingerprint].add(cause)
    assert all(len(each) == 1 for each in shown.values())


# Errors without a place in own code


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("TimeLimitExceeded: it ran for 30 s", "TimeLimitExceeded"),
        ("kitchen.Burnt: order 12", "kitchen.Burnt"),
        ("ValueError", "ValueError"),
        ("its worker was lost", "Error"),
        ("", "Error"),
        ("\n\n", "Error"),
        (": x", "Error"),
    ],
)
def test_an_attempt_without_facts_is_grouped_by_type_and_work(error: str, kind: str) -> None:
    one = group_of(None, error=error)

    assert (one.exception, one.frame) == (kind, "kitchen.serve")
    assert one == group_of({}, error=f"{error} and more" if ":" in error else error)
    assert one != group_of(None, error=error, work="kitchen.cook")


def test_a_lost_delivery_is_no_exception_whatever_was_said_of_it() -> None:
    lost, poison = (
        cause_of(facts=None, error=error, work="w", is_lost=True)
        for error in ("its worker was lost", "its worker was lost; given up as poison")
    )
    assert lost == poison
    assert (lost.exception, lost.frame) == ("Lost", "w")
    assert lost.fingerprint != group_of(None, error="its worker was lost", work="w").fingerprint


def raised(error: BaseException) -> dict[str, Any]:
    def fail(value: int) -> None:
        raise error

    return failing(fail, 1)


def test_a_time_limit_strikes_anywhere_and_belongs_to_the_work() -> None:
    facts = raised(SoftTimeLimitExceeded())

    assert "place" not in facts
    assert group_of(facts).exception == "billiard.exceptions.SoftTimeLimitExceeded"
    assert group_of(facts).frame == "kitchen.serve"


# Whose code it is


def frames_of(*modules: tuple[str, str]) -> dict[str, Any]:
    """The facts of an error that was raised through functions of these modules and files."""
    call = None
    for module, file in reversed(modules):
        scope = {"__name__": module, "inner": call}
        body = "return inner()" if call else "raise OSError(5, 'no answer')"
        exec(compile(f"def f():\n    {body}", file, "exec"), scope)
        call = scope["f"]
    return failing(lambda value: call(), 1) if call else {}


def test_own_code_goes_before_packages_and_these_before_python_and_machinery() -> None:
    packages = sysconfig.get_paths()["purelib"]
    own = ("kitchen.orders", "/srv/shop-1/kitchen/orders.py")
    installed = ("tillkit.client", f"{packages}/tillkit/client.py")
    deeper = ("tillkit.wire", f"{packages}/tillkit/wire.py")
    library = ("urllib3.poolmanager", f"{packages}/urllib3/poolmanager.py")
    machinery = ("neural.ledger.execute", "/srv/shop-1/neural/ledger/execute.py")
    ours = ("neural.restaurant.handlers", "/srv/shop-1/neural/restaurant/handlers.py")
    standard = ("socket", f"{sysconfig.get_paths()['stdlib']}/socket.py")

    def place(*frames: tuple[str, str]) -> str:
        own_test = sys.modules[__name__]
        with pytest.MonkeyPatch.context() as patch:  # the test's own frames are machinery here
            patch.setattr(own_test, "__name__", "celery.app.trace")
            return str(frames_of(*frames).get("place", ""))

    assert place(machinery, own, library, standard) == "kitchen.orders.f"
    assert place(machinery, ours, machinery, library) == "neural.restaurant.handlers.f"
    assert place(machinery, installed, deeper, library, standard) == "tillkit.wire.f"
    assert place(machinery, own, installed, own, library) == "kitchen.orders.f"
    assert place(machinery, standard) == "socket.f"
    assert place(machinery) == ""


def test_the_own_frame_is_stored_as_a_traceback_shows_it() -> None:
    frame = failing(lambda value: 1 / (value - 1), 1)["frame"]

    assert frame.startswith(f'  File "{__file__}", line ')
    assert frame.endswith(
        ', in <lambda>\n    frame = failing(lambda value: 1 / (value - 1), 1)["frame"]\n'
    )


# What is carried, and what a database or a server says


def test_a_wrapper_is_the_exception_that_it_carries() -> None:
    wrapper = AttemptFailed("ValueError: no such card")
    wrapper.__cause__ = ValueError("no such card")

    assert raised(wrapper)["type"] == "ValueError"


class Answer:
    status_code = 503


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"sqlstate": "40P01"}, "40P01"),
        (
            {"sqlstate": "23505", "diag": types.SimpleNamespace(constraint_name="order_once")},
            "23505 order_once",
        ),
        ({"sqlite_errorname": "SQLITE_FULL"}, "SQLITE_FULL"),
        ({"response": Answer()}, "HTTP 503"),
        ({"status": 404}, "HTTP 404"),
        ({"code": 12}, ""),
        ({"status": "gone"}, ""),
    ],
)
def test_what_a_database_or_a_server_said_in_its_own_code_tells_faults_apart(
    attributes: dict[str, Any], code: str
) -> None:
    error = OSError("no answer")
    for name, value in attributes.items():
        setattr(error, name, value)

    facts = raised(error)

    assert facts.get("code", "") == code
    assert group_of(facts).message == code
    wrapped = RuntimeError("in Django's words")
    wrapped.__cause__ = error
    assert raised(wrapped).get("code", "") == code


# What must not hold up or break a worker


class Hostile(Exception):
    @property
    def sqlstate(self) -> str:
        raise SystemExit(3)


def test_an_error_that_does_not_let_itself_be_looked_at_has_no_facts() -> None:
    assert raised(Hostile()) == {}
    assert group_of({}, error="Hostile").exception == "Hostile"


def test_a_chain_that_leads_to_itself_ends() -> None:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one

    assert raised(one)["root"] == "KeyError"


def test_names_in_any_script_fit_into_an_index_of_postgresql() -> None:
    """It refuses a row of an index beyond 2,704 bytes: no failure would be grouped any more."""
    letters = "𠮷" * 900
    cause = group_of({"type": letters, "place": f"kitchen.{letters}", "root": letters})

    assert len((cause.exception + cause.frame).encode()) < 2600
