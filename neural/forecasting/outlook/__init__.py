"""What the next days will sell, and how good the last forecasts were."""
