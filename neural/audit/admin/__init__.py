"""The pages of the audit log."""

from neural.audit.admin import entries

__all__ = ["entries"]
