"""Tests of orders, bills, days and analyses."""
