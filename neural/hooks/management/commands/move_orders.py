"""`manage.py move_orders`: moves orders between the stores of a changed code."""

from contextlib import nullcontext
from typing import Any

from django.core.management import CommandError, CommandParser

from neural.hooks.incoming.moving import move, why_not
from neural.hooks.models import StoreCode
from neural.management.acting import Counted, add_who, recorded
from neural.management.teaching import TeachingCommand


class Command(TeachingCommand):
    """Move orders between the stores of a changed code."""

    help = """
        Moves orders of a webhook source between the former and the present store of a code, by the
        code's first business day. Where an order was, it is voided and its payments are cancelled,
        also if both stores have it. It may be stopped and repeated at any time.
    """
    after_help = """
        examples:
          manage.py move_orders --source square-bund --code L1 --dry-run
          manage.py move_orders --source square-bund --code L1

        exit codes:
          0  done
          1  some events were refused
          2  wrong usage, there is no such code, or its orders cannot be told apart
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Which code."""
        parser.add_argument("--source", required=True, metavar="NAME", help="the webhook source")
        parser.add_argument("--code", required=True, help="the code that was changed")
        parser.add_argument("--dry-run", action="store_true", help="only count")
        add_who(parser)

    def handle(self, *, source: str, code: str, dry_run: bool, **options: Any) -> None:
        """Move them, and report how many."""
        changed = StoreCode.objects.filter(source__name=source, code=code).first()
        why = why_not(changed) if changed else f"{source} has no code {code!r}"
        if changed is None or why:
            raise CommandError(why, returncode=2)
        audit = recorded(options, action="storecode.move", query={"source": source, "code": code})
        with nullcontext(Counted()) if dry_run else audit as done:
            counts = move(changed, dry_run=dry_run)
            done.add(counts["moved"])
        self.stdout.write(f"moved {counts['moved']:,}, refused {counts['refused']:,} events")
        if counts["refused"]:
            raise CommandError("some events were not moved", returncode=1)
