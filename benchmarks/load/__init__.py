"""A Django app whose handlers only take time."""
