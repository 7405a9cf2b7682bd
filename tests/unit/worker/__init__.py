"""Tests of the worker process and its handlers."""
