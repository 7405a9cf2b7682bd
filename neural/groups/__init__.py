"""The groups viewer, operator and manager: which permissions they have, and making them."""
