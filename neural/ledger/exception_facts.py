"""The facts of an exception, taken while it is alive: what it is, and where in own code it arose.

They are stored with the failed attempt and hold no value of its message: attempts with the same
facts failed of the same fault, whatever they worked on.
"""

import site
import sysconfig
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from types import FrameType
from typing import Any, NamedTuple

from django.apps import apps

from neural.kit.storable import storable
from neural.kit.stored_json import NotStorable, plain
from neural.ledger.work_errors import AttemptFailed, NotAnException, only_exceptions

LONGEST_ARGUMENT_BYTES = 10_000
RAISED = "raised"
LONGEST_NAME = 255
MOST_MEMBERS = 10
_MACHINERY = frozenset(["billiard", "celery", "kombu", "vine"])
_WRAPPERS = (AttemptFailed, NotAnException)
"""Exceptions that only carry another one."""
_COMPREHENSIONS = frozenset(["<listcomp>", "<dictcomp>", "<setcomp>"])
"""Frames of their own up to Python 3.11: their function is the frame before."""
_REPEATED, _MOST_REPEATED = 3, 5
_DEEPEST = 100
"""Exceptions of a chain, and members of nested groups, that are looked at."""
OWN, INSTALLED, STANDARD, MACHINERY = range(4)
"""Whose code a frame is: the project's, a package's, Python's, or what runs the work."""


class _Frame(NamedTuple):
    frame: FrameType
    line: int

    @property
    def module(self) -> str:
        return str(self.frame.f_globals.get("__name__", ""))

    @property
    def place(self) -> str:
        function = self.frame.f_code.co_qualname
        return self.module if function == "<module>" else f"{self.module}.{function}"

    @property
    def text(self) -> str:
        """As a traceback has it: file, line, function, and the source line."""
        code = self.frame.f_code
        return traceback.format_list(
            [traceback.FrameSummary(code.co_filename, self.line, code.co_name)]
        )[0]


def facts_of(error: BaseException) -> dict[str, Any]:
    """Facts of an error as JSON, those that there are:

    ``type`` with its module, ``place`` (module and function of the deepest frame of own code),
    ``frame`` (that frame as a traceback shows it), ``root`` and ``root_place`` (the same of the
    exception that the chain began with), ``code`` (SQLSTATE and constraint of a database error, or
    an HTTP status) and ``members`` (the types in an exception group). Empty if the error does not
    let itself be looked at.
    """
    try:
        with only_exceptions():
            return {name: value for name, value in _facts(error) if value}
    except Exception:  # noqa: BLE001 (an object of foreign code: whatever it raises)
        return {}


def raised(error: BaseException) -> dict[str, Any]:
    """An error as Celery's result backends keep one, which holds values of its message: its class,
    and its arguments as JSON, or as text where one is longer or no JSON. Empty like
    :func:`facts_of`."""
    try:
        with only_exceptions():
            arguments = error.__reduce__()[1] if isinstance(error, OSError) else error.args
            kind = {"exc_module": type(error).__module__, "exc_type": type(error).__qualname__}
            return {**kind, "exc_message": [_argument(each) for each in arguments[:MOST_MEMBERS]]}
    except Exception:  # noqa: BLE001 (whatever it raises)
        return {}


def _argument(value: Any) -> Any:
    try:
        return plain(value, what="an argument", most_bytes=LONGEST_ARGUMENT_BYTES)
    except NotStorable:
        return storable(str(value)[:LONGEST_NAME])


def _facts(error: BaseException) -> Iterator[tuple[str, Any]]:
    chain = list(_chain(error))
    while len(chain) > 1 and isinstance(chain[0], _WRAPPERS):
        chain.pop(0)
    error, root = chain[0], chain[-1]
    yield "type", _name(type(error))
    own = _own(error)
    # Celery's own, as time limits, strike anywhere: the name of the work says more.
    yield "place", "" if _is_machinery(type(error).__module__) else _place(error, own)
    yield "frame", storable(own[-1].text[:1000]) if own else ""
    if root is not error:
        yield "root", _name(type(root))
        yield "root_place", _place(root, _own(root))
    yield "code", storable(next(filter(None, map(_code, chain[:2])), ""))[:LONGEST_NAME]
    if isinstance(error, BaseExceptionGroup):
        yield "members", sorted({_name(type(each)) for each in _leaves(error)})[:MOST_MEMBERS]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the last one first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen and len(seen) < _DEEPEST:
        seen.add(id(error))
        yield error
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    waiting: list[BaseException] = [group]
    for _ in range(_DEEPEST):
        if not waiting:
            return
        each = waiting.pop()
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        else:
            yield each


def _name(kind: type) -> str:
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return storable(f"{module}{kind.__qualname__}")[-LONGEST_NAME:]


def _own(error: BaseException) -> Sequence[_Frame]:
    """The frames of own code, the outermost first; else those of packages, or else Python's.

    The first frame that is neither machinery nor Python's is the work itself: its package is own
    code, wherever it is installed.
    """
    found = [
        _Frame(frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name not in _COMPREHENSIONS
    ]
    ranks = [_whose(each) for each in found]
    work = next((f for f, rank in zip(found, ranks, strict=True) if rank <= INSTALLED), None)
    package = _package(work.module) if work else ""
    ranks = [
        OWN if rank == INSTALLED and _package(each.module) == package else rank
        for each, rank in zip(found, ranks, strict=True)
    ]
    best = min([*ranks, MACHINERY])
    pairs = zip(found, ranks, strict=True)
    return [each for each, rank in pairs if rank == best < MACHINERY]


def _whose(each: _Frame) -> int:
    if _is_machinery(each.module):
        return MACHINERY
    file = each.frame.f_code.co_filename
    packages, standard = _directories()
    if file.startswith(packages):
        return INSTALLED
    return STANDARD if file.startswith((*standard, "<frozen ")) else OWN


def _is_machinery(module: str) -> bool:
    """Whether a module is Celery's, or the ledger's and not of another app of this package."""
    top = module.partition(".")[0]
    if top != "neural":
        return top in _MACHINERY
    app = apps.get_containing_app_config(module)
    return app is None or app.name == "neural"


def _package(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "neural" else 1])


@cache
def _directories() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where packages are installed, and where the standard library is."""
    paths = sysconfig.get_paths()
    packages = {paths["purelib"], paths["platlib"], *site.getsitepackages()}
    packages.add(site.getusersitepackages())
    standard = {paths["stdlib"], paths["platstdlib"]}
    return tuple(f"{each}/" for each in packages), tuple(f"{each}/" for each in standard)


def _place(error: BaseException, own: Sequence[_Frame]) -> str:
    """The deepest place of own code. In an endless recursion that is chance, so all that repeat
    themselves."""
    names = [each.place for each in own[-1:]]
    if isinstance(error, RecursionError):
        counts = Counter(each.place for each in own)
        repeated = sorted(name for name, count in counts.items() if count >= _REPEATED)
        names = repeated[:_MOST_REPEATED] or names
    return storable(", ".join(names))


def _code(error: BaseException) -> str:
    """What a database or a server said of itself, in its own code."""
    state = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if state:
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        return " ".join(str(each) for each in (state, constraint) if each)
    answer = getattr(error, "response", None)
    for status in (
        getattr(answer, "status_code", None),
        *(getattr(error, name, None) for name in ("status_code", "status", "code")),
    ):
        if isinstance(status, int) and 100 <= status < 600:
            return f"HTTP {int(status)}"
    return ""
