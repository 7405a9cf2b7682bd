"""The phases of a demand forecast's round, a class each. Pure.

A :class:`~neural.forecasting.core.phases.phase.Phase` is everything about one question: when it is
asked, what a store answers (``StorePart``), how answers are checked and combined (``Combined``).
``core.program`` puts them in order.
"""
