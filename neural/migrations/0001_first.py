"""The core's tables, and triggers with which the database itself keeps the audit log append-only.

PostgreSQL refuses UPDATE, DELETE and TRUNCATE; SQLite also INSERT OR REPLACE, which is neither an
UPDATE nor a DELETE. `manage.py flush` and Django's TransactionTestCase empty every table, so our
`flush` switches the triggers off within its own transaction.

A later migration that alters one of these tables must create its triggers again where SQLite makes
the table anew: without its triggers.
"""

import datetime
from typing import Any

import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import neural.models.store

AUDIT_LOG = ("neural_auditentry", "neural_auditedrow")
POSTGRESQL_FUNCTION = """
CREATE FUNCTION neural_audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: rows of % are neither changed nor deleted.',
        TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
"""
POSTGRESQL = (
    """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION neural_audit_log_is_append_only();
""",
    """
CREATE TRIGGER {table}_never_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION neural_audit_log_is_append_only();
""",
)
SQLITE = (
    """
CREATE TRIGGER {table}_never_changed BEFORE UPDATE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never changed.');
END;
""",
    """
CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never deleted.');
END;
""",
    """
CREATE TRIGGER {table}_never_replaced BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never replaced.');
END;
""",
)


def create_triggers(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    if is_postgresql:
        schema_editor.execute(POSTGRESQL_FUNCTION, params=None)
    for table in AUDIT_LOG:
        for statement in POSTGRESQL if is_postgresql else SQLITE:
            schema_editor.execute(statement.format(table=table), params=None)


def drop_function(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The triggers go with it; on SQLite they go with their tables."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "DROP FUNCTION neural_audit_log_is_append_only() CASCADE", params=None
        )


# Fields that repeat, each declared once.
def count_or_null(label: str, **options: Any) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(blank=True, null=True, verbose_name=label, **options)


def entered_text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, default="", verbose_name=label, max_length=max_length, **options
    )


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(verbose_name=label, max_length=max_length, **options)


def text_or_empty(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, db_default="", default="", verbose_name=label, max_length=max_length, **options
    )


