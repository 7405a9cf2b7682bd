"""Webhooks: what tills and delivery platforms push to us, and what we push to others.

``platforms`` has one class a platform, ``incoming`` receives and translates its pushes, and
``outgoing`` delivers events and outcomes to subscriptions. A project mounts the receiving address
with ``path("hooks/", include("neural.hooks.urls"))``.
"""
