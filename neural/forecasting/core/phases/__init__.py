"""The phases of a demand forecast's round, one class each, and their order. Pure.

A phase is everything about one question of a round: when it is asked, what a store answers, how an
answer is checked, and how the answers are combined. Most of the arithmetic is in the other modules
of ``core``.
"""
