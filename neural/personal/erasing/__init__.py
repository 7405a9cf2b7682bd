"""A person is erased from all tables: found, previewed, written over, and looked for again.

Apps register the tables that hold personal data (:func:`.tables.register_erasable`); the page and
the command ``erase_person`` begin an erasure.
"""
