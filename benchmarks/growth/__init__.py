"""Does the ledger keep its pace as it grows? See ``__main__``."""
