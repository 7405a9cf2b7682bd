"""The HTTP API's endpoints of forecasts, loaded if ``neural.api`` is installed."""

from ninja import Router

router = Router(tags=["Forecasts"])
