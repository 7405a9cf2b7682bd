"""The ledger's own settings: their names, types, defaults and units."""

import json
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _known_zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone; write one like Europe/Berlin") from None
    return name


def _read_json(given: Any) -> Any:
    """What a variable of the environment holds."""
    return json.loads(given) if isinstance(given, str) else given


_FROM_JSON = BeforeValidator(_read_json)
Days = Annotated[float, Field(ge=0, le=36_500)]  # a century: dates end where more is subtracted
PersonalKind = Literal["phone", "name", "email", "number", "text", "person", "shown"]
PrunableState = Literal["succeeded", "cancelled", "discarded", "dead"]


class Settings(BaseModel):
    """Base class of a part of ``NEURAL``; frozen. Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="NEURAL", defer_build=True)


class NeuralSettings(Settings):
    """The ledger's part of ``NEURAL``."""

    default_time_zone: Annotated[str, AfterValidator(_known_zone)] = ""
    """Time zone of new stores, in which times without a zone are read, and of the schedules that
    come with the app when they are created. None: Django's ``TIME_ZONE``. Existing stores and
    schedules keep theirs. The project in this repository sets ``Asia/Shanghai``."""
    default_country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """Country of new stores (ISO 3166-1), for its public holidays: ``DE``. None: only reported
    holidays are known. ``neural.W002`` warns of a country whose holidays are not known. The project
    in this repository sets ``CN``."""
    max_future_seconds: float = Field(default=24 * 3600, gt=0)
    """An event that claims to have occurred further ahead is refused: otherwise the events of a
    till with a wrong clock would always count as the newest."""
    max_json_bytes: int = Field(default=256 * 1024, gt=0)
    """Largest payload, argument list or result, as JSON in UTF-8. An event type may allow larger
    payloads."""
    max_json_depth: int = Field(default=100, ge=10, le=500)
    """Deepest payload, argument list, header or result: lists and objects within one another.
    Between 10 and 500; from about 950 levels on, Python cannot read it."""
    submit_chunk: int = Field(default=500, gt=0)
    """Number of events of ``submit_many`` that one statement records."""
    refusals_kept_days: float = Field(default=30, ge=0)
    """How long a refused event is shown after it was last sent; ``prune`` deletes older ones. 0:
    none is kept."""
    bulk_outcomes_kept_days: Days = 90
    """How long the page of a bulk action says what became of each run; ``prune`` deletes older
    outcomes. The action itself is kept."""

    succeeded_kept_days: Days = 30
    """Succeeded runs, with their attempts."""
    cancelled_kept_days: Days = 90
    """Cancelled runs."""
    discarded_kept_days: Days = 90
    """Discarded runs."""
    dead_kept_days: Days | None = None
    """Dead runs. None: they wait for a person, however old."""
    kept_days_by_work: Annotated[dict[str, dict[PrunableState, Days | None]], _FROM_JSON] = {}
    """Other times for some work, by state: ``{"neural.tasks.index_marked": {"succeeded": 3},
    "order.placed": {"succeeded": 365, "dead": null}}``. A name is a handler, an event type, or a
    task (for runs without an event); a handler's time outranks its event's type. ``null``: never
    deleted."""
    payloads_kept_days: Days | None = None
    """After so many days the nightly run empties payloads of events whose runs are all done. Such
    an event cannot be run again. None: payloads stay."""

    personal_keys: Annotated[dict[str, PersonalKind], _FROM_JSON] = {}
    """Further keys of payloads under which personal data stand, each with what it is:
    ``{"delivery.driver": "name"}``. Kinds: ``phone``, ``name``, ``email``, ``number``, ``text``,
    ``person``; ``shown`` takes back a key that is known by default."""

    max_retries: int = Field(default=3, ge=0)
    """Attempts after the first one. A handler or task may have its own policy."""
    retry_base_seconds: float = Field(default=60, ge=0)
    """Wait before the first retry; each further wait is twice as long."""
    retry_cap_seconds: float = Field(default=600, ge=0)
    """Longest wait."""
    retry_jitter: float = Field(default=0.5, ge=0, le=1)
    """Share of each wait that is random: 0.5 means between half of it and all of it."""
    max_lost_deliveries: int = Field(default=4, ge=1)
    """A run whose process died this often is dead, as poison."""

    unknown_work_seconds: float = Field(default=600, ge=0)
    """How long a run waits when no living worker knows its handler, task or event type, counted
    from when it was first forwarded. Then the run is dead. 0: at once."""

    batch_claim_runs: int = Field(default=100, ge=1)
    """Most runs of atomic handlers that a worker claims for one message. On a queue whose runs are
    quick it claims as many as fit in ``batch_claim_seconds``, judged by its last runs. 1: each run
    is claimed alone."""
    batch_claim_seconds: float = Field(default=0.05, gt=0)
    """After this time no further run of a batch is started; of runs in turn, after twice this
    time."""

    in_turn_claim_runs: int = Field(default=100, ge=1)
    """Most runs of one task, or of one handler whose runs are not batched, that a worker claims for
    one message and executes in turn, each in its own transaction. It claims several only if that
    task's or handler's last runs were so quick that they fit in ``batch_claim_seconds``. 1: each
    run is claimed by its own message and waits for the disk itself."""

    async_concurrency: int = Field(default=100, ge=1)
    """How many runs a worker with ``--pool async`` executes at once, unless ``--concurrency`` says
    it."""

    publish_timeout_seconds: float = Field(default=0.5, gt=0)
    """Longest wait for the broker to connect or to answer when something is published."""
    publish_probe_seconds: float = Field(default=1, gt=0)
    """While the broker is unavailable, how often a thread checks whether it is back."""
    publish_in_tests: bool = False
    """Publish in Django's test environment as well, for a test with a worker and a broker of its
    own. Processes that the test starts publish anyway."""

    relay_seconds: float = Field(default=1, gt=0)
    """Pause between two turns of a worker's relay."""
    relay_batch: int = Field(default=200, ge=1)
    """Number of runs that the relay takes from one queue in one statement, and of runs of a group
    that have messages at once."""
    queue_depth_limit: int = Field(default=1000, ge=1)
    """The relay adds nothing to a queue that holds this many messages."""
    republish_seconds: float = Field(default=15, gt=0)
    """A run that is still pending this long after it was recorded gets another message."""
    republish_lease_seconds: float = Field(default=60, gt=0)
    """The same after each further message."""

    heartbeat_seconds: float = Field(default=5, gt=0)
    """How often a worker writes its heartbeat."""
    worker_lost_seconds: float = Field(default=20, gt=0)
    """A worker is declared dead, and its runs are restarted, when a relay has seen no change of its
    heartbeat for this long."""
    settle_seconds: float = Field(default=60, gt=0)
    """How long a worker tries to record an outcome while the database is unavailable. Then the
    process ends itself and its run is a lost delivery."""

    @property
    def time_zone(self) -> str:
        """The name of the time zone of new stores and of schedules."""
        return self.default_time_zone or str(settings.TIME_ZONE)
