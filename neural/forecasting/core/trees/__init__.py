"""Gradient-boosted histogram trees, grown from sums over stores. Pure.

``forest.PartialForest`` is what grows, ``sums.sums`` a store's part in it, and ``growing.advanced``
the coordinator's. The phase ``grow`` uses them, and every forecast by a model with trees.
"""
