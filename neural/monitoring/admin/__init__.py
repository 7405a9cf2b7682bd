"""The admin pages of monitoring's rows."""
