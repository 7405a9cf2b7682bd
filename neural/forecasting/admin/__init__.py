"""The admin pages of training and forecasts: plans, rounds, versions, store updates, forecasts.

Its main names are ``TrainingPlanAdmin`` (with *Run now*), ``TrainingRoundAdmin`` (a round with its
report) and ``ForecastAdmin`` (a store's page). Django loads it with the other admin modules;
the templatetags of this app use its displays and charts.
"""

from neural.admin.tabs import register_tab
from neural.forecasting.admin import forecasts, plans, rounds, updates, versions

__all__ = ["forecasts", "plans", "rounds", "updates", "versions"]

register_tab("chain", "neural_forecasting.traininground", place=50, also=("neural_forecasting",))
