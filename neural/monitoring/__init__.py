"""Monitoring: figures, alerts, error groups, metrics, and the console pages that show them.

Docs: docs/monitoring.md.
"""
