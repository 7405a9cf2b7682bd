"""`manage.py doctor`: checks whether everything is well, and says what to do if not."""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser
from django.utils import translation
from django.utils.translation import get_supported_language_variant, to_language

from neural.health import Finding, Status, examine
from neural.health.findings import STATUS_NAMES
from neural.management.teaching import TeachingCommand

NAME_WIDTH, STATUS_WIDTH = 12, 7


class Command(TeachingCommand):
    """Check that everything works, and say what to do if not."""

    help = """
        Looks at settings, database, broker, workers, queues and runs, and prints a line for
        each: ok, unknown, warning (look when there is time) or problem (something does not work
        now), what was found, and after the arrow what to do about it. Changes nothing. Takes a
        few seconds at most, even when database or broker stand still.
    """
    after_help = """
        examples:
          manage.py doctor
          manage.py doctor --language zh-hans
          manage.py doctor --json | jq '.findings[] | select(.status != "ok")'

        exit codes:
          0  nothing is wrong (there may be warnings)
          1  at least one problem
          2  wrong usage
    """
    # The command reports what the checks find; a failed check must not keep it from starting.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds --json and --language."""
        parser.add_argument("--json", action="store_true", help="the findings as one JSON object")
        names = ", ".join(code for code, name in settings.LANGUAGES[:10])
        parser.add_argument(
            "--language",
            metavar="CODE",
            help=f"{names} (as LANG says, else LANGUAGE_CODE); probes and JSON keys stay the same",
        )

    def handle(self, **options: Any) -> None:
        """Print every finding; exit with 1 if one is a problem."""
        try:
            language = language_of(options["language"])
        except LookupError as error:
            raise CommandError(f"There is no language {error}.", returncode=2) from error
        with translation.override(language):
            self._examine(as_json=options["json"])

    def _examine(self, *, as_json: bool) -> None:
        # Without this, connecting to PostgreSQL waits for ever if a firewall drops its packets.
        os.environ.setdefault("PGCONNECT_TIMEOUT", "2")
        findings = examine()
        healthy = not any(each.status == Status.PROBLEM for each in findings)
        if as_json:
            report = {"healthy": healthy, "findings": [asdict(each) for each in findings]}
            self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
        else:
            for finding in findings:
                self.stdout.write(self._line(finding))
        if not healthy:
            sys.exit(1)

    def _line(self, finding: Finding) -> str:
        colours = {
            Status.OK: self.style.SUCCESS,
            Status.UNKNOWN: self.style.NOTICE,
            Status.WARNING: self.style.WARNING,
            Status.PROBLEM: self.style.ERROR,
        }
        status = colours[finding.status](padded(str(STATUS_NAMES[finding.status]), STATUS_WIDTH))
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        return f"{status}  {finding.probe:{NAME_WIDTH}}  {finding.found}{remedy}"


def padded(text: str, width: int) -> str:
    """The text, padded to a width in terminal columns; a Chinese character takes two."""
    columns = sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
    return text + " " * (width - columns)


def language_of(chosen: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The chosen language, else the terminal's (LC_ALL, LC_MESSAGES, LANG) if the project has it,
    else LANGUAGE_CODE. Raises LookupError if the project does not have the chosen one."""
    if chosen:
        return get_supported_language_variant(chosen.lower())
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    try:
        return get_supported_language_variant(to_language(locale.partition(".")[0]))
    except LookupError:
        return settings.LANGUAGE_CODE
