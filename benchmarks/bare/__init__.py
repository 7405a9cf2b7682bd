"""A Django app with the least that a view can do to keep an event: read JSON, insert one row."""
