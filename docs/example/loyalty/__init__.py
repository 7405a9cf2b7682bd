"""A worked example: points for guests. docs/handlers.md walks through it."""
