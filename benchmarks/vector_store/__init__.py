"""How fast a vector store answers, how nearly right, and what it costs, by its number of rows."""
