"""The collections that come with the app: orders, dishes, staff, events.

What a record says is in one pure module each; where records are in the database, in ``sources``.
"""
