"""Base class of our commands: `--help` shows their purpose, examples and exit codes as written."""

import datetime as dt
import logging
import os
import re
import sys
import unicodedata
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from inspect import cleandoc
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError, CommandParser
from django.core.management.base import DjangoHelpFormatter
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from django.utils import timezone
from pydantic import ValidationError

from neural.kit.storable import is_storable

READER_GONE = 141  # a shell's exit code after SIGPIPE: 128 plus the signal's number
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_NO_TABLE = ("no such table", "no such column", "does not exist")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the line breaks of the help and of the text below the options."""


class TeachingCommand(BaseCommand):
    """A command with examples and exit codes below its options."""

    after_help = ""
    tells_of_runs = False
    """Whether the ledger's line for each run is shown without ``--verbosity 2``."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The parser; `help` and `after_help` keep their line breaks."""
        kwargs.setdefault("formatter_class", _AsWritten)
        kwargs.setdefault("epilog", cleandoc(self.after_help))
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.description = cleandoc(self.help)
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; exit quietly if the reader closes the pipe (`| head`)."""
        _refuse_what_is_no_text(options)
        try:
            tells = self.tells_of_runs or options.get("verbosity", 1) > 1
            with nullcontext() if tells else quiet_ledger():
                return super().execute(*args, **options)
        except BrokenPipeError:
            # Otherwise Python would report the closed pipe again when it flushes standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE)
        except Exception as error:
            message = sentence(error)
            if message is None or options.get("traceback"):
                raise
            raise CommandError(message) from error


def sentence(error: BaseException) -> str | None:
    """What is wrong and what to do; None for an error that needs its traceback."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, ValidationError) and error.title == "NEURAL":
        names = ", ".join(str(each["loc"][0]).upper() for each in error.errors())
        return f"NEURAL_{names} is not a valid setting: manage.py check says what it may be."
    if isinstance(error, OverflowError):
        return f"A number is too large: {error}"
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_the_database(error)
    return None


def _of_the_database(error: BaseException) -> str | None:
    text = " ".join(str(error).split())
    if any(words in text for words in _NO_TABLE) and "database" not in text:
        return f"The database lacks tables of this version ({text}). Type: manage.py migrate"
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database does not answer: {text}. Type: manage.py doctor"
    return text if isinstance(error, ProgrammingError) else None


def _refuse_what_is_no_text(options: Mapping[str, Any]) -> None:
    """Raise CommandError for an argument that is not UTF-8. Python turns such bytes into halves of
    surrogate pairs, which no database and no terminal accepts. File names may contain them."""
    for name, given in options.items():
        texts = given if isinstance(given, list | tuple) else [given]
        for text in texts if name != "file" else ():
            if isinstance(text, str) and not is_storable(text):
                option = name.replace("_", "-")
                raise CommandError(f"{option}: {text!r} is not text in UTF-8", returncode=2)


@contextmanager
def quiet_ledger() -> Iterator[None]:
    """Inside the block, show only warnings of neural's loggers: a command reports what it did, and
    log lines are for services. A child logger whose level the project has set is unaffected."""
    logger = logging.getLogger("neural")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def now() -> dt.datetime:
    """The database's time, since an age is compared with times in rows; the host's while the
    database is away, as the command then says itself."""
    from neural.ledger.clock import database_clock  # manage.py reads this module before settings

    try:
        return database_clock()
    except (DatabaseError, InterfaceError):
        return timezone.now()


def day(text: str) -> dt.date:
    """A day from an option's text, which is a day or an age."""
    return timezone.localdate(point_in_time(text))


def span_of_time(text: str) -> dt.timedelta:
    """A length of time from an option's text, like '90m', '2h' or '3d'."""
    age = _AGE.fullmatch(text)
    try:
        if age and float(age[1]):
            return dt.timedelta(**{_UNITS[age[2]]: float(age[1])})
    except OverflowError:
        pass
    raise ArgumentTypeError(f"{text!r} is no length of time; write 90m, 2h or 3d")


def point_in_time(text: str) -> dt.datetime:
    """A time from an option's text: an age like '2h' or '3d', a day, or a time in ISO 8601.

    A time without a zone is in the project's own zone (TIME_ZONE).
    """
    try:
        if age := _AGE.fullmatch(text):
            return now() - dt.timedelta(**{_UNITS[age[2]]: float(age[1])})
        moment = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"{text!r} is no time; write an age (90m, 2h, 3d), a day (2026-03-01) "
            "or a time (2026-03-01T12:30)"
        ) from error
    return moment if moment.tzinfo else timezone.make_aware(moment)


def wide(text: str, width: int) -> str:
    """The text, cut or padded to a number of terminal columns; a Chinese character takes two."""
    visible, used = "", 0
    for character in text:
        columns = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used + columns >= width:
            break
        visible, used = visible + character, used + columns
    return visible + " " * (width - used)
