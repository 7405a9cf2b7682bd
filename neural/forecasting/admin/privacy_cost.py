"""What a plan's noise costs: said when the plan is saved, before a round spends it for nothing."""

from django.utils.translation import gettext as _

from neural.forecasting.core.privacy import PrivacyAccountantMissing, PrivacyBudgetSpent
from neural.forecasting.models import TrainingPlan
from neural.forecasting.rounds.spending import epsilon_after


def warning_of(plan: TrainingPlan) -> str:
    """Why no round of this plan could come to its end, as far as privacy goes; empty if one can.

    A round has a noisy release for each exchange of the linear model.
    """
    if plan.noise_multiplier <= 0:
        return ""
    try:
        epsilon_after(plan, [plan.noise_multiplier] * plan.fit_exchanges)
    except PrivacyAccountantMissing as error:
        return str(error)
    except PrivacyBudgetSpent as error:
        values = {
            "count": plan.fit_exchanges,
            "spent": f"{error.epsilon:.2f}",
            "after": f"{error.epsilon_after:.2f}",
            "budget": f"{plan.epsilon_budget:g}",
        }
        return (
            _(
                "No round can come to its end: its %(count)d noisy releases would take ε from "
                "%(spent)s to %(after)s, and the budget is %(budget)s. More noise, fewer exchanges "
                "of the linear model or a larger budget would do."
            )
            % values
        )
    return ""
