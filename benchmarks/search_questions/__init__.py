"""Questions that people of a restaurant chain ask, and what is right in an invented chain."""
