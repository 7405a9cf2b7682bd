"""The phases of a round of the demand forecast, a class each, and their order. Pure.

A phase is all that a round knows of one question: who is asked it when, what a store answers, how
an answer is checked, and what the answers add up to. The arithmetic of it stands outside.
"""
