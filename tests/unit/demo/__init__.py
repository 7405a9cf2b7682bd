"""Tests of the replay of a history and the demo."""
