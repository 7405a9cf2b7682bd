"""Django system checks: report at start what would break the ledger's promises, and the remedy."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import DEFAULT_DB_ALIAS, connection, connections, router
from django.db.migrations.exceptions import CircularDependencyError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model

from neural.broker.connections import is_redis
from neural.broker.patches import newer_than_looked_at
from neural.events.registry import HANDLERS
from neural.kit.conf import owners, readers
from neural.kit.optional import absent_app_advice, app_of
from neural.kit.tasks import load_tasks
from neural.schedules.runs import arguments_of, must_take

BEAT = "django_celery_beat"
SHOWN = 3
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
SQLITE_DEFAULT_TIMEOUT = 5
"""Seconds that Django waits for a lock unless it is told otherwise."""
IDLE_TIMEOUT = "idle_in_transaction_session_timeout"
_WAITING_MODES = ("IMMEDIATE", "EXCLUSIVE")
LAST_WITH_OLDER_MIGRATIONS = "4a01e2d8"
"""The last commit that has the migrations which `0001_first` of each app replaces."""


@register("neural")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check that ``settings.NEURAL`` is well-formed, including the settings of optional apps."""
    if getattr(settings, "NEURAL", {}) == {}:
        return []  # the defaults are well-formed, so pydantic need not be loaded
    return [
        Error(
            f"settings.NEURAL[{'.'.join(map(str, error['loc']))!r}]: {error['msg']}",
            hint="The settings and their meaning are in docs/reference/settings.md.",
            id="neural.E001",
        )
        for read in readers()
        for error in _refused(read)
    ]


def _refused(read: Callable[[], object]) -> Sequence[Any]:
    from pydantic import ValidationError  # the settings that are read load it anyway

    try:
        read()
    except ValidationError as invalid:
        return invalid.errors()
    return []


@register("neural")
def check_settings_of_absent_apps(**_: Any) -> list[CheckMessage]:
    """Warn of settings that have no effect because their app is not installed."""
    given = getattr(settings, "NEURAL", {})
    if not given:
        return []
    apps_of = {name: app_of(part.__module__) for name, part in owners(given).items()}
    return [
        checks.Warning(
            f"settings.NEURAL[{name!r}] does nothing: the app {app} is not installed",
            hint=f"Add {app!r} to INSTALLED_APPS, or take the setting out.",
            id="neural.W003",
        )
        for name, app in apps_of.items()
        if app is not None and not apps.is_installed(app)
    ]


@register("neural")
def check_visibility_timeout(**_: Any) -> list[CheckMessage]:
    """Warn if Redis may deliver a message again while its task may still be running.

    RabbitMQ needs no such check: it redelivers when a worker's connection is lost, and not after a
    time.
    """
    celery = current_app.conf
    if not is_redis(celery.broker_url):
        return []
    limit = celery.task_time_limit
    timeout = (celery.broker_transport_options or {}).get("visibility_timeout", 3600)
    if limit and timeout <= limit:
        return [
            checks.Warning(
                f"visibility_timeout ({timeout} s) is not above CELERY_TASK_TIME_LIMIT ({limit} s)",
                hint="Raise CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout'].",
                id="neural.W001",
            )
        ]
    return []


@register("neural")
def check_patched_versions(**_: Any) -> list[CheckMessage]:
    """Warn if Celery or kombu is newer than the version with which Neural's patches were tried."""
    return [
        checks.Warning(
            f"{name} {installed} is newer than {looked_at}, with which the patches of "
            "neural.broker were tried",
            hint=f"Install {name} {looked_at}, or see what to look at in neural/broker/patches.py.",
            id="neural.W020",
        )
        for name, installed, looked_at in newer_than_looked_at()
    ]


@register("neural")
def check_database(**_: Any) -> list[CheckMessage]:
    """Check that the ledger, users and schedules are in one database, Django's default.

    Stores refer to users as their operators. A handler's writes and its outcome share one
    transaction, and so do the time at which a schedule was due and its run.
    """
    ours = [each for each in apps.get_models() if each.__module__.startswith("neural.")]
    models = [get_user_model(), *ours]
    if apps.is_installed(BEAT):
        models.append(apps.get_model(BEAT, "PeriodicTask"))
    homes = ((model._meta.label, router.db_for_write(model)) for model in models)
    # A run that is read from a replica may look as it was before it was claimed.
    read = ((model._meta.label, router.db_for_read(model)) for model in models)
    away = [f"{label} in {home!r}" for label, home in homes if home != DEFAULT_DB_ALIAS]
    away += [f"{label} read from {home!r}" for label, home in read if home != DEFAULT_DB_ALIAS]
    if not away:
        return []
    aliases = ", ".join(away[:SHOWN]) + (f" and {len(away) - SHOWN} more" if away[SHOWN:] else "")
    return [
        Error(
            f"the ledger, its users and beat's schedules are not in one database: {aliases}",
            hint="Let every router of DATABASE_ROUTERS answer 'default', or None, for the apps "
            f"neural, django_celery_beat and {get_user_model()._meta.app_label}.",
            id="neural.E101",
        )
    ]


