"""Records in the audit log what a person does with a command, by whom and why."""

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from neural.audit import MOST_NAME, MOST_WORDS, record
from neural.models import AuditOutcome, AuditSource


def add_who(parser: CommandParser, *, reason: bool = True) -> None:
    """Add the options --by and --reason; the second not where the command has its own."""
    parser.add_argument("--by", default="", help="who asks (the user of this machine)")
    if reason:
        told = f"why, at most {MOST_WORDS} characters; kept in the audit log"
        parser.add_argument("--reason", default="", help=told)


def who(options: Mapping[str, Any]) -> str:
    """Who asks: the option --by, or else the user of this machine."""
    try:
        return str(options["by"] or getpass.getuser())[:MOST_NAME]
    except (KeyError, OSError):  # a container's user may have no name
        return "manage.py"


def record_command(options: Mapping[str, Any], *, action: str, **facts: Any) -> None:
    """Record what the command did (:func:`neural.audit.record`), in the caller's transaction."""
    record(
        action=action,
        by=who(options),
        source=AuditSource.COMMAND,
        reason=options.get("reason") or "",
        **facts,
    )


@dataclass
class Counted:
    """How many rows were changed so far."""

    count: int = 0

    def add(self, number: int) -> None:
        """So many more were changed."""
        self.count += number


@contextmanager
def recorded(options: Mapping[str, Any], *, action: str, **facts: Any) -> Iterator[Counted]:
    """Record what is done in this block, in several transactions, and how many rows it changed.

    If it ends early, by Ctrl-C or by an error, what was done until then is recorded as failed.
    """
    counted = Counted()
    try:
        yield counted
    except BaseException as error:
        if counted.count or not isinstance(error, CommandError):  # wrong usage is no act
            facts |= {"count": counted.count, "outcome": AuditOutcome.FAILED}
            with suppress(DatabaseError, InterfaceError):  # the first error is the one to tell
                record_command(options, action=action, **facts)
        raise
    if counted.count:
        record_command(options, action=action, count=counted.count, **facts)
