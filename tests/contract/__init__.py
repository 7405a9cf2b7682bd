"""One suite an interface, run against every backend of it."""