@register("neural")
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """Warn of a SQLite database on which a writer fails at once instead of waiting for another."""
    from neural.ledger.dialects import SQLite, dialect_of

    if not isinstance(dialect_of(connection), SQLite):
        return []
    options = connection.settings_dict["OPTIONS"]
    given = {
        "transaction_mode": str(options.get("transaction_mode")).upper() in _WAITING_MODES,
        "timeout": options.get("timeout", 0) > SQLITE_DEFAULT_TIMEOUT,
        "init_command": "wal" in str(options.get("init_command")).lower(),
    }
    lacking = [
        f"{name!r}: {SQLITE_OPTIONS[name]!r}" for name, is_given in given.items() if not is_given
    ]
    if not lacking:
        return []
    return [
        checks.Warning(
            "SQLite is not told to wait: with several processes writers fail with 'database is "
            "locked', and readers and writers stop one another",
            hint=f"Write into DATABASES['default']['OPTIONS']: {', '.join(lacking)}.",
            id="neural.W023",
        )
    ]


@register("neural")
def check_postgresql(**_: Any) -> list[CheckMessage]:
    """Warn of a PostgreSQL database whose connections lack what own-project.md asks for."""
    from neural.ledger.dialects import PostgreSQL, dialect_of

    if not isinstance(dialect_of(connection), PostgreSQL):
        return []
    from django.db.backends.postgresql.psycopg_any import IsolationLevel  # loads psycopg

    given, options = connection.settings_dict, connection.settings_dict["OPTIONS"]
    # Django keeps connections itself or has a pool of them, never both.
    wanted = [
        (
            IDLE_TIMEOUT in options.get("options", ""),
            "the rows of a worker that hangs inside a transaction stay locked until it ends",
            f'"OPTIONS": {{"options": "-c {IDLE_TIMEOUT}=45s"}}',
        ),
        (
            given["CONN_MAX_AGE"] != 0 or options.get("pool"),
            "each request opens a connection",
            '"CONN_MAX_AGE": 600, or, as with ASGI, a "pool" into its OPTIONS',
        ),
        (
            given["CONN_HEALTH_CHECKS"],
            "after a restart of the database each kept connection fails once",
            '"CONN_HEALTH_CHECKS": True',
        ),
        (
            options.get("isolation_level") in (None, IsolationLevel.READ_COMMITTED),
            "workers that want one row get errors where one of them should see what the other did",
            'no "isolation_level", so that it is READ COMMITTED',
        ),
    ]
    return [
        checks.Warning(
            f"of PostgreSQL: {trouble}",
            hint=f"Write into DATABASES['default']: {remedy} (docs/how-to/own-project.md).",
            id="neural.W024",
        )
        for is_given, trouble, remedy in wanted
        if not is_given
    ]


@register("neural")
def check_other_databases(**_: Any) -> list[CheckMessage]:
    """Warn of atomic work in an app with tables in another database than the ledger's, which no
    transaction spans."""
    # Tasks: check_celery, which comes before, has had them imported.
    works = [(f"the handler {each.name}", each.function) for each in HANDLERS if each.atomic]
    tasks = (each for each in current_app.tasks.values() if getattr(each, "atomic", False))
    works += [(f"the task {each.name}", each.run) for each in tasks]
    found = ((who, apps.get_containing_app_config(work.__module__)) for who, work in works)
    away = ((who, _label_elsewhere(app.get_models())) for who, app in found if app)
    return [
        checks.Warning(
            f"{who} is atomic, and its app writes {label}: what is written there stays when the "
            "run fails, and is written again when it is retried",
            hint="Give it atomic=False and let it write so that twice is as once, or write there "
            "in another handler (docs/how-to/several-databases.md).",
            id="neural.W025",
        )
        for who, label in away
        if label
    ]


