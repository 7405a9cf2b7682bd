"""A corpus of faults: modules whose functions fail in a real interpreter, and recorded texts."""
