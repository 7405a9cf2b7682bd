"""Settings of tests whose SQLite database outlives their process: each fault's test uses it."""

from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, VAR

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": Path(VAR, "mutations.sqlite3")}
