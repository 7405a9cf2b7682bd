"""The benchmarks' settings with the bare view beside the API."""

from benchmarks.settings import *  # noqa: F403
from zhilian.settings import NEURAL

ROOT_URLCONF = "benchmarks.http_urls"
ALLOWED_HOSTS = ["127.0.0.1"]
# One key sends everything: no limit but the machine's.
NEURAL = {**NEURAL, "api_rate_per_second": 1e6, "api_rate_burst": 10**7}
