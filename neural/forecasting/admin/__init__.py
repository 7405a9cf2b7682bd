"""The admin pages of training and forecasts."""

from neural.forecasting.admin import forecasts, plans, rounds, updates, versions

__all__ = ["forecasts", "plans", "rounds", "updates", "versions"]
