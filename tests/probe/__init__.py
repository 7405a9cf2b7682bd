"""An app whose effects are not idempotent: doing a thing twice shows."""
