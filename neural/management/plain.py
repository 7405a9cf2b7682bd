"""What a command says of an error that is not its own: a sentence with the remedy."""

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from pydantic import ValidationError

_NO_TABLE = ("no such table", "no such column", "does not exist")


def sentence(error: BaseException) -> str | None:
    """What is wrong and what to do, or None for an error that only its traceback explains."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, ValidationError) and error.title == "NEURAL":
        names = ", ".join(str(each["loc"][0]).upper() for each in error.errors())
        return f"NEURAL_{names} is not a valid setting: manage.py check says what it may be."
    if isinstance(error, OverflowError):
        return f"A number is too large: {error}"
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_the_database(error)
    return None


def _of_the_database(error: BaseException) -> str | None:
    said = " ".join(str(error).split())
    if any(words in said for words in _NO_TABLE) and "database" not in said:
        return f"The database lacks tables of this version ({said}). Type: manage.py migrate"
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database does not answer: {said}. Type: manage.py doctor"
    return said if isinstance(error, ProgrammingError) else None
