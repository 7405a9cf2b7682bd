"""The demo: real sales and invented live events through real workers."""
