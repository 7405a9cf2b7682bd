"""What sold: summaries of demand by day and by week, and the days that were unusual."""
