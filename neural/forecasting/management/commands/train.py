"""`manage.py train`: opens a round of federated training and waits for it."""

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import transaction
from tqdm import tqdm

from neural.forecasting.management.commands.federated_report import ended, is_good, lines, outcome
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingPlan, TrainingRound
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.report import Report, report_of_round
from neural.forecasting.rounds.asking import ADVANCE_TASK, FORECAST_TASK
from neural.forecasting.rounds.opening import open_round
from neural.forecasting.rounds.progress import RoundProgress, round_progress
from neural.forecasting.rounds.training import steps
from neural.kit.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.management.acting import add_who, record_command
from neural.management.teaching import TeachingCommand, day
from neural.models import Store
from neural.worker.in_process import work_here

REQUESTER = "train"
LOOK_SECONDS = 0.5
NO_VERSION = 3


class Command(TeachingCommand):
    """Train the demand forecast across stores, and wait for it."""

    help = """
        Trains the demand forecast across stores: opens a round that invites every store with
        enough history, or joins the one that is open, shows how far it is, and says how it ended.
        One run on low_priority trains it, which gives way to other work that waits; with --now
        the work is done here and needs no worker. It happens every night by itself where beat
        runs. The round goes on when this command is stopped.
    """
    after_help = """
        examples:
          manage.py train
          manage.py train --store S01               (ends with what became of this store)
          manage.py train --no-wait
          manage.py train --now                     (without workers)
          manage.py train --as-of 2019-05-01        (sales ended long ago: as on that morning)

        exit codes:
          0    a version was published, or waits for a person to publish it; with --no-wait: the
               round is open
          1    the plan is switched off or missing
          2    wrong usage, or there is no such store
          3    the round made no version that is better, or failed: it says why, and the version
               in force stays
          130  stopped with Ctrl-C; the round goes on where workers run
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for the model, the store, and whether to wait."""
        parser.add_argument("--model-type", default=DEFAULT_MODEL_TYPE, metavar="NAME")
        parser.add_argument("--store", metavar="CODE", help="say what became of this store")
        parser.add_argument(
            "--as-of",
            type=day,
            metavar="DAY",
            help="train and forecast as on the morning of this day, for sales that ended long ago",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--no-wait", action="store_true", help="open the round and leave it")
        how.add_argument("--now", action="store_true", help="work here, without workers")
        add_who(parser)

    def handle(
        self,
        *,
        model_type: str,
        store: str | None,
        as_of: dt.date | None,
        no_wait: bool,
        now: bool,
        **options: Any,
    ) -> None:
        """Open the round, wait for it and print the outcome."""
        if store is not None and not Store.objects.filter(pk=store).exists():
            raise CommandError(f"there is no store {store!r}", returncode=2)
        training = self._open(model_type, as_of, options)
        if no_wait:
            return
        try:
            wait(training.pk, work_here_too=now)
        except KeyboardInterrupt:
            self.stderr.write("Stopped. The round goes on where workers run (or: train --now).")
            raise SystemExit(130) from None
        self._report(TrainingRound.objects.defer("server_state").get(pk=training.pk), store)

    def _open(
        self, model_type: str, as_of: dt.date | None, options: Mapping[str, Any]
    ) -> TrainingRound:
        try:
            with transaction.atomic():
                opened = open_round(
                    name=model_type, now=database_clock(), requested_by=REQUESTER, as_of=as_of
                )
                if opened.is_new:
                    plans = list(TrainingPlan.objects.filter(model_type=model_type))
                    record_command(options, action="trainingplan.run", rows=plans)
        except NeuralError as error:
            raise CommandError(str(error)) from error
        training = opened.round
        if training is None:
            raise CommandError(f"The plan of {model_type} is switched off: see the admin.")
        what = "is opened" if opened.is_new else "was open already"
        self.stdout.write(f"Round {training.pk} {what}: {training.invited:,} stores are invited.")
        return training

    def _report(self, training: TrainingRound, store: str | None) -> None:
        report = report_of_round(training, visible=StoreUpdate.objects.all())
        for line in lines(report):
            self.stdout.write(line)
        version = ModelVersion.objects.filter(round=training).only("number").first()
        self.stdout.write(ended(training, version.number if version else None))
        if store is not None:
            self.stdout.write(_receipt(report, store))
        if not is_good(training):
            raise CommandError("The version in force stays.", returncode=NO_VERSION)


def _receipt(report: Report, store: str) -> str:
    found = next((each for each in report.stores if each.update.store_id == store), None)
    return f"{store}: {outcome(found) if found else 'not invited, it has not enough history'}"


def wait(number: int, *, work_here_too: bool) -> None:
    """Wait, with a progress bar, until the round has closed. ``work_here_too``: do the round's work
    in this process, and make the forecasts afterwards."""
    with tqdm(unit=" exchanges", leave=False, disable=None) as bar:
        for progress in looks(number, work_here_too=work_here_too):
            bar.total, bar.n = progress.about, progress.exchange
            bar.set_postfix_str(f"{progress.label}, {progress.taking_part} stores")
    if work_here_too:
        for _ in tqdm(
            work_here([ADVANCE_TASK, FORECAST_TASK]), unit=" runs", leave=False, disable=None
        ):
            pass


def looks(number: int, *, work_here_too: bool) -> Iterator[RoundProgress]:
    """Yield the round's progress now and then until it has closed."""
    while (training := TrainingRound.objects.get(pk=number)).is_open:
        yield round_progress(training)
        if work_here_too:
            yield from map(round_progress, steps(training))
        if training.is_open:  # workers train it, or somebody has ended it
            time.sleep(LOOK_SECONDS)
