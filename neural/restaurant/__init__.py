"""The restaurant app: orders, payments, dishes, stock, shifts and demand.

It has the built-in event types, their handlers, read models and admin pages.
"""

TASKS = ("analyse_demand",)
"""The tasks of this part, which are reached as ``neural.tasks.…``."""
