"""Makes forecasts of the next days, and shows how good the last ones were."""
