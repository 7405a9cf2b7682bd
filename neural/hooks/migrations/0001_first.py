from typing import Any

import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import neural.hooks.models.outgoing
import neural.kit.encrypted


# Fields that repeat, each declared once.
def fixed_time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(
        blank=True, editable=False, null=True, verbose_name=label, **options
    )


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(blank=True, null=True, verbose_name=label, **options)


class Migration(migrations.Migration):
    replaces = [("neural_hooks", "0001_initial")]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("neural", "0001_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", row_id()),
                (
                    "key",
                    models.CharField(
                        default=neural.hooks.models.outgoing.new_key,
                        editable=False,
                        max_length=16,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "url",
                    models.CharField(
                        help_text="Where the receiver takes messages; it begins with https://",
                        max_length=500,
                        verbose_name="address",
                    ),
                ),
                (
                    "secrets",
                    neural.kit.encrypted.EncryptedJSONField(
                        default=list, editable=False, verbose_name="secrets"
                    ),
                ),
                (
                    "every_store",
                    models.BooleanField(
                        default=False,
                        help_text="Also the stores that are added later.",
                        verbose_name="every store",
                    ),
                ),
                (
                    "history",
                    models.BooleanField(
                        default=False,
                        help_text="Also what is loaded afterwards (backfill, the queue low_priority).",
                        verbose_name="history, too",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "active"), ("paused", "paused")],
                        default="active",
                        editable=False,
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("paused_at", fixed_time_or_null("paused at")),
                (
                    "paused_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("by_hand", "A person paused it."),
                            ("failing", "Its receiver failed for too long."),
                            ("gone", "Its receiver answered 410 Gone: it wants no more."),
                        ],
                        default="",
                        editable=False,
                        max_length=10,
                        verbose_name="paused because",
                    ),
                ),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="failures in a row"
                    ),
                ),
                ("failing_since", fixed_time_or_null("failing since")),
                ("retry_at", fixed_time_or_null("next attempt at")),
                ("slow", models.BooleanField(default=False, editable=False, verbose_name="slow")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "stores",
                    models.ManyToManyField(
                        blank=True,
                        related_name="webhook_subscriptions",
                        to="neural.store",
                        verbose_name="stores",
                    ),
                ),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
                "ordering": ("name", "pk"),
                "permissions": (
                    ("pause_subscription", "Can pause and resume a subscription"),
                    ("rotate_subscription", "Can give a subscription a new secret"),
                    ("send_subscription", "Can send test messages, and deliveries again"),
                ),
            },
        ),
        migrations.CreateModel(
            name="WebhookSource",
            fields=[
                ("id", row_id()),
                (
                    "name",
                    models.CharField(
                        help_text="The last part of its address, and the source of its events.",
                        max_length=60,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9-]{0,59}\\Z", "Small letters, digits and hyphens."
                            )
                        ],
                        verbose_name="name",
                    ),
                ),
                ("platform", models.CharField(max_length=60, verbose_name="platform")),
                (
                    "credentials",
                    neural.kit.encrypted.EncryptedJSONField(
                        blank=True, default=dict, verbose_name="credentials"
                    ),
                ),
                ("active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        blank=True,
                        help_text="If all its pushes belong to one store. Empty: see the platform's codes.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_sources",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook source",
                "verbose_name_plural": "webhook sources",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="SubscribedType",
            fields=[
                ("id", row_id()),
                ("name", models.CharField(max_length=100)),
                (
                    "subscription",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscribed_types",
                        to="neural_hooks.subscription",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        models.F("subscription"),
                        models.F("name"),
                        name="neural_hooks_type_identity",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", row_id()),
                ("type", models.CharField(max_length=100, verbose_name="type")),
                (
                    "payload",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="content",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("delivered", "delivered"),
                            ("failed", "failed"),
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
                    "task_id",
                    models.CharField(
                        blank=True, default="", max_length=255, verbose_name="task id"
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="attempts")),
                ("attempted_at", time_or_null("last attempt")),
                ("sending_until", time_or_null("being sent until")),
                ("failing_since", time_or_null("failing since")),
                (
                    "answer_status",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="status of answer"
                    ),
                ),
                (
                    "answer",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="answer"),
                ),
                ("delivered_at", time_or_null("delivered at")),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="webhook_deliveries",
                        to="neural.neuralevent",
                        verbose_name="event",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="webhook_deliveries",
                        to="neural.taskrun",
                        verbose_name="run that it tells of",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deliveries",
                        to="neural_hooks.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook delivery",
                "verbose_name_plural": "webhook deliveries",
                "indexes": [
                    models.Index(
                        fields=["subscription", "-id"], name="neural_hooks_by_subscription"
                    ),
                    models.Index(
                        condition=models.Q(("store__isnull", False)),
                        fields=["store", "-id"],
                        name="neural_hooks_by_store",
                    ),
                    models.Index(fields=["type", "-id"], name="neural_hooks_by_type"),
                    models.Index(
                        condition=models.Q(("state", "delivered"), _negated=True),
                        fields=["state", "-id"],
                        name="neural_hooks_undelivered",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending"), ("task_id", "")),
                        fields=["subscription", "id"],
                        name="neural_hooks_unrequested",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("state", "pending"), models.Q(("task_id", ""), _negated=True)
                        ),
                        fields=["subscription"],
                        name="neural_hooks_requested",
                    ),
                    models.Index(
                        condition=models.Q(("sending_until__isnull", False)),
                        fields=["subscription"],
                        name="neural_hooks_sending",
                    ),
                    models.Index(
                        condition=models.Q(("event__isnull", False)),
                        fields=["event"],
                        name="neural_hooks_by_event",
                    ),
                    models.Index(
                        condition=models.Q(("run__isnull", False)),
                        fields=["run"],
                        name="neural_hooks_by_run",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["pending", "delivered", "failed"])),
                        name="neural_hooks_known_state",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UnroutedPush",
            fields=[
                ("id", row_id()),
                ("push_id", models.CharField(max_length=200, verbose_name="push id")),
                (
                    "store_code",
                    models.CharField(blank=True, max_length=100, verbose_name="store code"),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                (
                    "payload",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="payload",
                    ),
                ),
                ("occurred_at", time_or_null("occurred at")),
                (
                    "received_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="received at",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("routed", "routed"),
                            ("dismissed", "dismissed"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="neural.neuralevent",
                        verbose_name="recorded as",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pushes",
                        to="neural_hooks.webhooksource",
                        verbose_name="webhook source",
                    ),
                ),
            ],
            options={
                "verbose_name": "unrouted push",
                "verbose_name_plural": "unrouted pushes",
                "permissions": (
                    ("route_unroutedpush", "Can give an unrouted push to its store"),
                    ("dismiss_unroutedpush", "Can dismiss an unrouted push"),
                ),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["source", "store_code"],
                        name="neural_hooks_push_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("source"), models.F("push_id"), name="neural_hooks_push_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StoreCode",
            fields=[
                ("id", row_id()),
                ("code", models.CharField(max_length=100, verbose_name="code")),
                (
                    "store",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_codes",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="store_codes",
                        to="neural_hooks.webhooksource",
                        verbose_name="webhook source",
                    ),
                ),
            ],
            options={
                "verbose_name": "store code",
                "verbose_name_plural": "store codes",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("source"), models.F("code"), name="neural_hooks_code_identity"
                    )
                ],
            },
        ),
    ]
