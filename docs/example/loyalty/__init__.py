"""A worked example: points for guests. docs/tutorial/handlers.md walks through it."""
