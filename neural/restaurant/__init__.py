"""What restaurants do: orders, payments, dishes, stock, shifts and demand.

Their event types, handlers and pages: an app of its own on the core.
"""
