"""The built-in handlers, which update the read models for each event type.

Events may arrive twice, late and out of order. Every handler compares versions, so any order of
arrival gives the same rows.
"""
