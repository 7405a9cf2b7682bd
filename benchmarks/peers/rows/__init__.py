"""A Django app with the peers' event row."""
