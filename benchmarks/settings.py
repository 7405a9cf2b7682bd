"""The project's settings with the benchmark's own event types and the bare view beside the API."""

from kombu import Exchange, Queue

from benchmarks.machine import QUICK
from neural.queues import QUEUES
from zhilian.settings import *  # noqa: F403
from zhilian.settings import ALLOWED_HOSTS, INSTALLED_APPS, NEURAL

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.load"]
ROOT_URLCONF = "benchmarks.load.urls"
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "127.0.0.1"]
# One key sends everything: no limit but the machine's.
NEURAL = {**NEURAL, "api_rate_per_second": 1e6, "api_rate_burst": 10**7}
# Beside the project's queues one for work that waits, which a worker with `--pool async` reads.
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name), routing_key=name) for name in (*QUEUES, "waiting")
]
if QUICK:  # seconds for which a stopped worker finishes its runs
    CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 0.1
