"""The privacy ledger: records the cost of each noisy release before the release is made."""

from neural.forecasting.core.privacy import check_budget
from neural.forecasting.models import PrivacySpend, TrainingPlan, TrainingRound
from neural.forecasting.rounds.exchange import Exchange


def epsilon_after(plan: TrainingPlan, planned: list[float]) -> float:
    """The ε of a plan after the ``planned`` releases (noise multipliers).

    Raises :class:`~neural.forecasting.core.privacy.PrivacyBudgetSpent` if it would exceed the
    plan's budget.
    """
    past = PrivacySpend.objects.filter(round__model_type=plan.model_type)
    return check_budget(
        list(past.values_list("noise_multiplier", flat=True)),
        planned,
        budget_epsilon=plan.epsilon_budget,
        delta=plan.delta,
    )


def spend(training: TrainingRound, asked: Exchange) -> None:
    """Record the cost of this exchange's release, if it is one, and commit it.

    Raises :class:`~neural.forecasting.core.privacy.PrivacyBudgetSpent` if it would exceed the
    plan's budget; then nothing is released. If the process is killed before the release, the cost
    counts as spent. If the exchange is aggregated again, it is not counted twice.
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
    # Two coordinators may try to record it: only one of their releases is ever broadcast.
    PrivacySpend.objects.bulk_create([row], ignore_conflicts=True)
