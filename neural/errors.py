"""The root of every error that Neural raises on purpose."""


class NeuralError(Exception):
    """Base of all errors of this package.

    ``permanent`` says whether trying again could help: the ledger sends a run that
    ends in a permanent error straight to the dead letters.
    """

    permanent = False


class PermanentError(NeuralError):
    """Raise this from a handler or task when no retry can ever succeed."""

    permanent = True
