"""The fieldsets of the training plan's admin page, with explanations."""

from typing import Any

from django.utils.translation import gettext_lazy as _

FIELDSETS: Any = (
    (
        None,
        {
            "description": _(
                "A round asks stores again and again: each answers from its own sales, and "
                "only sums and weights leave it. What you change here counts from the next "
                "round on."
            ),
            "fields": ("model_type", "enabled", "publishing", "schedule", "newest"),
        },
    ),
    (
        _("Who takes part, and how long is waited"),
        {
            "description": _(
                "A round goes on without stores that fail, hang or are late, as long as there "
                "are enough others: the quorum. Otherwise it ends and the version in force "
                "stays."
            ),
            "fields": (
                "participants",
                ("least_stores", "least_share"),
                ("exchange_seconds", "deadline_seconds"),
                "stores_per_run",
            ),
        },
    ),
    (
        _("What is learned from"),
        {
            "description": _(
                "The last days are kept apart: nobody trains on them, and the new version is "
                "judged by them."
            ),
            "fields": (
                ("history_days", "held_out_days", "refit_exchanges"),
                ("dishes_per_store", "max_examples"),
            ),
        },
    ),
    (
        _("Linear model"),
        {
            "description": _(
                "Stores improve common weights together. The clipping norm bounds what one "
                "store can do to them; trimmed mean and median stand up to stores that send "
                "nonsense, at the price of some precision."
            ),
            "fields": (
                ("strategy", "fit_exchanges"),
                ("proximal", "ridge"),
                ("clipping_norm", "trim_share"),
            ),
        },
    ),
    (
        _("Trees"),
        {
            "description": _(
                "Trees find what a linear model cannot. They are grown from sums over the "
                "stores and take most of a round's time. Without trees a round is short and "
                "forecasts err by about three per cent more."
            ),
            "fields": (
                ("trees", "trees_together", "tree_depth"),
                ("learning_rate", "bins"),
                "seed",
            ),
        },
    ),
    (
        _("Privacy"),
        {
            "description": _(
                "With noise nobody can tell from the model whether a store took part. It costs "
                "precision: useful from about two hundred stores on. Each noisy release spends "
                "some of the budget, which is never given back."
            ),
            "fields": ("noise_multiplier", ("epsilon_budget", "delta")),
        },
    ),
)
