"""The page of one run: its error, its course, what it works on, its lineage, what it wrote."""
