"""The models, one story a file."""
