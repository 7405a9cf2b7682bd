"""From a question to hits: what is asked, how lists are fused, what is shown."""
