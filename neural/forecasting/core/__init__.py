"""The arithmetic of federated training: arrays in, arrays out.

Its modules are pure: they use neither Django nor a database nor the ledger.
"""
