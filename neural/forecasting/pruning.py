"""What of forecasts is pruned."""

from neural.forecasting.models import Forecast
from neural.ledger.prune import Prunable

FORECAST_DAYS = 400
"""A year of hits and misses, and a month to look at it."""

FORECASTS = Prunable(
    name="forecasts",
    which=f"forecasts that are more than {FORECAST_DAYS} days old",
    model=Forecast,
    made_at="made_at",
    aged_from="made_at",
    kept_days=lambda: FORECAST_DAYS,
)
