"""Delivers events and outcomes to subscriptions, as signed webhooks.

``recording`` writes deliveries in the transaction of what they tell, ``scheduling`` requests their
runs, and ``sending`` makes one attempt, behind a circuit that spares a receiver in trouble.
Submitting, settling and every relay come here by :mod:`neural.hooks.outgoing.connecting`.
"""
