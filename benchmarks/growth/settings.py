"""The benchmarks' settings. No run becomes unpublished because a measurement takes long, and claims
are whole batches however fast the machine is."""

from benchmarks.settings import *  # noqa: F403

HOUR = "3600"
NEURAL = {"republish_seconds": HOUR, "republish_lease_seconds": HOUR, "batch_claim_seconds": 60}
