"""The collections that come along: orders, dishes and staff of a restaurant, and events.

What a record says is in one pure module each; where records are in the database, in ``sources``
and ``event_rows``. ``rows_of_stores`` and ``reading`` are for collections of any app.
"""
