"""Base classes of every error that Neural raises on purpose."""


class NeuralError(Exception):
    """Base of all errors of this package.

    ``permanent`` says that a retry cannot help: a run that ends in a permanent error is dead at
    once.
    """

    permanent = False


class PermanentError(NeuralError):
    """Raise this, or a subclass, from a handler or task when no retry can ever succeed."""

    permanent = True
