"""Tests of messages to the broker and back."""
