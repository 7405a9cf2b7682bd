"""Probe of writing: does the database accept a row?"""

import time

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from neural.health.findings import Finding, ok, problem
from neural.health.remedies import remedies
from neural.health.situation import Situation
from neural.ledger import dialects
from neural.models import WorkerProcess

PATIENCE_SECONDS = 1


def writing(situation: Situation) -> Finding:
    """A row can be written and deleted again, both committed.

    A row that is rolled back never reaches the disk, so a full disk would accept it.
    """
    started = time.perf_counter()
    try:
        with transaction.atomic(), dialects.ledger_connection().cursor() as cursor:
            row = WorkerProcess.objects.create(name="doctor", host="", process_id=0)
            cursor.execute("DELETE FROM neural_workerprocess WHERE id = %s", [row.pk])
    except DatabaseError as error:
        return problem(
            "writing",
            _("the database takes no write within %(seconds)d s: %(error)s")
            % {"seconds": PATIENCE_SECONDS, "error": first_line(error)},
            remedies().of_writing(error),
        )
    took = {"milliseconds": f"{(time.perf_counter() - started) * 1000:.0f}"}
    return ok("writing", _("a row is written in %(milliseconds)s ms") % took)


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
