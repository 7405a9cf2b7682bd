"""Records in the audit log what a person does with a command, by whom and why."""

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandParser

from neural.audit import MOST_NAME, MOST_WORDS, record, record_end, supersede
from neural.models import AuditOutcome, AuditSource


def add_who(parser: CommandParser, *, reason: bool = True) -> None:
    """Add the options --by and --reason; the second not where the command has its own."""
    parser.add_argument("--by", default="", help="who asks (the user of this machine)")
    if reason:
        text = f"why, at most {MOST_WORDS} characters; kept in the audit log"
        parser.add_argument("--reason", default="", help=text)


def who(options: Mapping[str, Any]) -> str:
    """Who asks: the option --by, or else the user of this machine."""
    try:
        return str(options["by"] or getpass.getuser())[:MOST_NAME]
    except (KeyError, OSError):  # a container's user may have no name
        return "manage.py"


def record_command(options: Mapping[str, Any], *, action: str, **facts: Any) -> int:
    """Record what the command did (:func:`neural.audit.record`), in the caller's transaction."""
    return record(action=action, **_command(options), **facts)


def _command(options: Mapping[str, Any]) -> dict[str, Any]:
    reason = options.get("reason") or ""
    return {"by": who(options), "source": AuditSource.COMMAND, "reason": reason}


@dataclass
class Counted:
    """How many rows were changed so far."""

    count: int = 0
    entry: int | None = None
    """The last entry with which the command itself recorded what it changed."""

    def add(self, number: int) -> None:
        """So many more were changed."""
        self.count += number


@contextmanager
def recorded(options: Mapping[str, Any], *, action: str, **facts: Any) -> Iterator[Counted]:
    """Record what is done in this block, in several transactions, and how many rows it changed.

    That it has begun is recorded first, and stays to be seen if the process is killed. If the block
    ends early, what was done until then is recorded: as stopped by Ctrl-C, as failed by an error.
    """
    counted, facts = Counted(), {"action": action, **_command(options), **facts}
    begun = record(outcome=AuditOutcome.BEGUN, **facts)
    try:
        yield counted
    except BaseException as error:
        is_stopped = isinstance(error, KeyboardInterrupt)
        outcome = AuditOutcome.STOPPED if is_stopped else AuditOutcome.FAILED
        record_end(ends=begun, outcome=outcome, count=counted.count, **facts)
        raise
    if counted.entry is None:
        record_end(ends=begun, count=counted.count, **facts)
    else:
        supersede(begun, by=counted.entry)
