"""Measures whether the ledger keeps its pace as it grows. See ``__main__``."""
