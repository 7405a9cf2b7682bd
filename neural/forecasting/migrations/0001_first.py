from typing import Any

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import neural.kit.exact_json


# Fields that repeat, each declared once.
def count(label: str, **options: Any) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(default=0, verbose_name=label, **options)


def entered_text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, default="", verbose_name=label, max_length=max_length, **options
    )


def protecting(label: str, to: Any, **options: Any) -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        on_delete=django.db.models.deletion.PROTECT,
        verbose_name=label,
        to=to,
        **options,
    )


def protecting_or_null(label: str, to: Any, **options: Any) -> models.ForeignKey:
    return models.ForeignKey(
        blank=True,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        verbose_name=label,
        to=to,
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
    replaces = [("neural_forecasting", "0001_initial"), ("neural_forecasting", "0002_server_state")]

    initial = True

    dependencies = [
        ("neural", "0001_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="ModelVersion",
            fields=[
                ("id", row_id()),
                ("model_type", text("model type", 100)),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("sha256", text("SHA-256", 64)),
                ("schema_hash", entered_text("hash of the features", 64)),
                ("content", models.TextField(editable=False, verbose_name="content")),
                (
                    "metrics",
                    neural.kit.exact_json.ExactJSONField(default=dict, verbose_name="figures"),
                ),
                (
                    "standing",
                    models.CharField(
                        choices=[
                            ("candidate", "candidate"),
                            ("published", "published"),
                            ("rejected", "rejected"),
                        ],
                        default="candidate",
                        max_length=10,
                        verbose_name="standing",
                    ),
                ),
                ("created_at", time_of_insert("created at")),
                ("published_at", time_or_null("published at")),
                (
                    "parent",
                    protecting_or_null(
                        "trained from", "neural_forecasting.modelversion", related_name="children"
                    ),
                ),
            ],
            options={
                "verbose_name": "model version",
                "verbose_name_plural": "model versions",
                "db_table": "neural_modelversion",
                "ordering": ("-id",),
                "permissions": (
                    ("publish_modelversion", "Can publish model versions"),
                    ("reject_modelversion", "Can reject model versions"),
                    ("roll_back_modelversion", "Can roll back to an earlier model version"),
                ),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("model_type", "number"), name="neural_version_number"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("standing__in", ["candidate", "published", "rejected"])
                        ),
                        name="neural_version_known_standing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("standing", "published"), _negated=True),
                            ("published_at__isnull", False),
                            _connector="OR",
                        ),
                        name="neural_version_published_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TrainingPlan",
            fields=[
                ("id", row_id()),
                (
                    "model_type",
                    models.CharField(max_length=100, unique=True, verbose_name="model type"),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Otherwise no new round is opened.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "least_stores",
                    models.PositiveIntegerField(
                        default=2,
                        help_text="A round with fewer good answers fails, and the old model stays.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                        verbose_name="quorum",
                    ),
                ),
                (
                    "least_share",
                    models.FloatField(
                        default=0.5,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1),
                        ],
                        verbose_name="quorum as a share of the invited",
                    ),
                ),
                (
                    "exchange_seconds",
                    models.PositiveIntegerField(
                        default=120,
                        help_text="Who has not answered by then is late, and the round goes on without it.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                        verbose_name="seconds for an exchange",
                    ),
                ),
                (
                    "deadline_seconds",
                    models.PositiveIntegerField(
                        default=3600,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(604800),
                        ],
                        verbose_name="seconds for a round",
                    ),
                ),
                (
                    "stores_per_run",
                    models.PositiveIntegerField(
                        default=25,
                        help_text="How many stores of one trust domain answer in one run.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(10000),
                        ],
                        verbose_name="stores a run",
                    ),
                ),
                (
                    "publishing",
                    models.CharField(
                        choices=[
                            ("automatic", "at once, when it is better"),
                            ("by_a_person", "when a person says so"),
                        ],
                        default="automatic",
                        max_length=20,
                        verbose_name="publishing",
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[
                            ("fedavg", "FedAvg: mean of the updates"),
                            (
                                "fedprox",
                                "FedProx: mean, and no store goes far from the common model",
                            ),
                            ("trimmed_mean", "trimmed mean: the extremes are cut"),
                            ("median", "median of the updates"),
                        ],
                        default="fedprox",
                        max_length=20,
                        verbose_name="strategy",
                    ),
                ),
                (
                    "fit_exchanges",
                    models.PositiveIntegerField(
                        default=10,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="exchanges of the linear model",
                    ),
                ),
                (
                    "proximal",
                    models.FloatField(
                        default=0.5,
                        help_text="How strongly FedProx holds a store to the common weights.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1000000.0),
                        ],
                        verbose_name="proximal term (μ)",
                    ),
                ),
                (
                    "ridge",
                    models.FloatField(
                        default=0.01,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1000000.0),
                        ],
                        verbose_name="ridge",
                    ),
                ),
                (
                    "clipping_norm",
                    models.FloatField(
                        default=1.0,
                        help_text="The longest update of the linear weights that a store may send (L2).",
                        validators=[
                            django.core.validators.MinValueValidator(1e-06),
                            django.core.validators.MaxValueValidator(1000000.0),
                        ],
                        verbose_name="clipping norm",
                    ),
                ),
                (
                    "trim_share",
                    models.FloatField(
                        default=0.1,
                        help_text="At each end.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(0.49),
                        ],
                        verbose_name="trimmed share (β)",
                    ),
                ),
                (
                    "max_examples",
                    models.PositiveIntegerField(
                        default=100000,
                        help_text="No store weighs more than with so many.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100000000),
                        ],
                        verbose_name="greatest example count",
                    ),
                ),
                (
                    "history_days",
                    models.PositiveIntegerField(
                        default=365,
                        validators=[
                            django.core.validators.MinValueValidator(28),
                            django.core.validators.MaxValueValidator(3660),
                        ],
                        verbose_name="days of history",
                    ),
                ),
                (
                    "held_out_days",
                    models.PositiveIntegerField(
                        default=14,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(90),
                        ],
                        verbose_name="days kept for judging",
                    ),
                ),
                (
                    "dishes_per_store",
                    models.PositiveIntegerField(
                        default=50,
                        help_text="Those of which a store sells most.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                        verbose_name="dishes a store",
                    ),
                ),
                (
                    "trees",
                    models.PositiveIntegerField(
                        default=128,
                        help_text="0: the linear model alone.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(2000),
                        ],
                        verbose_name="trees",
                    ),
                ),
                (
                    "trees_together",
                    models.PositiveSmallIntegerField(
                        default=8,
                        help_text="So many grow in the same exchanges; their mean is one step.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(32),
                        ],
                        verbose_name="trees side by side",
                    ),
                ),
                (
                    "tree_depth",
                    models.PositiveSmallIntegerField(
                        default=5,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(8),
                        ],
                        verbose_name="depth of trees",
                    ),
                ),
                (
                    "learning_rate",
                    models.FloatField(
                        default=0.3,
                        validators=[
                            django.core.validators.MinValueValidator(0.0001),
                            django.core.validators.MaxValueValidator(1),
                        ],
                        verbose_name="learning rate",
                    ),
                ),
                (
                    "bins",
                    models.PositiveSmallIntegerField(
                        default=16,
                        validators=[
                            django.core.validators.MinValueValidator(2),
                            django.core.validators.MaxValueValidator(256),
                        ],
                        verbose_name="bins",
                    ),
                ),
                ("seed", count("seed")),
                (
                    "refit_exchanges",
                    models.PositiveIntegerField(
                        default=3,
                        help_text="What is better is trained again with the days that were kept for judging. 0: it is published as it was judged.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="exchanges of the refit",
                    ),
                ),
                (
                    "noise_multiplier",
                    models.FloatField(
                        default=0.0,
                        help_text="Differential privacy at store level; 0 is off. With it no trees are grown.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                        verbose_name="noise multiplier (z)",
                    ),
                ),
                (
                    "epsilon_budget",
                    models.FloatField(
                        default=8.0,
                        help_text="A round that would pass it in all, with the rounds before it, fails.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1000000.0),
                        ],
                        verbose_name="privacy budget (ε)",
                    ),
                ),
                (
                    "delta",
                    models.FloatField(
                        default=1e-05,
                        validators=[
                            django.core.validators.MinValueValidator(1e-12),
                            django.core.validators.MaxValueValidator(0.1),
                        ],
                        verbose_name="privacy (δ)",
                    ),
                ),
                (
                    "participants",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Empty: every store with enough history.",
                        related_name="+",
                        to="neural.store",
                        verbose_name="participants",
                    ),
                ),
            ],
            options={
                "verbose_name": "training plan",
                "verbose_name_plural": "training plans",
                "db_table": "neural_trainingplan",
                "ordering": ("model_type",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("strategy__in", ["fedavg", "fedprox", "trimmed_mean", "median"])
                        ),
                        name="neural_plan_known_strategy",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("publishing__in", ["automatic", "by_a_person"])),
                        name="neural_plan_known_publishing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("least_share__gte", 0),
                            ("least_share__lte", 1),
                            ("least_stores__gte", 1),
                        ),
                        name="neural_plan_quorum_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deadline_seconds__gte", 1),
                            ("exchange_seconds__gte", 1),
                            ("dishes_per_store__gte", 1),
                            ("stores_per_run__gte", 1),
                        ),
                        name="neural_plan_bounds_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("epsilon_budget__gte", 0),
                            ("noise_multiplier__gte", 0),
                            ("delta__gt", 0),
                            ("delta__lt", 1),
                        ),
                        name="neural_plan_privacy_in_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ActiveModel",
            fields=[
                ("id", row_id()),
                (
                    "model_type",
                    models.CharField(max_length=100, unique=True, verbose_name="model type"),
                ),
                ("changed_at", time_of_insert("changed at")),
                ("changed_by", entered_text("changed by", 150)),
                (
                    "version",
                    protecting("version", "neural_forecasting.modelversion", related_name="+"),
                ),
            ],
            options={
                "verbose_name": "active model",
                "verbose_name_plural": "active models",
                "db_table": "neural_activemodel",
                "ordering": ("model_type",),
            },
        ),
        migrations.CreateModel(
            name="Forecast",
            fields=[
                ("id", row_id()),
                ("dish", text("dish", 200)),
                ("name", entered_text("name", 200)),
                (
                    "made_on",
                    models.DateField(
                        help_text="The last business day that was known.", verbose_name="made after"
                    ),
                ),
                ("method", text("method", 30)),
                ("mean", neural.kit.exact_json.ExactJSONField(verbose_name="mean")),
                ("p10", neural.kit.exact_json.ExactJSONField(verbose_name="P10")),
                ("p50", neural.kit.exact_json.ExactJSONField(verbose_name="P50")),
                ("p90", neural.kit.exact_json.ExactJSONField(verbose_name="P90")),
                ("made_at", time_of_insert("made at")),
                ("store", protecting("store", "neural.store", related_name="forecasts")),
                (
                    "version",
                    protecting_or_null(
                        "version",
                        "neural_forecasting.modelversion",
                        related_name="+",
                        help_text="Empty: made by a simple rule, without a model.",
                    ),
                ),
            ],
            options={
                "verbose_name": "forecast",
                "verbose_name_plural": "forecasts",
                "db_table": "neural_forecast",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "made_on", "dish"), name="neural_forecast_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TrainingRound",
            fields=[
                ("id", row_id()),
                ("model_type", text("model type", 100)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "planned"),
                            ("selecting", "choosing stores"),
                            ("collecting", "collecting answers"),
                            ("aggregating", "adding up"),
                            ("evaluating", "judging"),
                            ("published", "published"),
                            ("rejected", "rejected"),
                            ("failed_quorum", "failed: too few stores"),
                            ("failed_error", "failed: error"),
                            ("cancelled", "cancelled"),
                        ],
                        default="planned",
                        max_length=15,
                        verbose_name="state",
                    ),
                ),
                (
                    "exchange",
                    count("exchange", help_text="Which question of the round is out, from 1."),
                ),
                ("exchanges_expected", count("exchanges expected")),
                (
                    "config",
                    neural.kit.exact_json.ExactJSONField(default=dict, verbose_name="numbers"),
                ),
                (
                    "server_state",
                    neural.kit.exact_json.ExactJSONField(
                        db_column="draft", default=dict, verbose_name="server state"
                    ),
                ),
                (
                    "question",
                    neural.kit.exact_json.ExactJSONField(
                        blank=True, null=True, verbose_name="question"
                    ),
                ),
                ("requested_by", entered_text("requested by", 150)),
                ("seed", models.BigIntegerField(default=0, verbose_name="seed")),
                ("invited", count("stores invited")),
                (
                    "taking_part",
                    count("stores taking part", help_text="Those whose answers still count."),
                ),
                ("quorum", models.PositiveIntegerField(default=1, verbose_name="quorum")),
                (
                    "exchange_seconds",
                    models.PositiveIntegerField(
                        default=120, verbose_name="seconds for an exchange"
                    ),
                ),
                (
                    "stores_per_run",
                    models.PositiveIntegerField(default=25, verbose_name="stores a run"),
                ),
                (
                    "dishes_per_store",
                    models.PositiveIntegerField(default=50, verbose_name="dishes a store"),
                ),
                ("opened_at", models.DateTimeField(verbose_name="opened at")),
                ("exchange_opened_at", time_or_null("exchange opened at")),
                ("exchange_closes_at", time_or_null("exchange closes at")),
                ("asked_again", count("exchange asked again")),
                ("closes_at", models.DateTimeField(verbose_name="closes at")),
                ("closed_at", time_or_null("closed at")),
                ("reason", entered_text("reason", 50)),
                ("detail", entered_text("detail", 500)),
                (
                    "base_version",
                    protecting_or_null(
                        "starts from", "neural_forecasting.modelversion", related_name="+"
                    ),
                ),
                (
                    "plan",
                    protecting("plan", "neural_forecasting.trainingplan", related_name="rounds"),
                ),
            ],
            options={
                "verbose_name": "training round",
                "verbose_name_plural": "training rounds",
                "db_table": "neural_traininground",
                "ordering": ("-id",),
                "permissions": (
                    ("run_traininground", "Can open training rounds"),
                    ("cancel_traininground", "Can cancel training rounds"),
                ),
                "indexes": [
                    models.Index(fields=["model_type", "-id"], name="neural_round_by_type")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ("planned", "selecting", "collecting", "aggregating", "evaluating"),
                            )
                        ),
                        fields=("model_type",),
                        name="neural_round_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "planned",
                                    "selecting",
                                    "collecting",
                                    "aggregating",
                                    "evaluating",
                                    "published",
                                    "rejected",
                                    "failed_quorum",
                                    "failed_error",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="neural_round_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                (
                                    "state__in",
                                    (
                                        "published",
                                        "rejected",
                                        "failed_quorum",
                                        "failed_error",
                                        "cancelled",
                                    ),
                                ),
                                _negated=True,
                            ),
                            ("closed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="neural_round_closed_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ("collecting", "evaluating")), _negated=True),
                            models.Q(
                                ("exchange_closes_at__isnull", False), ("question__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="neural_round_asking_has_question",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StoreUpdate",
            fields=[
                ("id", row_id()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("invited", "invited"),
                            ("accepted", "accepted"),
                            ("rejected", "rejected"),
                            ("failed", "failed"),
                            ("late", "late"),
                            ("left_out", "left out"),
                        ],
                        default="invited",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("reason", entered_text("reason", 50)),
                ("detail", entered_text("detail", 200)),
                ("exchange", count("exchange answered last")),
                (
                    "payload",
                    neural.kit.exact_json.ExactJSONField(
                        blank=True, editable=False, null=True, verbose_name="answer"
                    ),
                ),
                (
                    "examples",
                    models.BigIntegerField(blank=True, null=True, verbose_name="examples"),
                ),
                (
                    "update_norm",
                    models.FloatField(blank=True, null=True, verbose_name="length of the update"),
                ),
                ("bytes_sent", models.BigIntegerField(default=0, verbose_name="bytes sent")),
                ("seconds", models.FloatField(default=0, verbose_name="seconds")),
                ("answered_at", time_or_null("answered at")),
                (
                    "figures",
                    neural.kit.exact_json.ExactJSONField(
                        blank=True, default=dict, verbose_name="figures"
                    ),
                ),
                ("store", protecting("store", "neural.store", related_name="updates")),
                (
                    "round",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="updates",
                        to="neural_forecasting.traininground",
                        verbose_name="round",
                    ),
                ),
            ],
            options={
                "verbose_name": "store's update",
                "verbose_name_plural": "stores' updates",
                "db_table": "neural_storeupdate",
                "indexes": [models.Index(fields=["store", "-id"], name="neural_update_by_store")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("round", "store"), name="neural_update_identity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["invited", "accepted", "rejected", "failed", "late", "left_out"],
                            )
                        ),
                        name="neural_update_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("invited", "accepted")),
                            models.Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="neural_update_unused_has_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RoundTransition",
            fields=[
                ("id", row_id()),
                (
                    "from_state",
                    text(
                        "from",
                        15,
                        choices=[
                            ("planned", "planned"),
                            ("selecting", "choosing stores"),
                            ("collecting", "collecting answers"),
                            ("aggregating", "adding up"),
                            ("evaluating", "judging"),
                            ("published", "published"),
                            ("rejected", "rejected"),
                            ("failed_quorum", "failed: too few stores"),
                            ("failed_error", "failed: error"),
                            ("cancelled", "cancelled"),
                        ],
                    ),
                ),
                (
                    "to_state",
                    text(
                        "to",
                        15,
                        choices=[
                            ("planned", "planned"),
                            ("selecting", "choosing stores"),
                            ("collecting", "collecting answers"),
                            ("aggregating", "adding up"),
                            ("evaluating", "judging"),
                            ("published", "published"),
                            ("rejected", "rejected"),
                            ("failed_quorum", "failed: too few stores"),
                            ("failed_error", "failed: error"),
                            ("cancelled", "cancelled"),
                        ],
                    ),
                ),
                ("exchange", models.PositiveIntegerField(verbose_name="exchange")),
                ("at", time_of_insert("at")),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transitions",
                        to="neural_forecasting.traininground",
                        verbose_name="round",
                    ),
                ),
            ],
            options={
                "verbose_name": "transition of a round",
                "verbose_name_plural": "transitions of rounds",
                "db_table": "neural_roundtransition",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="PrivacySpend",
            fields=[
                ("id", row_id()),
                ("exchange", models.PositiveIntegerField(verbose_name="exchange")),
                ("noise_multiplier", models.FloatField(verbose_name="noise multiplier (z)")),
                (
                    "stores",
                    models.PositiveIntegerField(
                        help_text="The fixed denominator: how many were invited.",
                        verbose_name="stores",
                    ),
                ),
                ("epsilon", models.FloatField(verbose_name="ε afterwards")),
                ("at", time_of_insert("at")),
                (
                    "round",
                    protecting("round", "neural_forecasting.traininground", related_name="spends"),
                ),
            ],
            options={
                "verbose_name": "privacy spent",
                "verbose_name_plural": "privacy spent",
                "db_table": "neural_privacyspend",
                "ordering": ("id",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("round", "exchange"), name="neural_spend_identity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("epsilon__gte", 0), ("noise_multiplier__gt", 0)),
                        name="neural_spend_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GroupSum",
            fields=[
                ("id", row_id()),
                ("exchange", models.PositiveIntegerField(verbose_name="exchange")),
                ("first_store", text("first store", 64)),
                ("store_count", models.PositiveIntegerField(verbose_name="number of stores")),
                ("stores", models.JSONField(default=list, verbose_name="stores")),
                ("payload", neural.kit.exact_json.ExactJSONField(verbose_name="answer")),
                ("bytes_sent", models.BigIntegerField(default=0, verbose_name="bytes sent")),
                ("seconds", models.FloatField(default=0, verbose_name="seconds")),
                (
                    "round",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sums",
                        to="neural_forecasting.traininground",
                        verbose_name="round",
                    ),
                ),
            ],
            options={
                "verbose_name": "sum of a group",
                "verbose_name_plural": "sums of groups",
                "db_table": "neural_groupsum",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("round", "exchange", "first_store", "store_count"),
                        name="neural_sum_identity",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="modelversion",
            name="round",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="version",
                to="neural_forecasting.traininground",
                verbose_name="round",
            ),
        ),
    ]
