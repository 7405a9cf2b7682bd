"""Tests of demand forecasts and federated rounds."""
