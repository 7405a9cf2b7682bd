"""Tests of the admin's site, lists and schedules, and what tests of all pages share.

Pages are registered when the addresses are first read, and some tests take their cases from what
is registered when they are collected.
"""

import zhilian.urls  # noqa: F401
