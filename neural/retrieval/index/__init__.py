"""From a change to its vector: marks, lanes, rebuilding and upkeep."""
