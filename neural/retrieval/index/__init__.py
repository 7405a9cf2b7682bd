"""From a change to its vector: entries, shards, rebuilding and upkeep."""
