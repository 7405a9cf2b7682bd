"""Found by :mod:`neural.federated.sources`: where sales are."""

from neural.federated import loading

__all__ = ["loading"]
