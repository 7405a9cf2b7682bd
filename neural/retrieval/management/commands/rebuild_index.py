"""`manage.py rebuild_index`: rebuild search indexes from the database."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import transaction
from tqdm import tqdm

from neural.kit.errors import NeuralError
from neural.management.acting import add_who, record_command
from neural.management.teaching import TeachingCommand
from neural.models import TaskRun
from neural.retrieval.index.lag import why_it_waits, why_nobody_builds_it
from neural.retrieval.index.rebuilding import REBUILD_TASK, open_rebuild
from neural.retrieval.management.collections import known_collections
from neural.retrieval.models import IndexState, OutboxEntry, SearchIndex
from neural.worker.in_process import work_here

REQUESTER = "rebuild_index"
LOOK_SECONDS = 0.5
GIVEN_UP = 3


class Command(TeachingCommand):
    """Rebuild search indexes from the database."""

    help = """
        Makes search indexes anew from the database: after a change of model, vector store or
        release, or to take in what is older than the index. The old index is searched until the
        new one is whole; what changes meanwhile is in both. The work is done by runs on
        low_priority, in slices, which workers do when nothing more urgent waits; with --now it is
        done here and needs no worker. It goes on when this command is stopped. Without a
        COLLECTION all of them are rebuilt.
    """
    after_help = """
        examples:
          manage.py rebuild_index
          manage.py rebuild_index dishes orders
          manage.py rebuild_index dishes --no-wait
          manage.py rebuild_index --now             (without workers)

        exit codes:
          0    the new indexes are searched; with --no-wait: they are being built
          1    an index cannot be made: the message says why
          2    wrong usage, or there is no such collection
          3    a building was given up, in the admin or because the settings changed
          130  stopped with Ctrl-C; the building goes on where workers run
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Which collections, and whether to wait."""
        parser.add_argument("collections", nargs="*", metavar="COLLECTION")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--no-wait", action="store_true", help="begin and leave it")
        how.add_argument("--now", action="store_true", help="work here, without workers")
        add_who(parser)

    def handle(
        self, *, collections: Sequence[str], no_wait: bool, now: bool, **options: Any
    ) -> None:
        """Begin all rebuilds, wait for each, and report it."""
        indexes = [self._open(name, options) for name in known_collections(collections)]
        if no_wait:
            return
        try:
            for index in indexes:
                wait(index.pk, work_here_too=now)
                self._report(index)
        except KeyboardInterrupt:
            self.stderr.write(
                "Stopped. The building goes on where workers run (or: rebuild_index --now)."
            )
            raise SystemExit(130) from None

    def _open(self, name: str, options: Mapping[str, Any]) -> SearchIndex:
        try:
            with transaction.atomic():
                opened = open_rebuild(name, requested_by=REQUESTER)
                if opened.is_new:
                    record_command(options, action="searchindex.rebuild", rows=[opened.index])
        except NeuralError as error:
            raise CommandError(str(error)) from error
        what = "is being built" if opened.is_new else "was being built already"
        self.stdout.write(
            f"{name}: index {opened.index.pk} {what}: about {opened.index.records_total:,} records."
        )
        return opened.index

    def _report(self, index: SearchIndex) -> None:
        index.refresh_from_db()
        if index.state == IndexState.CANCELLED:
            error = TaskRun.objects.filter(task_id=index.task_id).values_list("error").first()
            why = "".join(error or ()) or "the building was given up; the old index stays."
            raise CommandError(f"{index.collection}: {why}", returncode=GIVEN_UP)
        message = f"{index.collection}: {index.rows:,} records are searched"
        refused = OutboxEntry.objects.refused().filter(collection=index.collection).count()
        if refused:
            message += f"; {refused:,} cannot be: the admin says why (Records to index)"
        self.stdout.write(f"{message}.")


def wait(number: int, *, work_here_too: bool) -> None:
    """Wait until an index is active or cancelled, with a progress bar. With ``work_here_too``, this
    process builds it. Raises CommandError instead of waiting in vain: nobody retries a dead run,
    nor a failed one if only this process works."""
    last_reason = ""
    with tqdm(unit=" records", leave=False, disable=None) as bar:
        while (index := SearchIndex.objects.get(pk=number)).state == IndexState.BUILDING:
            bar.set_description_str(index.collection)
            bar.total, bar.n = max(index.records_total, index.records_done), index.records_done
            bar.refresh()
            if not (work_here_too and next(work_here([REBUILD_TASK]), None)):
                time.sleep(LOOK_SECONDS)
            why = why_it_waits(index)
            if nobody := why_nobody_builds_it(index) or (work_here_too and why):
                raise CommandError(f"{index.collection}: {nobody}")
            if why and why != last_reason:
                last_reason = why
                bar.write(f"{index.collection}: {why}; it is tried again", file=sys.stderr)
