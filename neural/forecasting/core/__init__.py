"""The arithmetic of training and forecasting, without Django, database or queue. Pure.

``protocol.Program`` asks stores questions, ``expectation.forecast`` forecasts a store's next days,
and ``evaluation.judge`` decides whether a model is good enough. ``rounds`` and ``outlook`` use it,
and so may a store on its own machine.
"""
