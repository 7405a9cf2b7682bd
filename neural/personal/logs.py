"""Takes what looks like personal data out of the log lines of a deployment. Imports no Django.

Our lines never hold payloads, arguments or results. But a warning or an error may repeat what the
message of an exception says, and that may quote a guest's phone number.
"""

import logging

from neural.personal.patterns import masked_text


class WithoutPersonalData(logging.Formatter):
    """A formatter, or the base class of one, whose warnings and errors are masked by looks.

    ``{"()": "neural.personal.logs.WithoutPersonalData", "format": "…"}`` in Django's ``LOGGING``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        line = super().format(record)
        return masked_text(line) if record.levelno >= logging.WARNING else line
