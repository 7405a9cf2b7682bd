"""What this app would add to the core, if a test has it do so: one thing of each kind."""

from contextlib import ExitStack, contextmanager

from django.contrib.admin.models import LogEntry
from django.db import models
from django.forms import Media
from django.http import HttpResponse
from django.urls import path, reverse

from neural.admin.panels import PANELS, Panel, register_panel
from neural.admin.store_links import STORE_LINKS, register_rows_of_stores, register_store_page
from neural.events.changes import LISTENERS, register_listener
from neural.events.insertion import INSERT_HOOKS, InsertHook, register_insert_hook
from neural.health import Check, findings, register_check
from neural.health.checks import CHECKS
from neural.health.database import PLACES, register_place
from neural.health.examination import CORE
from neural.ledger.prune import PRUNABLES, Prunable, register_prunable
from neural.models import NeuralEvent, Store
from neural.worker.relay import DUTIES
from tests.registries import emptied

REGISTRIES = (PANELS, STORE_LINKS, LISTENERS, INSERT_HOOKS, CHECKS, PLACES, DUTIES, PRUNABLES)


@contextmanager
def core_alone():
    """As if no app had added anything."""
    with ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(emptied(registry))
        for check in CORE:
            register_check(check)
        yield


def add_panel(*, name="note", model: type[models.Model] = NeuralEvent, note="A note", **options):
    """A panel with an address of its own."""

    def more(request, key):
        return HttpResponse(f"more of {key}")

    def addresses(model_admin):
        view = model_admin.admin_site.admin_view(more)
        return [path(f"<str:key>/{name}/", view, name=f"probe_{name}")]

    def context(request, row):
        return note and {"note": note, "address": reverse(f"admin:probe_{name}", args=[row.pk])}

    register_panel(
        Panel(
            name=name,
            model=model,
            title="Notes",
            template="probe/note.html",
            context=context,
            addresses=addresses,
            media=Media(css={"all": [f"probe/{name}.css"]}),
            **options,
        )
    )


def add_store_links():
    """A list of a store's rows, and a page about it."""
    register_rows_of_stores(NeuralEvent)
    register_store_page("neural_store_history", "its history")


def add_probe(answer=None):
    """A probe that answers this, or fails."""

    def probe(situation):
        if answer is None:
            raise LookupError("no guests")
        return findings.warning(answer, "count them")

    register_check(Check("guests", probe))


def add_place(directory):
    register_place("guests", lambda: directory)


def add_prunable(days=100.0):
    """The admin's log, which is nobody's of the core."""
    register_prunable(
        Prunable(
            name="log entries",
            which=f"log entries that are more than {days:g} days old",
            model=LogEntry,
            made_at="action_time",
            aged_from="action_time",
            kept_days=lambda: days,
        )
    )


def add_insert_hook(note="came"):
    """An effect for each new event; none with ``note=None``."""
    register_insert_hook(
        "effects",
        InsertHook(
            statement="""INSERT INTO probe_effect (key, at)
                SELECT %s || ' ' || store_id || ' ' || source || ' ' || event_id, CURRENT_TIMESTAMP
                FROM new_events WHERE id > %s""",
            parameters=lambda new_events: note and [note, 0],
        ),
    )


def add_listener():
    """Returns what it hears."""
    heard = []
    register_listener("guests", lambda *changed: heard.append(changed))
    return heard


def store_page(code="S1"):
    return reverse("admin:neural_store_change", args=[Store.objects.get_or_create(code=code)[0].pk])
