"""The names of the Celery tasks of training and forecasting."""

ROUND_TASK = "neural.tasks.run_federated_round"
TRAIN_TASK = "neural.tasks.train_federated_model"
ANSWER_TASK = "neural.tasks.answer_training_exchange"
ADVANCE_TASK = "neural.tasks.advance_training_round"
FORECAST_TASK = "neural.tasks.make_forecasts"
