"""The fixtures of the tests of reconciling: a platform, its server here, and its source."""

import pytest

from neural.hooks.incoming import fetching
from tests.unit.hooks import platform_servers as servers
from tests.unit.hooks.hooks_world import map_code, source
from tests.unit.hooks.reconciling_world import WORLDS


@pytest.fixture
def reaching_servers_here(settings):
    settings.NEURAL = {
        **settings.NEURAL,
        "outbound_private_addresses": True,
        "hook_fetches_per_second": 10_000,
    }
    fetching._pace_of.cache_clear()


@pytest.fixture
def world(request):
    return WORLDS[request.param]


@pytest.fixture
def server(world):
    with servers.serving(world.server()) as running:
        yield running


@pytest.fixture
def till(world, server):
    """The source of the platform, with one store."""
    url = server.url + ("/api/v1" if world.case.name == "meituan" else "")
    made = source(
        world.case.name,
        platform=world.case.name,
        credentials={**server.credentials, "api_url": url},
    )
    map_code(made, world.code, "S1")
    return made
