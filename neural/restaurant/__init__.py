"""The restaurant app: orders, payments, dishes, stock, shifts and demand.

It has the built-in event types, their handlers, read models and admin pages.
"""
