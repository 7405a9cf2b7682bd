"""The built-in handlers: what each event type does to the rows that people look at.

Events come twice, late and out of order. Every handler compares versions, so that any
order of arrival ends in the same rows.
"""
