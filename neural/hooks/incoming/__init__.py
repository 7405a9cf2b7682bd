"""Receives pushes, gives them to stores, and translates them into events."""