def time_of_insert(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(
        db_default=django.db.models.functions.datetime.Now(), verbose_name=label, **options
    )


def time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(blank=True, null=True, verbose_name=label, **options)


class Migration(migrations.Migration):
    replaces = [
        ("neural", "0001_ledger"),
        ("neural", "0001_squashed_0013_events_and_outcomes"),
        ("neural", "0002_read_models"),
        ("neural", "0003_run_options"),
        ("neural", "0004_demand_summaries"),
        ("neural", "0005_one_index_for_task_ids"),
        ("neural", "0006_federated_rounds"),
        ("neural", "0007_search"),
        ("neural", "0008_search_page"),
        ("neural", "0009_refused_events"),
        ("neural", "0010_workers_say_what_they_know"),
        ("neural", "0011_run_schedule_permission"),
        ("neural", "0012_search_and_place"),
        ("neural", "0013_writes_of_search_indexes"),
        ("neural", "0014_attempts_and_entry_points"),
        ("neural", "0015_store_daily_tickets_since"),
        ("neural", "0016_alter_refusedevent_entry_point"),
        ("neural", "0017_pauses_policies_and_processes"),
        ("neural", "0018_audit_bulk_actions_and_views"),
        ("neural", "0019_audit_log_is_append_only"),
        ("neural", "0020_audit_log_is_never_emptied"),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Store",
            fields=[
                (
                    "code",
                    models.CharField(
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[^\\s\\x00-\\x1f/]{1,64}\\Z", "No spaces, no slash, at most 64."
                            )
                        ],
                        verbose_name="code",
                    ),
                ),
                ("name", text_or_empty("name", 200)),
                ("brand", text_or_empty("brand", 100)),
                ("region", text_or_empty("region", 100)),
                (
                    "country",
                    models.CharField(
                        blank=True,
                        db_default="CN",
                        default=neural.models.store.default_country,
                        help_text="ISO 3166-1, for its holidays. Empty: no holidays are known.",
                        max_length=2,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^([A-Z]{2})?\\Z", "Two capital letters, like CN."
                            )
                        ],
                        verbose_name="country",
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        db_default="Asia/Shanghai",
                        default=neural.models.store.default_time_zone,
                        max_length=64,
                        validators=[neural.models.store.validate_time_zone],
                        verbose_name="time zone",
                    ),
                ),
                (
                    "day_ends_at",
                    models.TimeField(
                        db_default=datetime.time(0, 0),
                        default=datetime.time(0, 0),
                        help_text="Sales before this time of the night belong to the day before.",
                        verbose_name="end of business day",
                    ),
                ),
                (
                    "confirmed",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="A store that an event named first is unconfirmed until a person looks.",
                        verbose_name="confirmed",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
                (
                    "daily_tickets_since",
                    models.DateField(
                        blank=True,
                        help_text="The first business day on which the till's order numbers begin again every day. Empty: an order number is never given twice.",
                        null=True,
                        verbose_name="daily tickets since",
                    ),
                ),
                (
                    "operators",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Users who see this store although they may not see every store.",
                        related_name="neural_stores",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="operators",
                    ),
                ),
            ],
            options={
                "verbose_name": "store",
                "verbose_name_plural": "stores",
                "ordering": ("code",),
                "permissions": (("view_every_store", "Can see the rows of every store"),),
            },
        ),
        migrations.CreateModel(
            name="WorkerProcess",
            fields=[
                ("id", row_id()),
                ("name", text("name", 255)),
                ("host", text("host", 255)),
                ("process_id", models.PositiveIntegerField(verbose_name="process id")),
                ("queues", models.JSONField(default=list, verbose_name="queues")),
                ("concurrency", models.PositiveIntegerField(default=1, verbose_name="concurrency")),
                ("started_at", time_of_insert("started at")),
                ("heartbeat_at", time_of_insert("heartbeat")),
                ("stopped_at", time_or_null("stopped at")),
                ("lost_at", time_or_null("lost at")),
                (
                    "clock_ahead",
                    models.DurationField(
                        blank=True, null=True, verbose_name="clock ahead of the database's"
                    ),
                ),
                ("registered", models.JSONField(blank=True, null=True, verbose_name="registered")),
                (
                    "kind",
                    models.CharField(
                        choices=[("worker", "worker"), ("relay", "relay"), ("beat", "beat")],
                        db_default="worker",
                        default="worker",
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "memory_bytes",
                    models.BigIntegerField(blank=True, null=True, verbose_name="memory"),
                ),
                (
                    "recovered_runs",
                    models.PositiveIntegerField(
                        db_default=0, default=0, editable=False, verbose_name="recovered runs"
                    ),
                ),
                ("stop_asked_at", time_or_null("asked to stop")),
                ("stop_asked_by", text_or_empty("asked to stop by", 150)),
                ("versions", models.JSONField(blank=True, null=True, verbose_name="versions")),
            ],
            options={
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
                "indexes": [
                    models.Index(
                        condition=models.Q(("lost_at", None), ("stopped_at", None)),
                        fields=["heartbeat_at"],
                        name="neural_worker_present",
                    )
                ],
                "permissions": (("stop_workerprocess", "Can ask workers to stop"),),
            },
        ),
        migrations.CreateModel(
            name="QueuePause",
            fields=[
                (
                    "queue",
                    models.CharField(
                        max_length=100, primary_key=True, serialize=False, verbose_name="queue"
                    ),
                ),
                ("reason", text("reason", 200)),
                ("since", time_of_insert("since")),
                ("until", time_or_null("until")),
                ("paused_by", text("paused by", 150)),
            ],
            options={
                "verbose_name": "paused queue",
                "verbose_name_plural": "queues",
                "permissions": (("pause_queue", "Can pause and resume queues"),),
            },
        ),
        migrations.CreateModel(
            name="SchedulePolicy",
            fields=[
                ("schedule_id", models.IntegerField(primary_key=True, serialize=False)),
                (
                    "overlap",
                    models.CharField(
                        choices=[("allow", "record another run"), ("skip", "leave this time out")],
                        default="allow",
                        max_length=10,
                        verbose_name="overlap",
                    ),
                ),
                (
                    "misfire",
                    models.CharField(
                        choices=[
                            ("run_once", "one run makes up for all of them"),
                            ("skip", "they are left out"),
                        ],
                        default="run_once",
                        max_length=10,
                        verbose_name="missed times",
                    ),
                ),
                (
                    "grace_seconds",
                    models.FloatField(blank=True, null=True, verbose_name="grace in seconds"),
                ),
                ("skipped_at", time_or_null("last left out")),
                ("skipped_why", entered_text("why", 200)),
            ],
            options={
                "verbose_name": "schedule policy",
                "verbose_name_plural": "schedules",
            },
        ),
        migrations.CreateModel(
            name="RunEdit",
            fields=[
                ("id", row_id()),
                ("run_id", models.BigIntegerField(db_index=True)),
                ("new_event_id", models.BigIntegerField(blank=True, null=True)),
                ("new_run_id", models.BigIntegerField(blank=True, db_index=True, null=True)),
                ("before", models.JSONField(verbose_name="before")),
                ("after", models.JSONField(verbose_name="after")),
                ("reason", text("reason", 500)),
                ("edited_by", text("edited by", 150)),
                ("at", time_of_insert("at")),
                ("token", models.CharField(max_length=64, unique=True)),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "edited run",
                "verbose_name_plural": "edited runs",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", row_id()),
                ("name", text("name", 100)),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                ("shared", models.BooleanField(default=False, verbose_name="shown to everybody")),
                ("created_at", time_of_insert("created at")),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="neural_saved_views",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "saved view",
                "verbose_name_plural": "saved views",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "name"), name="neural_saved_view_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="NeuralEvent",
            fields=[
                ("id", row_id()),
                ("source", text("source", 100)),
                ("event_id", text("event id", 200)),
                ("type", text("type", 100)),
                (
                    "payload",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="payload",
                    ),
                ),
                ("content_hash", text("content hash", 32)),
                (
                    "unhandled",
                    models.BooleanField(db_default=False, default=False, verbose_name="unhandled"),
                ),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                ("recorded_at", time_of_insert("recorded at")),
                ("pruned_at", time_or_null("pruned at")),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "permissions": (
                    ("replay_neuralevent", "Can run an event's handlers again"),
                    ("view_personal_data", "Can see personal data"),
                    ("erase_personal_data", "Can erase a person's data"),
                    ("export_rows", "Can export lists"),
                ),
                "indexes": [
                    models.Index(fields=["store", "-id"], name="neural_event_by_store"),
                    models.Index(fields=["type", "-id"], name="neural_event_by_type"),
                    models.Index(
                        condition=models.Q(("unhandled", True)),
                        fields=["-id"],
                        name="neural_event_unhandled",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("event_id"),
                        models.F("store"),
                        models.F("source"),
                        name="neural_event_identity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("payload__isnull", False),
                            ("pruned_at__isnull", False),
                            _connector="OR",
                        ),
                        name="neural_event_payload_until_pruned",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", row_id()),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="at",
                    ),
                ),
                ("actor", text("who", 150)),
                ("user_id", models.CharField(blank=True, default="", max_length=255)),
                (
                    "source",
                    text(
                        "by",
                        10,
                        choices=[("admin", "admin"), ("api", "HTTP API"), ("command", "command")],
                    ),
                ),
                ("action", text("action", 100)),
                ("target_model", entered_text("kind of rows", 100)),
                ("target_ids", models.JSONField(default=list, verbose_name="rows")),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                ("reason", entered_text("reason", 500)),
                ("details", models.JSONField(default=dict, verbose_name="details")),
                (
                    "outcome",
                    models.CharField(
                        choices=[("done", "done"), ("refused", "refused"), ("failed", "failed")],
                        default="done",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                ("count", models.BigIntegerField(default=0, verbose_name="changed rows")),
                (
                    "store",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit log",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["actor", "-id"], name="neural_audit_by_actor"),
                    models.Index(fields=["action", "-id"], name="neural_audit_by_action"),
                    models.Index(fields=["store", "-id"], name="neural_audit_by_store"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TaskRun",
            fields=[
                ("id", row_id()),
                ("task_id", text("task id", 255)),
                ("task", text("task", 255)),
                ("handler", entered_text("handler", 200)),
                (
                    "args",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="arguments",
                    ),
                ),
                (
                    "kwargs",
                    models.JSONField(
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="keyword arguments",
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        editable=False,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="options",
                    ),
                ),
                ("parent_task_id", entered_text("parent task id", 255)),
                ("queue", text("queue", 100)),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        default=5, help_text="10 is most urgent, 1 least.", verbose_name="priority"
                    ),
                ),
                (
                    "unique_key",
                    models.CharField(
                        blank=True, max_length=200, null=True, verbose_name="unique key"
                    ),
                ),
                ("requested_by", entered_text("requested by", 150)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("dead", "dead"),
                            ("cancelled", "cancelled"),
                            ("discarded", "discarded"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("created_at", time_of_insert("created at")),
                ("available_at", time_of_insert("due at")),
                ("publish_at", time_of_insert("message due at")),
                (
                    "failures",
                    models.PositiveSmallIntegerField(default=0, verbose_name="failed attempts"),
                ),
                (
                    "losses",
                    models.PositiveSmallIntegerField(default=0, verbose_name="lost deliveries"),
                ),
                (
                    "token",
                    models.BigIntegerField(blank=True, null=True, verbose_name="fencing token"),
                ),
                ("process_id", count_or_null("process id")),
                ("started_at", time_or_null("started at")),
                ("finished_at", time_or_null("finished at")),
                (
                    "result",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="result",
                    ),
                ),
                ("error", entered_text("last error", 500)),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="neural.neuralevent",
                        verbose_name="event",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="runs",
                        to="neural.workerprocess",
                        verbose_name="worker",
                    ),
                ),
            ],
            options={
                "verbose_name": "run",
                "verbose_name_plural": "runs",
                "permissions": (
                    ("retry_taskrun", "Can retry runs"),
                    ("hurry_taskrun", "Can start waiting runs now"),
                    ("cancel_taskrun", "Can cancel waiting runs"),
                    ("discard_taskrun", "Can discard dead runs"),
                    ("move_taskrun", "Can move waiting runs to another queue"),
                    ("edit_taskrun", "Can edit runs and retry them"),
                    ("run_schedule", "Can run schedules now"),
                ),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["queue", "-priority", "available_at"],
                        name="neural_run_due",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["queue", "publish_at"],
                        name="neural_run_unpublished",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ("dead", "cancelled", "discarded"))),
                        fields=["state", "-id"],
                        name="neural_run_set_aside",
                    ),
                    models.Index(
                        condition=models.Q(("store__isnull", False)),
                        fields=["store", "-id"],
                        name="neural_run_by_store",
                    ),
                    models.Index(
                        condition=models.Q(("handler", ""), _negated=True),
                        fields=["handler", "-id"],
                        name="neural_run_by_handler",
                    ),
                    models.Index(
                        condition=models.Q(("event__isnull", True)),
                        fields=["task", "-id"],
                        name="neural_run_by_task",
                    ),
                    models.Index(
                        condition=models.Q(("parent_task_id", ""), _negated=True),
                        fields=["parent_task_id"],
                        name="neural_run_by_parent",
                    ),
                    models.Index(
                        condition=models.Q(("state", "running")),
                        fields=["worker"],
                        name="neural_run_held",
                    ),
                    models.Index(
                        condition=models.Q(("error", ""), _negated=True),
                        fields=["-id"],
                        name="neural_run_with_error",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("task_id",), name="neural_run_task_id"),
                    models.UniqueConstraint(
                        models.F("event"),
                        models.F("handler"),
                        condition=models.Q(("event__isnull", False)),
                        name="neural_run_once_a_handler",
                    ),
                    models.UniqueConstraint(
                        models.F("unique_key"),
                        condition=models.Q(("state", "pending"), ("unique_key__isnull", False)),
                        name="neural_run_unique_waits_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "pending",
                                    "running",
                                    "succeeded",
                                    "dead",
                                    "cancelled",
                                    "discarded",
                                ],
                            )
                        ),
                        name="neural_run_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__range", (1, 10))),
                        name="neural_run_priority_1_to_10",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "running"), _negated=True),
                            models.Q(("started_at__isnull", False), ("token__isnull", False)),
                            _connector="OR",
                        ),
                        name="neural_run_running_has_token",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state__in", ("succeeded", "dead", "cancelled", "discarded")),
                                _negated=True,
                            ),
                            ("finished_at__isnull", False),
                            _connector="OR",
                        ),
                        name="neural_run_finished_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusedEvent",
            fields=[
                ("id", row_id()),
                ("fingerprint", models.CharField(editable=False, max_length=32, unique=True)),
                ("store_code", entered_text("store", 100)),
                ("source", entered_text("source", 100)),
                ("event_id", entered_text("event id", 200)),
                ("type", entered_text("type", 100)),
                ("payload", models.TextField(blank=True, default="", verbose_name="payload")),
                ("payload_cut", models.BooleanField(default=False, verbose_name="payload is cut")),
                (
                    "details",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        editable=False,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="details",
                    ),
                ),
                (
                    "problems",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="problems",
                    ),
                ),
                (
                    "entry_point",
                    text(
                        "entry point",
                        20,
                        db_column="door",
                        choices=[
                            ("python", "Python call"),
                            ("celery", "Celery call"),
                            ("message", "Celery message"),
                            ("command", "command"),
                            ("admin", "admin"),
                            ("http", "HTTP request"),
                            ("webhook", "webhook"),
                        ],
                    ),
                ),
                ("requested_by", entered_text("requested by", 150)),
                ("times", models.PositiveBigIntegerField(default=1, verbose_name="times")),
                ("refused_at", time_of_insert("first refused at")),
                ("last_refused_at", time_of_insert("last refused at")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("corrected", "corrected"),
                            ("dismissed", "dismissed"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("handled_by", entered_text("handled by", 150)),
                ("handled_at", time_or_null("handled at")),
                (
                    "corrected_event",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="refusals",
                        to="neural.neuralevent",
                        verbose_name="recorded as",
                    ),
                ),
            ],
            options={
                "verbose_name": "refused event",
                "verbose_name_plural": "refused events",
                "permissions": (
                    ("correct_refusedevent", "Can correct a refused event and submit it"),
                    ("dismiss_refusedevent", "Can dismiss a refused event"),
                ),
                "indexes": [
                    models.Index(fields=["event_id"], name="neural_refusal_event_id"),
                    models.Index(fields=["source", "-id"], name="neural_refusal_source"),
                    models.Index(fields=["store_code", "-id"], name="neural_refusal_by_store"),
                    models.Index(fields=["type", "-id"], name="neural_refusal_by_type"),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["-last_refused_at"],
                        name="neural_refusal_open",
                    ),
                    models.Index(fields=["state", "-id"], name="neural_refusal_by_state"),
                    models.Index(
                        fields=["entry_point", "-id"], name="neural_refusal_by_entry_point"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "corrected", "dismissed"])),
                        name="neural_refusal_known_state",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditedRow",
            fields=[
                ("id", row_id()),
                ("model", models.CharField(max_length=100)),
                ("object_id", models.CharField(max_length=255)),
                (
                    "entry",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="rows",
                        to="neural.auditentry",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["model", "object_id", "-entry"], name="neural_audited_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="TaskAttempt",
            fields=[
                ("id", row_id()),
                (
                    "outcome",
                    text(
                        "outcome",
                        11,
                        choices=[
                            ("failed", "failed"),
                            ("lost", "lost"),
                            ("handed_back", "released"),
                            ("succeeded", "succeeded"),
                        ],
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", time_of_insert("finished at")),
                ("process_id", count_or_null("process id")),
                ("error", entered_text("error", 500)),
                ("traceback", models.TextField(blank=True, default="", verbose_name="traceback")),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="neural.taskrun",
                        verbose_name="run",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="neural.workerprocess",
                        verbose_name="worker",
                    ),
                ),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
                "ordering": ("id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("outcome__in", ["failed", "lost", "handed_back", "succeeded"])
                        ),
                        name="neural_try_known_outcome",
                    )
                ],
                "db_table": "neural_tasktry",
            },
        ),
        migrations.CreateModel(
            name="BulkAction",
            fields=[
                ("id", row_id()),
                (
                    "verb",
                    text(
                        "action",
                        10,
                        choices=[
                            ("retry", "Retry"),
                            ("hurry", "Retry now"),
                            ("cancel", "Cancel"),
                            ("discard", "Discard"),
                            ("move", "Move to another queue"),
                        ],
                    ),
                ),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                ("run_ids", models.JSONField(blank=True, null=True, verbose_name="runs")),
                ("values", models.JSONField(default=dict)),
                ("reason", text("reason", 500)),
                ("pace", count_or_null("runs a second")),
                ("requested_by", text("requested by", 150)),
                ("user_id", models.CharField(max_length=255)),
                ("token", models.CharField(max_length=64, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("stopped", "stopped"),
                            ("finished", "finished"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("up_to", models.BigIntegerField()),
                ("position", models.BigIntegerField(default=0)),
                ("expected", models.BigIntegerField(blank=True, null=True)),
                ("changed", models.BigIntegerField(default=0, verbose_name="changed")),
                ("unfit", models.BigIntegerField(default=0, verbose_name="left as they were")),
                ("failed", models.BigIntegerField(default=0, verbose_name="failed")),
                ("created_at", time_of_insert("created at")),
                ("started_at", time_or_null("started at")),
                ("finished_at", time_or_null("finished at")),
                ("next_at", models.DateTimeField(blank=True, null=True)),
                ("stopped_by", entered_text("stopped by", 150)),
                ("stop_reason", entered_text("why it stopped", 500)),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="neural.taskrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "bulk action",
                "verbose_name_plural": "bulk actions",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "running"])),
                        fields=["-id"],
                        name="neural_bulk_under_way",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["waiting", "running", "stopped", "finished"])
                        ),
                        name="neural_bulk_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("verb__in", ["retry", "hurry", "cancel", "discard", "move"])
                        ),
                        name="neural_bulk_known_verb",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkActionItem",
            fields=[
                ("id", row_id()),
                ("run_id", models.BigIntegerField()),
                (
                    "outcome",
                    text(
                        "outcome",
                        10,
                        choices=[
                            ("changed", "changed"),
                            ("unfit", "left as it was"),
                            ("failed", "failed"),
                        ],
                    ),
                ),
                ("before", entered_text("state before", 10)),
                ("detail", entered_text("details", 500)),
                ("at", time_of_insert("at")),
                (
                    "action",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="neural.bulkaction",
                    ),
                ),
            ],
            options={
                "verbose_name": "outcome of a bulk action",
                "verbose_name_plural": "outcomes of bulk actions",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["run_id"], name="neural_bulk_item_run"),
                    models.Index(
                        condition=models.Q(("outcome", "changed"), _negated=True),
                        fields=["action", "outcome", "run_id"],
                        name="neural_bulk_item_unchanged",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("action", "run_id"), name="neural_bulk_run_once"
                    )
                ],
            },
        ),
        migrations.RunPython(create_triggers, drop_function),
    ]
