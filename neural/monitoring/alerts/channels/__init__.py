"""How messages are written and sent, one module for each kind of channel."""
