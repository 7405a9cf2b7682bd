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
                (
                    "name",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=200, verbose_name="name"
                    ),
                ),
                (
                    "brand",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="brand"
                    ),
                ),
                (
                    "region",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="region"
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("host", models.CharField(max_length=255, verbose_name="host")),
                ("process_id", models.PositiveIntegerField(verbose_name="process id")),
                ("queues", models.JSONField(default=list, verbose_name="queues")),
                ("concurrency", models.PositiveIntegerField(default=1, verbose_name="concurrency")),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="started at",
                    ),
                ),
                (
                    "heartbeat_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="heartbeat",
                    ),
                ),
                (
                    "stopped_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="stopped at"),
                ),
                ("lost_at", models.DateTimeField(blank=True, null=True, verbose_name="lost at")),
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
                (
                    "stop_asked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="asked to stop"),
                ),
                (
                    "stop_asked_by",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=150,
                        verbose_name="asked to stop by",
                    ),
                ),
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
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "since",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="since"
                    ),
                ),
                ("until", models.DateTimeField(blank=True, null=True, verbose_name="until")),
                ("paused_by", models.CharField(max_length=150, verbose_name="paused by")),
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
                (
                    "skipped_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last left out"),
                ),
                (
                    "skipped_why",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="why"),
                ),
            ],
            options={
                "verbose_name": "schedule policy",
                "verbose_name_plural": "schedules",
            },
        ),
        migrations.CreateModel(
            name="RunEdit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("run_id", models.BigIntegerField(db_index=True)),
                ("new_event_id", models.BigIntegerField(blank=True, null=True)),
                ("new_run_id", models.BigIntegerField(blank=True, db_index=True, null=True)),
                ("before", models.JSONField(verbose_name="before")),
                ("after", models.JSONField(verbose_name="after")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                ("edited_by", models.CharField(max_length=150, verbose_name="edited by")),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="at"
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                ("shared", models.BooleanField(default=False, verbose_name="shown to everybody")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source", models.CharField(max_length=100, verbose_name="source")),
                ("event_id", models.CharField(max_length=200, verbose_name="event id")),
                ("type", models.CharField(max_length=100, verbose_name="type")),
                (
                    "payload",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="payload",
                    ),
                ),
                ("content_hash", models.CharField(max_length=32, verbose_name="content hash")),
                (
                    "unhandled",
                    models.BooleanField(db_default=False, default=False, verbose_name="unhandled"),
                ),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                (
                    "recorded_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="recorded at",
                    ),
                ),
                (
                    "pruned_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="pruned at"),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="at",
                    ),
                ),
                ("actor", models.CharField(max_length=150, verbose_name="who")),
                ("user_id", models.CharField(blank=True, default="", max_length=255)),
                (
                    "source",
                    models.CharField(
                        choices=[("admin", "admin"), ("api", "HTTP API"), ("command", "command")],
                        max_length=10,
                        verbose_name="by",
                    ),
                ),
                ("action", models.CharField(max_length=100, verbose_name="action")),
                (
                    "target_model",
                    models.CharField(
                        blank=True, default="", max_length=100, verbose_name="kind of rows"
                    ),
                ),
                ("target_ids", models.JSONField(default=list, verbose_name="rows")),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                (
                    "reason",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="reason"),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("task_id", models.CharField(max_length=255, verbose_name="task id")),
                ("task", models.CharField(max_length=255, verbose_name="task")),
                (
                    "handler",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="handler"
                    ),
                ),
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
                (
                    "parent_task_id",
                    models.CharField(
                        blank=True, default="", max_length=255, verbose_name="parent task id"
                    ),
                ),
                ("queue", models.CharField(max_length=100, verbose_name="queue")),
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
                (
                    "requested_by",
                    models.CharField(
                        blank=True, default="", max_length=150, verbose_name="requested by"
                    ),
                ),
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
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
                (
                    "available_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="due at"
                    ),
                ),
                (
                    "publish_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="message due at",
                    ),
                ),
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
                (
                    "process_id",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="process id"),
                ),
                (
                    "started_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="started at"),
                ),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished at"),
                ),
                (
                    "result",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="result",
                    ),
                ),
                (
                    "error",
                    models.CharField(
                        blank=True, default="", max_length=500, verbose_name="last error"
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fingerprint", models.CharField(editable=False, max_length=32, unique=True)),
                (
                    "store_code",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="store"),
                ),
                (
                    "source",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="source"),
                ),
                (
                    "event_id",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="event id"
                    ),
                ),
                (
                    "type",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="type"),
                ),
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
                    models.CharField(
                        choices=[
                            ("python", "Python call"),
                            ("celery", "Celery call"),
                            ("message", "Celery message"),
                            ("command", "command"),
                            ("admin", "admin"),
                            ("http", "HTTP request"),
                            ("webhook", "webhook"),
                        ],
                        db_column="door",
                        max_length=20,
                        verbose_name="entry point",
                    ),
                ),
                (
                    "requested_by",
                    models.CharField(
                        blank=True, default="", max_length=150, verbose_name="requested by"
                    ),
                ),
                ("times", models.PositiveBigIntegerField(default=1, verbose_name="times")),
                (
                    "refused_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="first refused at",
                    ),
                ),
                (
                    "last_refused_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="last refused at",
                    ),
                ),
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
                (
                    "handled_by",
                    models.CharField(
                        blank=True, default="", max_length=150, verbose_name="handled by"
                    ),
                ),
                (
                    "handled_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="handled at"),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("failed", "failed"),
                            ("lost", "lost"),
                            ("handed_back", "released"),
                            ("succeeded", "succeeded"),
                        ],
                        max_length=11,
                        verbose_name="outcome",
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                (
                    "finished_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="finished at",
                    ),
                ),
                (
                    "process_id",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="process id"),
                ),
                (
                    "error",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="error"),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "verb",
                    models.CharField(
                        choices=[
                            ("retry", "Retry"),
                            ("hurry", "Retry now"),
                            ("cancel", "Cancel"),
                            ("discard", "Discard"),
                            ("move", "Move to another queue"),
                        ],
                        max_length=10,
                        verbose_name="action",
                    ),
                ),
                ("query", models.JSONField(default=dict, verbose_name="filter")),
                ("run_ids", models.JSONField(blank=True, null=True, verbose_name="runs")),
                ("values", models.JSONField(default=dict)),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "pace",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="runs a second"
                    ),
                ),
                ("requested_by", models.CharField(max_length=150, verbose_name="requested by")),
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
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="started at"),
                ),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished at"),
                ),
                ("next_at", models.DateTimeField(blank=True, null=True)),
                (
                    "stopped_by",
                    models.CharField(
                        blank=True, default="", max_length=150, verbose_name="stopped by"
                    ),
                ),
                (
                    "stop_reason",
                    models.CharField(
                        blank=True, default="", max_length=500, verbose_name="why it stopped"
                    ),
                ),
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
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("run_id", models.BigIntegerField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("changed", "changed"),
                            ("unfit", "left as it was"),
                            ("failed", "failed"),
                        ],
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "before",
                    models.CharField(
                        blank=True, default="", max_length=10, verbose_name="state before"
                    ),
                ),
                (
                    "detail",
                    models.CharField(
                        blank=True, default="", max_length=500, verbose_name="details"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="at"
                    ),
                ),
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
