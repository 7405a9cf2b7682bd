"""The pages of training and forecasts."""
