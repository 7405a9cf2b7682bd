"""The built-in event types and their handlers, found with those of every other app.

Installed after `neural` and before the apps whose handlers are for these types.
"""

from neural.restaurant import types  # noqa: F401  (registers both)
