"""`handles` takes functions that can take what it calls them with. mypy reads this file, too: each
`type: ignore` is an error that it must find, and elsewhere it must find none."""

import pytest

import neural
from neural.events.registry import HANDLERS, Received, handles
from neural.models import NeuralEvent
from tests.registries import emptied


class Cup(neural.Payload):
    """A cup of something."""

    size: int


CUP = neural.EventType(name="probe.counted", schema=Cup)


class Tray(neural.Payload):
    """Something else."""


@pytest.fixture(autouse=True)
def _no_handlers() -> object:
    with emptied(HANDLERS):
        yield


def test_a_type_is_named_by_itself_or_by_its_name() -> None:
    @handles(CUP, "probe.low")
    def both(event: NeuralEvent, data: object) -> None:
        """Do nothing."""

    assert HANDLERS.get("tests.both").types == ("probe.counted", "probe.low")


def test_a_function_without_a_payload_is_refused_with_what_it_is_called_with() -> None:
    with pytest.raises(
        TypeError, match=r"'tests.lonely' is called with \(event, data\), and takes"
    ):

        @handles(CUP)  # type: ignore[arg-type]
        def lonely(event: NeuralEvent) -> None:
            """Forget the payload."""

    assert not HANDLERS


def test_a_function_that_needs_more_is_refused() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'store'"):

        @handles("probe.counted")  # type: ignore[arg-type]
        def greedy(event: NeuralEvent, data: Cup, store: str) -> None:
            """Ask for the store."""


def test_a_batch_handler_takes_one_list() -> None:
    with pytest.raises(TypeError, match=r"is called with \(received\), and takes \(event, data\)"):

        @handles("probe.counted", batch=True)  # type: ignore[arg-type]
        def one_by_one(event, data):  # type: ignore[no-untyped-def]
            """Take one event."""

    @handles(CUP, batch=True)
    def many(received: list[Received[Cup]]) -> None:
        """Take many events."""

    assert HANDLERS.get("tests.many").batch


def test_whatever_else_a_function_takes_is_its_own() -> None:
    @handles(CUP)
    async def free(*anything: object, dry: bool = False) -> None:
        """Take anything."""

    assert HANDLERS.get("tests.free").is_async


def test_a_type_checker_knows_the_class_of_the_payload() -> None:
    """At run time annotations say nothing."""

    @handles(CUP)  # type: ignore[arg-type]
    def carry(event: NeuralEvent, data: Tray) -> None:
        """Be wrong about the payload."""

    @handles(CUP, batch=True)  # type: ignore[arg-type]
    def carry_many(received: list[Received[Tray]]) -> None:
        """Be wrong about the payloads."""

    @handles(CUP)
    def drink(event: NeuralEvent, data: Cup) -> int:
        return data.size
