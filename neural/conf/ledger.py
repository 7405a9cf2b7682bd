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
    """Time zone of new stores, and of the schedules that come with the app. Empty means Django's
    ``TIME_ZONE``."""
    default_country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """Country of new stores (ISO 3166-1), for its public holidays. Empty means that no holidays are
    known."""
    max_future_seconds: float = Field(default=24 * 3600, gt=0)
    """An event that occurred further ahead than this is refused: otherwise the events of a till
    with a wrong clock would always count as the newest."""
    max_json_bytes: int = Field(default=256 * 1024, gt=0)
    """Size limit of a payload, an argument list or a result, as JSON in UTF-8."""
    max_json_depth: int = Field(default=100, ge=10, le=500)
    """Largest nesting depth of lists and objects in JSON; Python cannot read much deeper JSON."""
    submit_chunk: int = Field(default=500, gt=0)
    """How many events of ``submit_many`` are recorded in one chunk."""
    refusals_kept_days: float = Field(default=30, ge=0)
    """How long a refused event is kept after it was last refused; 0 keeps none."""
    bulk_outcomes_kept_days: Days = 90
    """How long what became of each run of a bulk action is kept."""

    succeeded_kept_days: Days = 30
    cancelled_kept_days: Days = 90
    discarded_kept_days: Days = 90
    dead_kept_days: Days | None = None
    """How long runs are kept after they finished, by state. None: dead runs wait for a person."""
    kept_days_by_work: Annotated[dict[str, dict[PrunableState, Days | None]], _FROM_JSON] = {}
    """Other times for the runs of a handler, an event type or a task, by state:
    ``{"neural.tasks.index_marked": {"succeeded": 3}}``. None: they are never deleted."""
    payloads_kept_days: Days | None = None
    """How long the nightly pruning keeps payloads of finished events. None: they stay."""

    personal_keys: Annotated[dict[str, PersonalKind], _FROM_JSON] = {}
    """Further keys of payloads under which personal data stand, each with what it is:
    ``{"delivery.driver": "name"}``. ``shown`` takes back a key that is known by default."""

    max_retries: int = Field(default=3, ge=0)
    retry_base_seconds: float = Field(default=60, ge=0)
    retry_cap_seconds: float = Field(default=600, ge=0)
    retry_jitter: float = Field(default=0.5, ge=0, le=1)
    """Share of a delay that is random; 0.5 makes it between half and all of the delay."""
    max_lost_deliveries: int = Field(default=4, ge=1)
    """A run is dead, as poison, after its process died this often."""

    unknown_work_seconds: float = Field(default=600, ge=0)
    """How long a run waits for a worker that knows its handler or task, if none alive does."""

    batch_claim_runs: int = Field(default=100, ge=1)
    batch_claim_seconds: float = Field(default=0.05, gt=0)
    """A worker that receives a message also claims other due runs, up to these two limits."""

    in_turn_claim_runs: int = Field(default=100, ge=1)
    """The same for runs of which each is executed in a transaction of its own."""

    async_concurrency: int = Field(default=100, ge=1)
    """How many runs a worker with ``--pool async`` executes at once, unless ``--concurrency`` says
    it."""

    publish_timeout_seconds: float = Field(default=0.5, gt=0)
    """Longest wait for the broker to connect or to answer while an event is submitted."""
    publish_probe_seconds: float = Field(default=1, gt=0)
    """How often a thread checks whether an unavailable broker is back."""

    relay_seconds: float = Field(default=1, gt=0)
    relay_batch: int = Field(default=200, ge=1)
    queue_depth_limit: int = Field(default=1000, ge=1)
    """The relay adds no messages to a queue that holds this many messages."""
    republish_seconds: float = Field(default=15, gt=0)
    """A run that is still pending this long after its first message gets another message."""
    republish_lease_seconds: float = Field(default=60, gt=0)
    """The interval between further messages of a run that stays pending."""

    heartbeat_seconds: float = Field(default=5, gt=0)
    worker_lost_seconds: float = Field(default=20, gt=0)
    """A worker without a heartbeat for this long is marked lost, and its runs start again."""
    settle_seconds: float = Field(default=60, gt=0)
    """How long a worker tries to record an outcome while the database is unavailable."""

    @property
    def time_zone(self) -> str:
        """The name of the time zone of new stores and of schedules."""
        return self.default_time_zone or str(settings.TIME_ZONE)
