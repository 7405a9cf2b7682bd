"""Real sales as events, and drills: an app to install beside ``neural`` (it has no tables)."""
