"""What an app defines to make its records searchable: collections, their documents, and the rows
that they come from."""
