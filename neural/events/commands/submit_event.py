"""`manage.py submit_event`: records one event, or many from NDJSON."""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.core.management import CommandError, CommandParser
from django.db import DatabaseError, transaction
from tqdm import tqdm

from neural.events.answers import Problem, Submission, Verdict
from neural.events.commands.remote import (
    Sender,
    ServerAway,
    ServerRefused,
    batches,
    checked_url,
)
from neural.events.ndjson import LineAnswer, bounded_lines, submit_lines
from neural.events.submit import submit
from neural.kit.conf import conf
from neural.kit.stored_json import depth_problem
from neural.management.acting import Counted, add_who, record_command, recorded
from neural.management.teaching import TeachingCommand
from neural.models import EntryPoint

WRONG_USAGE = 2
AWAY = 3
KEY_VARIABLE = "ZN_API_KEY"
GIVE_UP_SECONDS = 600
AS_COMMAND: Mapping[str, Any] = {
    "requested_by": "manage.py submit_event",
    "entry_point": EntryPoint.COMMAND,
}
HOW = ("backfill", "strict", "dry_run")
REQUIRED = ("type", "store", "source", "event_id", "payload")
FOR_ONE = (*REQUIRED, "occurred_at", "priority", "queue")


class Command(TeachingCommand):
    """Record one event, or many from a file."""

    help = """
        Records events, as `neural.submit` does: one by options, or many from NDJSON (one JSON
        object a line, with the fields type, store, source, event_id, payload and, where wanted,
        occurred_at, priority, queue). Good lines go in although others are refused; what was
        refused is named on standard error with its line, field and reason. An event that is
        recorded already counts as a duplicate: sending a file again is safe.

        With --dry-run nothing is written: what would be refused is named, and what may be wrong
        with the rest (fields that no schema knows, a store that nobody has confirmed), each such
        thing once. --strict refuses such fields.

        With --url the events of a file go to the HTTP API of another deployment, in batches. A
        connection that breaks is tried again.
    """
    after_help = """
        examples:
          manage.py submit_event --type inventory.low --store S01 --source pos --event-id 1001 \\
              --payload '{"item": "flour", "level": 3, "threshold": 10}'
          manage.py submit_event --type order.created --store S01 --source pos --event-id 1002 \\
              --payload @order.json --occurred-at 2026-03-01T12:30
          manage.py submit_event --dry-run events.ndjson
          manage.py submit_event events.ndjson
          manage.py submit_event --backfill history.ndjson
          zcat history.ndjson.gz | manage.py submit_event --backfill --json -
          ZN_API_KEY=zn_… manage.py submit_event events.ndjson \\
              --url https://chain.example.com/api/v1
          tail -F -n +1 till.ndjson | manage.py submit_event - --key @key.txt \\
              --url https://chain.example.com/api/v1

        exit codes:
          0  everything is recorded (now or before), or would be
          1  something was refused
          2  wrong usage
          3  the server of --url was away for too long; type the same again
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds options for the event's fields and for a file."""
        parser.add_argument("file", nargs="?", help="NDJSON file; - is standard input")
        parser.add_argument("--type", help="type of the event, like order.created")
        parser.add_argument("--store", help="code of the store in which it happened")
        parser.add_argument("--source", help="who reports it, like pos or warehouse")
        parser.add_argument("--event-id", help="the source's own id of the event")
        parser.add_argument("--payload", help="JSON object, or @file (@- is standard input)")
        parser.add_argument(
            "--occurred-at", help="ISO 8601; without a zone the store's own time (now)"
        )
        parser.add_argument("--priority", type=int, help="1 to 10, 10 is most urgent (the type's)")
        parser.add_argument("--queue", help="queue of its runs (the type's)")
        parser.add_argument(
            "--backfill", action="store_true", help="history: runs on low_priority, delays nothing"
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="refuse fields that the type's schema does not know",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="write nothing, and say what would happen"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="answer as JSON: a summary on standard output, refusals on standard error, one "
            "a line",
        )

        parser.add_argument("--url", help="API of another deployment, like https://…/api/v1")
        parser.add_argument(
            "--key", help=f"its key, or @file (the environment's {KEY_VARIABLE})", default=""
        )
        parser.add_argument(
            "--give-up-seconds",
            type=float,
            default=GIVE_UP_SECONDS,
            help=f"how long a server may be away ({GIVE_UP_SECONDS})",
        )
        add_who(parser)

    def handle(self, *, file: str | None, **options: Any) -> None:
        """Submit, report, and exit with 1 if an event was refused."""
        refuse_wrong_usage(file, options)
        self.as_json, self.dry_run = options["json"], options["dry_run"]
        self.warned: set[Problem] = set()
        how = {name: options[name] for name in HOW}
        if file is None and not options["url"]:
            summary = self._submit_one(how, options)
        else:
            summary = self._submit_file(file, how, options)
        if self.as_json:
            self.stdout.write(json.dumps({each.value: summary[each] for each in Verdict}))
        if summary[Verdict.REFUSED]:
            sys.exit(1)

    def _submit_one(self, how: Mapping[str, Any], options: Mapping[str, Any]) -> Counter[Verdict]:
        event = event_of(options)
        with transaction.atomic():
            answer = submit(**event, **how, **AS_COMMAND)
            if answer.is_new and not self.dry_run:
                record_command(options, action="event.submit", rows=[answer.or_raise()])
        self._report(answer)
        if not (answer.is_refused or self.as_json):
            self.stdout.write(describe(answer))
        return Counter([answer.verdict])

    def _submit_file(
        self, name: str | None, how: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Counter[Verdict]:
        """Submit the lines of a file here or, with --url, to another deployment, which keeps the
        audit then."""
        summary: Counter[Verdict] = Counter()
        last = 0
        sender = self._sender(how, options) if options["url"] else None
        audit = recorded(options, action="event.submit")
        counting = nullcontext(Counted()) if self.dry_run or sender else audit
        try:
            with opened(name, options) as (file, bar), counting as done:
                for answer in answers(file, bar, how, sender):
                    summary[answer.submission.verdict] += 1
                    done.add(answer.submission.is_new)
                    last = answer.line
                    self._report(answer.submission, last)
        except ServerRefused as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        except (DatabaseError, ServerAway, KeyboardInterrupt) as error:
            raise interrupted(error, last, returncode=AWAY if sender else 1) from error
        self._sum_up(summary)
        return summary

    def _sender(self, how: Mapping[str, Any], options: Mapping[str, Any]) -> Sender:
        """The sender for the server and key that the options or the environment name."""
        key = options["key"] or os.environ.get(KEY_VARIABLE, "")
        try:
            if key.startswith("@"):
                key = Path(key[1:]).read_text().strip()
            url = checked_url(options["url"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        if not re.fullmatch(r"[!-~]+", key):
            raise CommandError(
                f"--key: missing, or no key. Write --key @file, or set {KEY_VARIABLE}",
                returncode=WRONG_USAGE,
            )
        return Sender(
            url=url,
            key=key,
            options=[name for name in HOW if how[name]],
            give_up_seconds=options["give_up_seconds"],
            notify=self._warn,
        )

    def _warn(self, sentence: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            self.stderr.write(sentence)

    def _sum_up(self, summary: Counter[Verdict]) -> None:
        if not self.as_json:
            self.stdout.write(
                f"{summary[Verdict.NEW]:,} new, {summary[Verdict.DUPLICATE]:,} recorded before, "
                f"{summary[Verdict.REFUSED]:,} refused"
                + ("; nothing is written, because this is a dry run" if self.dry_run else "")
            )

    def _report(self, answer: Submission, line: int | None = None) -> None:
        """Print each problem of a refused event, without disturbing a progress bar; of one event
        and in a dry run also what may be wrong, each such thing once."""
        warnings = set(answer.warnings) - self.warned if self.dry_run or not line else set()
        self.warned |= warnings
        with tqdm.external_write_mode(file=sys.stderr):
            for problem in (*answer.problems, *(w for w in answer.warnings if w in warnings)):
                if self.as_json:
                    place = {"line": line} if line else {}
                    kind = {"warning": True} if problem in warnings else {}
                    found = {**place, **kind, "field": problem.field, "reason": problem.reason}
                    self.stderr.write(json.dumps(found, ensure_ascii=False))
                else:
                    kind_of = "warning: " if problem in warnings else ""
                    self.stderr.write((f"line {line}: " if line else "") + kind_of + str(problem))


def refuse_wrong_usage(file: str | None, options: Mapping[str, Any]) -> None:
    """Raise CommandError unless the options name either a file or a whole event."""
    given = [name for name in FOR_ONE if options[name] is not None]
    missing = [option(name) for name in REQUIRED if options[name] is None]
    if file is not None and given:
        text = ", ".join(map(option, given))
        reason = f"{text}: a file's lines say this themselves; leave out the file or the options"
        if options["type"] is None and file != "-" and not os.path.exists(file):  # of any length
            reason += f". There is no file {file}; if that is the event's type, write --type {file}"
        raise CommandError(reason, returncode=WRONG_USAGE)
    if file is None and missing:
        raise CommandError(
            f"{', '.join(missing)}: missing. Give one event by options, or a file of NDJSON "
            "(- is standard input); --help has examples",
            returncode=WRONG_USAGE,
        )
    if not options["url"] and options["key"]:
        raise CommandError("--key: only with --url", returncode=WRONG_USAGE)


@contextmanager
def opened(name: str | None, options: Mapping[str, Any]) -> Iterator[tuple[IO[bytes], Any]]:
    """A file with a progress bar over its bytes, if there is a terminal; standard input; or the
    event that the options give."""
    if name is None:
        yield BytesIO(json.dumps(event_of(options)).encode()), tqdm(disable=True)
        return
    if name == "-":
        yield sys.stdin.buffer, tqdm(disable=True)
        return
    try:
        file = open(name, "rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
    size = Path(name).stat().st_size or None
    with file, tqdm(total=size, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        yield file, bar


def answers(
    file: IO[bytes], bar: Any, how: Mapping[str, Any], sender: Sender | None
) -> Iterator[LineAnswer]:
    """The answer to each line, from here or from a server; what is read or sent advances the
    bar."""
    if sender is None:
        yield from submit_lines(counted(bounded_lines(file), bar), **how, **AS_COMMAND)
        return
    for batch in batches(file):
        yield from sender.send(batch)
        bar.update(sum(len(line) for _, line in batch))


def option(name: str) -> str:
    """The option for a field."""
    return "--" + name.replace("_", "-")


def event_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The event that the options give."""
    event = {name: options[name] for name in FOR_ONE if options[name] is not None}
    return {**event, "payload": read_payload(options["payload"])}


def read_payload(given: str) -> Any:
    """The payload from an option's value, or from the file that the value names."""
    try:
        if given == "@-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text(encoding="utf-8-sig")
        return json.loads(given)
    except OSError as error:
        raise CommandError(f"--payload: {error}", returncode=WRONG_USAGE) from error
    except RecursionError as error:
        reason = f"--payload {depth_problem(None, conf().max_json_depth)}"
        raise CommandError(reason, returncode=WRONG_USAGE) from error
    except ValueError as error:
        raise CommandError(f"--payload is not JSON: {error}", returncode=WRONG_USAGE) from error


def counted(lines: Iterable[bytes], bar: Any) -> Iterator[bytes]:
    """The lines; each one advances the bar."""
    for line in lines:
        bar.update(len(line))
        yield line


def describe(answer: Submission) -> str:
    """A line about what became of one event."""
    event = answer.or_raise()
    name = f"{event.type} {event.event_id!r} of store {event.store_id}"
    if answer.is_duplicate:
        return f"{name} was recorded before, on {event.recorded_at:%Y-%m-%d %H:%M} UTC: no change"
    if answer.event_pk is None:
        planned = ", ".join(
            f"{run.handler} on {run.queue}" + run.superseded * " (a newer statement is known)"
            for run in answer.planned
        )
        return f"{name} would be recorded: {planned or 'no handler'}. Nothing is written"
    runs = ", ".join(f"{run.handler} on {run.queue}" for run in event.runs.all())
    return f"{name} is recorded as event {event.pk}: {runs or 'no handler, kept for a replay'}"


def interrupted(error: BaseException, last: int, *, returncode: int) -> CommandError:
    """The error after an input that could not be read to its end; it says how to continue."""
    why = "stopped" if isinstance(error, KeyboardInterrupt) else str(error)
    if isinstance(error, DatabaseError):
        why = f"the database failed: {error}"
    return CommandError(
        f"{why}. Everything up to line {last} is done; send the same input again when it can "
        "go on: what is recorded already counts as a duplicate",
        returncode=returncode,
    )
