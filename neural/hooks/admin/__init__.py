"""The admin's pages of webhooks."""
