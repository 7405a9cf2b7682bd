"""Found by :mod:`neural.vectors.collections`: what of the app's own rows can be searched."""

import neural.vectors.builtin.event_rows
import neural.vectors.builtin.registered  # noqa: F401  (both register collections)
