from typing import Any

import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import neural.kit.encrypted
import neural.monitoring.models.alerts


# Fields that repeat, each declared once.
def entered_text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, default="", verbose_name=label, max_length=max_length, **options
    )


def json_object(label: str, **options: Any) -> models.JSONField:
    return models.JSONField(
        default=dict,
        encoder=django.core.serializers.json.DjangoJSONEncoder,
        verbose_name=label,
        **options,
    )


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(verbose_name=label, max_length=max_length, **options)


def time_of_insert(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(
        db_default=django.db.models.functions.datetime.Now(), verbose_name=label, **options
    )


def time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(blank=True, null=True, verbose_name=label, **options)


class Migration(migrations.Migration):
    replaces = [
        ("neural_monitoring", "0001_initial"),
        ("neural_monitoring", "0002_marks_name_who_writes"),
    ]

    initial = True

    dependencies = [
        ("neural", "0001_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertChannel",
            fields=[
                ("id", row_id()),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                (
                    "kind",
                    text(
                        "kind",
                        10,
                        choices=[
                            ("email", "e-mail"),
                            ("webhook", "signed webhook"),
                            ("wecom", "WeCom robot"),
                            ("dingtalk", "DingTalk robot"),
                            ("feishu", "Feishu robot"),
                            ("apprise", "another service, by Apprise"),
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "least_severity",
                    models.CharField(
                        choices=[("warning", "warning"), ("critical", "critical")],
                        default="warning",
                        max_length=10,
                        verbose_name="least severity",
                    ),
                ),
                (
                    "language",
                    models.CharField(default="zh-hans", max_length=20, verbose_name="language"),
                ),
                (
                    "addresses",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="One a line.",
                        verbose_name="e-mail addresses",
                    ),
                ),
                ("secrets", neural.kit.encrypted.EncryptedJSONField(default=dict)),
                ("broken", entered_text("broken", 500)),
            ],
            options={
                "verbose_name": "alert channel",
                "verbose_name_plural": "alert channels",
            },
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                (
                    "name",
                    models.CharField(
                        max_length=50, primary_key=True, serialize=False, verbose_name="rule"
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "thresholds",
                    models.JSONField(blank=True, default=dict, verbose_name="thresholds"),
                ),
                ("muted_until", time_or_null("muted until")),
            ],
            options={
                "verbose_name": "alert rule",
                "verbose_name_plural": "alert rules",
            },
        ),
        migrations.CreateModel(
            name="Examination",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("began_at", time_or_null("began")),
                ("ended_at", time_or_null("examined")),
                ("findings", json_object("findings")),
                ("facts", json_object("facts")),
            ],
            options={
                "verbose_name": "overview",
                "verbose_name_plural": "overview",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ReadMark",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("last_id", models.BigIntegerField(default=0)),
                ("candidate_id", models.BigIntegerField(default=0)),
                ("candidate_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("writers", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", row_id()),
                (
                    "settled_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("figures", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="TotalEvents",
            fields=[
                ("event_type", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("events", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", row_id()),
                ("rule", text("rule", 50)),
                ("subject", entered_text("subject", 255)),
                ("store_code", entered_text("store", 64)),
                (
                    "severity",
                    text(
                        "severity", 10, choices=[("warning", "warning"), ("critical", "critical")]
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("firing", "firing"),
                            ("acknowledged", "acknowledged"),
                            ("resolved", "resolved"),
                        ],
                        default="firing",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("facts", json_object("facts")),
                ("since", time_of_insert("since")),
                ("seen_at", time_of_insert("last seen")),
                ("flapping_at", time_or_null("found flapping")),
                ("escalated_at", time_or_null("escalated")),
                ("resolved_at", time_or_null("resolved")),
                ("acknowledged_at", time_or_null("acknowledged")),
                ("acknowledged_by", entered_text("acknowledged by", 150)),
                ("told_at", time_or_null("last told")),
            ],
            options={
                "verbose_name": "alert",
                "verbose_name_plural": "alerts",
                "permissions": (
                    ("acknowledge_alert", "Can acknowledge alerts"),
                    ("test_alert", "Can send test alerts"),
                ),
                "indexes": [
                    models.Index(fields=["state", "-since"], name="neural_alert_state"),
                    models.Index(fields=["rule", "subject", "-id"], name="neural_alert_subject"),
                    models.Index(fields=["resolved_at"], name="neural_alert_resolved"),
                    models.Index(fields=["store_code", "-id"], name="neural_alert_store"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "resolved"), _negated=True),
                        fields=("rule", "subject"),
                        name="neural_alert_open_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ErrorGroup",
            fields=[
                ("id", row_id()),
                (
                    "fingerprint",
                    models.CharField(max_length=64, unique=True, verbose_name="fingerprint"),
                ),
                ("exception", text("exception", 255)),
                ("message", entered_text("message", 500)),
                ("frame", entered_text("place", 500)),
                ("root", entered_text("root cause", 255)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("muted", "muted"), ("resolved", "resolved")],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("attempts", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                ("first_at", models.DateTimeField(verbose_name="first")),
                ("last_at", models.DateTimeField(verbose_name="last")),
                ("reopened_at", time_or_null("reopened")),
                ("muted_until", time_or_null("muted until")),
                ("resolved_at", time_or_null("resolved")),
                ("decided_by", entered_text("decided by", 150)),
            ],
            options={
                "verbose_name": "error group",
                "verbose_name_plural": "error groups",
                "permissions": (("decide_errorgroup", "Can mute and resolve error groups"),),
                "indexes": [
                    models.Index(fields=["state", "-last_at"], name="neural_error_group_state"),
                    models.Index(fields=["-last_at"], name="neural_error_group_last"),
                    models.Index(fields=["exception", "frame"], name="neural_error_group_place"),
                ],
            },
        ),
        migrations.CreateModel(
            name="EventFigures",
            fields=[
                ("id", row_id()),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("store_code", text("store", 64)),
                ("event_type", text("event type", 100)),
                ("events", models.BigIntegerField(default=0, verbose_name="events")),
                ("last_at", models.DateTimeField(verbose_name="last received")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["store_code", "-hour"], name="neural_event_figures_store")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "store_code", "event_type"),
                        name="neural_event_figures_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HourFigures",
            fields=[
                ("id", row_id()),
                ("queue", text("queue", 100)),
                ("work", text("work", 255)),
                ("submitted", models.BigIntegerField(default=0, verbose_name="submitted")),
                ("succeeded", models.BigIntegerField(default=0, verbose_name="succeeded")),
                ("failed", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                ("lost", models.BigIntegerField(default=0, verbose_name="lost deliveries")),
                ("dead", models.BigIntegerField(default=0, verbose_name="dead")),
                ("wait", models.JSONField(default=list, verbose_name="wait")),
                ("duration", models.JSONField(default=list, verbose_name="duration")),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("store_code", entered_text("store", 64)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["store_code", "hour"], name="neural_hour_figures_store")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "queue", "work", "store_code"),
                        name="neural_hour_figures_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MinuteFigures",
            fields=[
                ("id", row_id()),
                ("queue", text("queue", 100)),
                ("work", text("work", 255)),
                ("submitted", models.BigIntegerField(default=0, verbose_name="submitted")),
                ("succeeded", models.BigIntegerField(default=0, verbose_name="succeeded")),
                ("failed", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                ("lost", models.BigIntegerField(default=0, verbose_name="lost deliveries")),
                ("dead", models.BigIntegerField(default=0, verbose_name="dead")),
                ("wait", models.JSONField(default=list, verbose_name="wait")),
                ("duration", models.JSONField(default=list, verbose_name="duration")),
                ("minute", models.DateTimeField(verbose_name="minute")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("minute", "queue", "work"), name="neural_minute_figures_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TotalFigures",
            fields=[
                ("id", row_id()),
                ("queue", text("queue", 100)),
                ("work", text("work", 255)),
                ("submitted", models.BigIntegerField(default=0, verbose_name="submitted")),
                ("succeeded", models.BigIntegerField(default=0, verbose_name="succeeded")),
                ("failed", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                ("lost", models.BigIntegerField(default=0, verbose_name="lost deliveries")),
                ("dead", models.BigIntegerField(default=0, verbose_name="dead")),
                ("wait", models.JSONField(default=list, verbose_name="wait")),
                ("duration", models.JSONField(default=list, verbose_name="duration")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("queue", "work"), name="neural_total_figures_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertMessage",
            fields=[
                ("id", row_id()),
                (
                    "message_id",
                    models.CharField(
                        default=neural.monitoring.models.alerts.new_message_id,
                        max_length=40,
                        unique=True,
                        verbose_name="message id",
                    ),
                ),
                ("rule", entered_text("rule", 50)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "pending"), ("sent", "sent"), ("failed", "failed")],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("content", json_object("content")),
                ("created_at", time_of_insert("created at")),
                ("due_at", time_of_insert("due at")),
                ("task_id", entered_text("task id", 255)),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="attempts")),
                ("attempted_at", time_or_null("last attempt")),
                ("sending_until", time_or_null("being sent until")),
                ("sent_at", time_or_null("sent")),
                ("answer", entered_text("answer", 500)),
                (
                    "channel",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="neural_monitoring.alertchannel",
                        verbose_name="channel",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert message",
                "verbose_name_plural": "alert messages",
                "indexes": [
                    models.Index(fields=["channel", "rule", "-id"], name="neural_alert_message"),
                    models.Index(fields=["channel", "id"], name="neural_alert_message_channel"),
                    models.Index(fields=["state", "id"], name="neural_alert_message_state"),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["due_at"],
                        name="neural_alert_message_due",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Retention",
            fields=[],
            options={
                "verbose_name": "retention",
                "verbose_name_plural": "retention",
                "permissions": (("prune_rows", "Can delete old rows and count them"),),
                "proxy": True,
                "default_permissions": ("view",),
            },
            bases=("neural_monitoring.examination",),
        ),
        migrations.CreateModel(
            name="ErrorGroupHit",
            fields=[
                ("id", row_id()),
                ("work", text("work", 255)),
                ("store_code", entered_text("store", 64)),
                ("attempts", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                ("first_at", models.DateTimeField(verbose_name="first")),
                ("last_at", models.DateTimeField(verbose_name="last")),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hits",
                        to="neural_monitoring.errorgroup",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["store_code", "group"], name="neural_error_hit_store")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("group", "work", "store_code"), name="neural_error_hit_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ErrorGroupHour",
            fields=[
                ("id", row_id()),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("work", text("work", 255)),
                ("store_code", entered_text("store", 64)),
                ("attempts", models.BigIntegerField(default=0, verbose_name="failed attempts")),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hours",
                        to="neural_monitoring.errorgroup",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["group", "store_code", "hour"], name="neural_error_hour_store"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("group", "work", "store_code", "hour"),
                        name="neural_error_hour_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FailedRun",
            fields=[
                ("run_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("attempt_id", models.BigIntegerField()),
                ("failed_at", models.DateTimeField()),
                ("dead", models.BooleanField(default=False)),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="neural_monitoring.errorgroup",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="neural.store",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["group", "-attempt_id"], name="neural_failed_run_group"),
                    models.Index(
                        fields=["group", "store", "-attempt_id"], name="neural_failed_run_store"
                    ),
                    models.Index(
                        condition=models.Q(("dead", True)),
                        fields=["group", "store", "-run_id"],
                        name="neural_failed_run_dead",
                    ),
                    models.Index(
                        condition=models.Q(("dead", True)),
                        fields=["run_id"],
                        name="neural_failed_run_sweep",
                    ),
                ],
            },
        ),
    ]
