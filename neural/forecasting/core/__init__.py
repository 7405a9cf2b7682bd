"""The arithmetic of federated training: arrays in, arrays out.

Knows neither Django nor the ledger.
"""
