"""The privacy ledger: what a noisy release costs is written down before it is made."""

from neural.forecasting.core.privacy import check_budget
from neural.forecasting.models import PrivacySpend, TrainingPlan, TrainingRound
from neural.forecasting.rounds.exchange import Exchange


def epsilon_after(plan: TrainingPlan, planned: list[float]) -> float:
    """ε after so many more releases (noise multipliers) of a plan, if its budget allows for them.

    Raises :class:`~neural.forecasting.core.privacy.PrivacyBudgetSpent`.
    """
    past = PrivacySpend.objects.filter(round__model_type=plan.model_type)
    return check_budget(
        list(past.values_list("noise_multiplier", flat=True)),
        planned,
        budget_epsilon=plan.epsilon_budget,
        delta=plan.delta,
    )


def spend(training: TrainingRound, asked: Exchange) -> None:
    """Write down what the release of this exchange costs, once, and commit it.

    Raises :class:`~neural.forecasting.core.privacy.PrivacyBudgetSpent` if it would pass the plan's
    budget: nothing is released then. Killed after this and before the release, it counts as
    spent; done again, it is not counted twice.
    """
    noise = asked.config.noise_multiplier
    if noise <= 0 or not asked.kind.releases(asked.question):
        return
    mine = PrivacySpend.objects.filter(round=training.pk, exchange=asked.number)
    if mine.exists():
        return
    epsilon = epsilon_after(training.plan, [noise])
    row = PrivacySpend(
        round=training,
        exchange=asked.number,
        noise_multiplier=noise,
        stores=training.invited,
        epsilon=epsilon,
    )
    # Two coordinators spend for one release: only one of their releases is ever broadcast.
    PrivacySpend.objects.bulk_create([row], ignore_conflicts=True)
