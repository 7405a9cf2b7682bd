"""Events: what they are, how they are submitted, who handles them."""
