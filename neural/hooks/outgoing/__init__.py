"""Delivers events and outcomes to subscriptions."""
