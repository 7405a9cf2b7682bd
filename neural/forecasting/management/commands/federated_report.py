"""`manage.py federated_report`: prints a round's forecast errors by store and method."""

import json
from typing import Any

from django.core.management import CommandError, CommandParser

from neural.forecasting.management.text import as_json, ended, lines
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingRound
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.report import (
    Report,
    newest_round,
    report_of_round,
    report_of_version,
)
from neural.management.teaching import TeachingCommand


class Command(TeachingCommand):
    """Print a round's forecast errors by store and method."""

    help = """
        Shows how a round of training went: how far forecasts err, by method, over all stores and
        for each, on the last days of each store, which nobody trained on; and which stores were
        left out and why. WAPE is absolute error / what was sold; MASE is the error / that of "as
        a week before"; P10-P90 is the share of days within that band (80 % is right); bias is
        what is forecast too much in all. Gain is how much less the new version errs than the
        better simple rule.
    """
    after_help = """
        examples:
          manage.py federated_report                (the last round that ended)
          manage.py federated_report --round 12
          manage.py federated_report --version 3 --json | jq .methods.candidate

        exit codes:
          0  shown
          1  there has been no round yet
          2  wrong usage, or there is no such round or version
    """

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Here, ``--version`` is a model version; Django's own is ``django-admin --version``."""
        kwargs["conflict_handler"] = "resolve"
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for the round and the output."""
        parser.add_argument("--model-type", default=DEFAULT_MODEL_TYPE, metavar="NAME")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--round", type=int, metavar="N", help="this round (the last one)")
        which.add_argument("--version", type=int, metavar="N", help="that of this model version")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(
        self,
        *,
        model_type: str,
        round: int | None,  # noqa: A002 (the option's name)
        version: int | None,
        **options: Any,
    ) -> None:
        """Find the report and print it."""
        report = found(model_type, round, version)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report), ensure_ascii=False))
            return
        if report.round is not None:
            self.stdout.write(
                ended(report.round, report.version.number if report.version else None)
            )
        for line in lines(report):
            self.stdout.write(line)


def found(model_type: str, number: int | None, version: int | None) -> Report:
    """The report of a round, of a version, or of the last round that ended."""
    every = StoreUpdate.objects.all()
    if version is not None:
        rows = ModelVersion.objects.of(model_type).filter(number=version).defer("content")
        made = rows.select_related("round").first()
        if made is None:
            raise CommandError(f"there is no version {version} of {model_type}", returncode=2)
        return report_of_version(made, shown=every)
    if number is not None:
        chosen = TrainingRound.objects.filter(pk=number).defer("server_state", "question").first()
        if chosen is None:
            raise CommandError(f"there is no round {number}", returncode=2)
        return report_of_round(chosen, shown=every)
    last = newest_round(model_type=model_type)
    if last is None:
        raise CommandError("There has been no round yet. Type: manage.py train")
    return report_of_round(last, shown=every)
