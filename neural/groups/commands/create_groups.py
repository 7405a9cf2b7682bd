"""`manage.py create_groups`: makes the groups of users, and brings their permissions up to date."""

import getpass
from collections.abc import Sequence
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import transaction

from neural import audit
from neural.groups.table import GroupDifference, GroupsNotMade, differences, make
from neural.management.teaching import TeachingCommand
from neural.models import AuditSource


class Command(TeachingCommand):
    """Make the groups of users, and bring their permissions up to date."""

    help = """
        Makes the groups viewer, operator, manager and every store, or adds the permissions that
        they lack. It may be run again and again, also after an update: it takes away nothing
        unless --exact is given. Put a user into one of the first three, and into 'every store' if
        they are to see the rows of all stores.
    """
    after_help = """
        examples:
          manage.py create_groups --dry-run
          manage.py create_groups
          manage.py create_groups --prefix 'Neural '

        exit codes:
          0  the groups are as they should be
          1  a group of this name is somebody else's, or a permission is not in the database
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds what there is to choose."""
        parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
        parser.add_argument(
            "--exact", action="store_true", help="also take away what the table does not have"
        )
        parser.add_argument(
            "--prefix", default="", metavar="TEXT", help="the groups' names begin with this"
        )
        parser.add_argument(
            "--adopt", action="store_true", help="use groups of these names that have other duties"
        )
        parser.add_argument("--by", default="", help="who asks (the user of this machine)")

    def handle(
        self, *, dry_run: bool, exact: bool, prefix: str, adopt: bool, by: str, **options: Any
    ) -> None:
        """Show the differences, and unless it is a dry run, make them."""
        try:
            with transaction.atomic():
                found = differences(prefix=prefix, adopt=adopt)
                if not dry_run:
                    _make(found, exact=exact, by=by)
        except GroupsNotMade as error:
            raise CommandError(f"{error}.") from error
        for each in found:
            self.stdout.write(describe(each, exact=exact))
        if dry_run:
            self.stdout.write("Nothing was changed: this was a dry run.")


def describe(change: GroupDifference, *, exact: bool) -> str:
    """A line about a group, and one for each permission that it does not share with the table."""
    lines = [f"  + {name}" for name in change.missing]
    if exact:
        lines += [f"  - {name}" for name in change.more]
    else:
        lines += [f"  ? {name} is not in the table: kept" for name in change.more]
    is_same = not change.missing and not (exact and change.more)
    standing = "new" if change.is_new else "as it should be" if is_same else "changed"
    return "\n".join([f"{change.name}: {standing}", *lines])


def _make(found: Sequence[GroupDifference], *, exact: bool, by: str) -> None:
    groups = make(found, exact=exact)
    by_name = {each.name: each for each in found}
    for group in groups:
        change = by_name[group.name]
        audit.record(
            action="group.update",
            by=_who(by),
            source=AuditSource.COMMAND,
            rows=[group],
            details={
                "added": list(change.missing),
                "removed": list(change.more) if exact else [],
            },
        )


def _who(given: str) -> str:
    """The name that the audit log keeps, at most 150 characters."""
    try:
        return str(given or getpass.getuser())[:150]
    except (KeyError, OSError):  # a container's user may have no name
        return "manage.py"
