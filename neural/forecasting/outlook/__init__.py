"""Makes forecasts of the next days, and shows how good the last ones were.

``next_days.make_forecasts`` is the work of a forecasting run, ``review.outlook`` a store's page,
and ``report.report_of_round`` a round's errors by method. Tasks, commands and the admin use them.
"""
