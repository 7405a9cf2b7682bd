"""Tests of the admin's site, lists and schedules."""
