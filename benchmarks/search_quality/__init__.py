"""How well search finds: restaurants by request and name, disturbed titles, dishes by meaning."""
