"""Demand forecasts, trained across stores: a store's rows stay in its task."""
