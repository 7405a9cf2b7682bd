"""HTTP requests to servers that are not ours: guarded against our own network, and bounded."""
