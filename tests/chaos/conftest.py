"""The fixtures of the integration tests."""

from tests.integration.conftest import cluster, own_broker_server

__all__ = ["cluster", "own_broker_server"]
