"""Tests of schedules and the process that starts them."""
