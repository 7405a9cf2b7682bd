"""Found by :mod:`neural.federated.sources`: where sales are."""

import neural.federated.loading  # noqa: F401  (registers the source)
