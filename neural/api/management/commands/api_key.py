"""`manage.py api_key`: issues, lists, revokes and rotates keys of the HTTP API."""

import argparse
import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from neural.api import keys
from neural.api.models import ApiKey, KeyState, Scope
from neural.management.acting import add_who, record_command
from neural.management.teaching import TeachingCommand, now, point_in_time, wide
from neural.models import Store

WRONG_USAGE = 2
SHOWN_STORES = 5
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(TeachingCommand):
    """Issue, list, rotate and revoke keys of the HTTP API."""

    help = """
        Issues keys of the HTTP API, lists them, and revokes or rotates one. A key is printed once,
        alone on standard output; only a hash of it is stored. What else there is to say goes to
        standard error. `list` shows the prefix by which `revoke` and `rotate` know a key.
    """
    after_help = """
        examples:
          manage.py api_key issue --name 'till 3' --scope events:write --store S01
          manage.py api_key issue --name reports --scope events:read --scope forecasts \\
              --every-store --expires 90d
          manage.py api_key list
          manage.py api_key rotate 1a2b3c4d5e --overlap 24h > /etc/till/key
          manage.py api_key revoke 1a2b3c4d5e

        scopes: events:write, events:read, runs:retry, search, forecasts

        exit codes:
          0  done; a key that is revoked already counts as revoked
          1  the key cannot be rotated
          2  wrong usage: an unknown store, scope or key
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the four commands and their options."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
        issue = commands.add_parser("issue", help="make a key and print it")
        issue.add_argument("--name", required=True, help="who uses it, like 'till 3'")
        issue.add_argument(
            "--scope", action="append", required=True, help="what it permits; may be repeated"
        )
        issue.add_argument(
            "--store", action="append", default=[], help="code of a store; may be repeated"
        )
        issue.add_argument("--every-store", action="store_true", help="also stores added later")
        issue.add_argument(
            "--expires",
            type=moment_ahead,
            metavar="TIME",
            help="a span (90d, 12h), a day, or ISO 8601 (never)",
        )
        issue.add_argument(
            "--rate", type=float, metavar="NUMBER", help="requests and events a second (settings)"
        )
        commands.add_parser("list", help="show all keys, without their secrets")
        revoke = commands.add_parser("revoke", help="refuse a key from now on, for good")
        revoke.add_argument("prefix", help="the key's prefix, as `list` shows it")
        rotate = commands.add_parser("rotate", help="replace a key by a new one and print that")
        rotate.add_argument("prefix", help="the key's prefix, as `list` shows it")
        rotate.add_argument(
            "--overlap",
            type=span,
            default=dt.timedelta(hours=24),
            metavar="SPAN",
            help="how long the old key stays valid, like 30m, 24h, 7d, 0s (24h)",
        )
        for each in (issue, revoke, rotate):
            add_who(each)

    def handle(self, *, what: str, **options: Any) -> None:
        """Do what is asked for."""
        {"issue": self._issue, "list": self._list, "revoke": self._revoke, "rotate": self._rotate}[
            what
        ](options)

    @sensitive_variables("text")
    def _issue(self, options: dict[str, Any]) -> None:
        try:
            with transaction.atomic():
                key, text = keys.issue(
                    name=options["name"],
                    scopes=checked_scopes(options["scope"]),
                    stores=chosen_stores(options["store"], options["every_store"]),
                    expires_at=options["expires"],
                    rate_per_second=options["rate"],
                )
                record_command(options, action="apikey.add", rows=[key])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=WRONG_USAGE) from error
        self.stdout.write(text)
        until = f"until {day_of(key.expires_at)}" if key.expires_at else "until it is revoked"
        self.stderr.write(f"{key} is valid {until}. It is not shown again.")

    def _list(self, options: dict[str, Any]) -> None:
        found = ApiKey.objects.with_clock().prefetch_related("stores").order_by("pk")
        for key in found.iterator(chunk_size=500):
            self.stdout.write(describe(key))

    def _revoke(self, options: dict[str, Any]) -> None:
        key = existing_key(options["prefix"])
        with transaction.atomic():
            done = keys.revoke(key)
            if done:
                record_command(options, action="apikey.revoke", rows=[key])
        self.stderr.write(f"{key} is revoked." if done else f"{key} was revoked before.")

    @sensitive_variables("text")
    def _rotate(self, options: dict[str, Any]) -> None:
        old = existing_key(options["prefix"])
        try:
            with transaction.atomic():
                new, text = keys.rotate(old, overlap=options["overlap"])
                details = {"new key": str(new)}
                record_command(options, action="apikey.rotate", rows=[old], details=details)
        except keys.KeyNotRotated as error:
            raise CommandError(f"{error}.") from error
        except ValueError as error:
            raise CommandError(f"--overlap: {error}", returncode=WRONG_USAGE) from error
        self.stdout.write(text)
        old.refresh_from_db()
        self.stderr.write(f"{new} replaces {old}, which ends {day_of(old.expires_at)}.")


def checked_scopes(given: Sequence[str]) -> list[str]:
    """The scopes, each once; raises CommandError for an unknown one."""
    unknown = sorted(set(given) - set(Scope.values))
    if unknown:
        raise CommandError(
            f"--scope: {', '.join(unknown)} is none of {', '.join(Scope.values)}",
            returncode=WRONG_USAGE,
        )
    return sorted(set(given))


def chosen_stores(codes: Sequence[str], every_store: bool) -> list[Store] | None:
    """The stores with these codes, or None for every store; raises CommandError if the options
    name none, both, or a store that does not exist."""
    if every_store == bool(codes):
        raise CommandError(
            "name the stores by --store CODE, or all of them by --every-store",
            returncode=WRONG_USAGE,
        )
    if every_store:
        return None
    found = Store.objects.in_bulk(set(codes))
    unknown = [code for code in dict.fromkeys(codes) if code not in found]
    if unknown:
        raise CommandError(
            f"--store: there is no store {', '.join(unknown)}. A store is there once an event "
            "named it, or once it was added in the admin",
            returncode=WRONG_USAGE,
        )
    return list(found.values())


def existing_key(given: str) -> ApiKey:
    """The key with this prefix; ``zn_`` before it and a ``…`` after it do no harm."""
    prefix = given.removeprefix("zn_").rstrip("….")
    key = ApiKey.objects.filter(prefix=prefix).first()
    if key is None:
        # Not repeated in the message: a person may have typed a whole key.
        raise CommandError(
            "no key has this prefix; manage.py api_key list shows them", returncode=WRONG_USAGE
        )
    return key


def span(text: str) -> dt.timedelta:
    """A length of time from an option's text."""
    if not (found := _SPAN.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no span; write one like 30m, 24h or 7d")
    try:
        return dt.timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is too long") from error


def moment_ahead(text: str) -> dt.datetime:
    """A time ahead from an option's text: a span from now, a day or a time."""
    current = now()
    try:
        moment = current + span(text) if _SPAN.fullmatch(text) else point_in_time(text)
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is too long") from error
    if moment <= current:
        raise argparse.ArgumentTypeError(f"{text!r} is past")
    return moment


def day_of(moment: dt.datetime | None) -> str:
    """A time in the current zone, to the minute."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else "never"


def describe(key: Any) -> str:
    """A line about a key."""
    codes = [store.pk for store in key.stores.all()]
    more = f" and {len(codes) - SHOWN_STORES} more" if len(codes) > SHOWN_STORES else ""
    stores = "every store" if key.every_store else ", ".join(codes[:SHOWN_STORES]) + more
    state = KeyState(key.state(key.now)).value
    return (
        f"{key.prefix}  {state:<7}  {wide(key.name, 24)}  {','.join(key.scopes)}  "
        f"{stores or 'no store'}  expires {day_of(key.expires_at)}, "
        f"last used {day_of(key.last_used_at)}"
    )
