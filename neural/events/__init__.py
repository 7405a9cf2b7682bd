"""Events: their types and handlers, and how they are submitted, recorded and refused."""
