"""What an app says to have its records searched.

A collection, its documents, and how rows become them.
"""
