"""The analysis of demand: summaries by day and by week, with unusual days."""
