"""The pages of batches."""

from neural.batches.admin import batches

__all__ = ["batches"]