def _label_elsewhere(models: Iterable[type[Model]]) -> str:
    """The first of these models whose rows are in another database, and which; or an empty text."""
    homes = ((model._meta.label, router.db_for_write(model)) for model in models)
    return next((f"{label} in {home!r}" for label, home in homes if home != DEFAULT_DB_ALIAS), "")


@register("neural")
def check_users_come_first(**_: Any) -> list[CheckMessage]:
    """Check that users can be migrated before the ledger, whose stores refer to them.

    It speaks before ``makemigrations`` writes, and before ``migrate`` reads, a migration that needs
    both of them first.
    """
    label = get_user_model()._meta.app_label
    if label == "auth":
        return []
    try:
        made = MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes(label)
        circle = "" if made else _reference_to_the_ledger(label)
    except CircularDependencyError as error:
        circle = _reference_to_the_ledger(label) or str(error)
    if not circle:
        return []
    return [
        Error(
            f"the first migration of {label!r} would need neural's, which needs it: the ledger's "
            f"stores refer to the user model, and {circle} to the ledger",
            hint=f"The user first: take {circle} (or its whole model) out, delete the first "
            f"migration of {label!r} if it was not applied, manage.py makemigrations {label}; then "
            "put it back, for a second migration (docs/tutorial/handlers.md).",
            id="neural.E106",
        )
    ]


def _reference_to_the_ledger(label: str) -> str:
    """A field of an app that refers to a model of the ledger, as ``model.field``; or an empty
    text."""
    for model in apps.get_app_config(label).get_models():
        for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
            if field.related_model and field.related_model.__module__.startswith("neural."):
                return f"{model.__name__}.{field.name}"
    return ""


@register("neural")
def check_times(**_: Any) -> list[CheckMessage]:
    """Check that Django keeps instants: times of the ledger are compared across hosts and zones."""
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ is False: a time without a zone does not say when something was due or done",
            hint="Set USE_TZ = True; TIME_ZONE stays the zone in which people read times.",
            id="neural.E102",
        )
    ]


@register(checks.Tags.database)
def check_migrated_whole(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a database that has only some of the migrations that an app's first one replaces:
    Django would leave out all migrations of that app, without an error. This check reads the
    database, so it runs in `migrate`, `check --database default` and `doctor`."""
    return [
        Error(
            f"the database {alias!r} has only some of the migrations that {name} of {label} "
            f"replaces; it lacks {', '.join(lacking)}",
            hint=f"Check out the commit {LAST_WITH_OLDER_MIGRATIONS}, run its `manage.py migrate`, "
            "and then the one of this version.",
            id="neural.E103",
        )
        for alias in databases or ()
        for label, name, lacking in _partly_replaced(alias)
    ]


def _partly_replaced(alias: str) -> Iterator[tuple[str, str, list[str]]]:
    applied = set(MigrationRecorder(connections[alias]).applied_migrations())
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    for (label, name), migration in loader.disk_migrations.items():
        lacking = sorted(each for _, each in set(migration.replaces) - applied)
        is_ours = migration.__module__.startswith("neural.")
        some = is_ours and (label, name) not in applied and set(migration.replaces) & applied
        if some and lacking:
            yield label, name, lacking


@register(checks.Tags.database)
def check_schedules(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of enabled schedules that cannot run: their task belongs to an app that is not
    installed, or does not take their arguments. This check reads the database, so it runs in
    `migrate`, `check --database default` and `doctor`."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not apps.is_installed(BEAT):
        return []
    schedules = apps.get_model(BEAT, "PeriodicTask")
    if schedules._meta.db_table not in connection.introspection.table_names():
        return []
    load_tasks()
    enabled = schedules._default_manager.filter(enabled=True).order_by("name")
    return [message for row in enabled if (message := _of_schedule(row))]


def _of_schedule(row: Any) -> CheckMessage | None:
    if advice := absent_app_advice(row.task):
        return checks.Warning(
            f"nobody does what the schedule {row.name!r} asks for: {row.task} {advice}",
            hint="Or switch the schedule off, or delete it, in the admin.",
            id="neural.W021",
        )
    try:
        must_take(current_app.tasks.get(row.task), *arguments_of(row))
    except (TypeError, ValueError) as error:
        return checks.Warning(
            f"the schedule {row.name!r} is refused each time it is due: {error}",
            hint=f"Give it the arguments that {row.task} takes, or switch it off, in the admin.",
            id="neural.W022",
        )
    return None
