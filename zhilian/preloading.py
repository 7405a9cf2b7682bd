"""Loads what every web process needs before a server such as gunicorn forks or answers.

So the first page waits for no import. With `gunicorn --preload` the processes share the memory.
"""

import gc

from django.template.loader import get_template
from django.urls import get_resolver


def preload() -> None:
    """Load the pages' modules and the admin's frame, and let garbage collection leave them alone.

    A collection would write to pages of memory that forked processes share.
    """
    _ = get_resolver().url_patterns
    get_template("admin/change_list.html")
    gc.collect()
    gc.freeze()
