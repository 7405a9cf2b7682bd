"""The systems that are measured, and what is measured of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SINGLE = ("one_by_one_drain", "default_drain")
FIGURES = ("single_submit", "bulk_submit", *SINGLE, "bulk_drain")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Events are submitted to an empty database and drained: two rates, under these names."""

    module: str
    """A module of this folder that defines ``SYSTEM``."""
    submit: str
    """The driver's step: ``submit`` or ``submit_many``."""
    submit_figure: str | None
    drain_figures: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A system with its settings."""

    name: str
    settings: str
    measurements: tuple[Measurement, ...]
    said: str
    """How the system is set up, for readers of the figures."""
    broker: bool = False
    own_venv: bool = True
    """Whether it runs in the peers' venv; Neural runs in the project's."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _single(module: str) -> Measurement:
    return Measurement(
        module=module, submit="submit", submit_figure="single_submit", drain_figures=SINGLE
    )


def _bulk(module: str) -> Measurement:
    return Measurement(
        module=module,
        submit="submit_many",
        submit_figure="bulk_submit",
        drain_figures=("bulk_drain",),
    )


NEURAL = Candidate(
    name="neural",
    settings="benchmarks.peers.ours.settings",
    said="defaults, one worker with two processes; one_by_one_drain with batch_claim_runs 1",
    broker=True,
    own_venv=False,
    measurements=(
        Measurement(
            module="ours.single",
            submit="submit",
            submit_figure="single_submit",
            drain_figures=("default_drain",),
        ),
        Measurement(
            module="ours.single",
            submit="submit",
            submit_figure=None,
            drain_figures=("one_by_one_drain",),
            environment={"NEURAL_BATCH_CLAIM_RUNS": "1"},
        ),
        _bulk("ours.bulk"),
    ),
)

PEERS = (
    Candidate(
        name="procrastinate",
        settings="benchmarks.peers.procrastinate_peer.settings",
        said="Django integration, two worker processes with concurrency 1, jobs kept",
        measurements=(_single("procrastinate_peer.jobs"), _bulk("procrastinate_peer.jobs")),
    ),
    Candidate(
        name="celery",
        settings="benchmarks.peers.celery_peer.settings",
        said="delay_on_commit, defaults, django-db results, one prefork worker with two processes",
        broker=True,
        measurements=(_single("celery_peer.messages"),),
    ),
    Candidate(
        name="celery-reuse",
        settings="benchmarks.peers.celery_peer.settings",
        said="the same with CELERY_DB_REUSE_MAX=1000",
        broker=True,
        environment={"PEERS_DB_REUSE_MAX": "1000"},
        measurements=(_single("celery_peer.messages"),),
    ),
    Candidate(
        name="django-tasks-db",
        settings="benchmarks.peers.django_tasks_peer.settings",
        said="two db_worker processes, results kept",
        measurements=(_single("django_tasks_peer.tasks"),),
    ),
    Candidate(
        name="django-q2",
        settings="benchmarks.peers.django_q_peer.settings",
        said="ORM broker, bulk 10, queue_limit 50, every outcome kept, a cluster of two workers",
        measurements=(_single("django_q_peer.tasks"),),
    ),
)
