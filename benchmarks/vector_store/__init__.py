"""Measures vector stores by number of rows: their speed, their accuracy and their costs."""
