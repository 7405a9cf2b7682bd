"""One class a platform: how it signs its pushes, what they say, and how it wants to be answered."""
