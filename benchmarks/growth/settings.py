"""The benchmarks' settings, with nothing unpublished by the mere time that a measurement takes, and
with claims of whole batches however fast this machine is."""

from benchmarks.settings import *  # noqa: F403

HOUR = "3600"
NEURAL = {"republish_seconds": HOUR, "republish_lease_seconds": HOUR, "batch_claim_seconds": 60}
