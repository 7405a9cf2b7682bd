"""Tests of doctor and health endpoints."""
