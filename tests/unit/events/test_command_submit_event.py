"""`manage.py submit_event`: the good lines go in, the others are named."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from neural.events import ndjson
from neural.events.types import largest_byte_limit
from neural.models import AuditEntry, NeuralEvent, RefusedEvent, TaskRun

pytestmark = pytest.mark.django_db


def event(event_id: str = "1", **fields) -> dict:
    payload = {"item": "flour", "level": 3}
    defaults = {"type": "inventory.updated", "store": "S01", "source": "pos"}
    return {**defaults, "event_id": event_id, "payload": payload, **fields}


def options(**fields) -> list[str]:
    fields = event(**fields)
    fields["payload"] = json.dumps(fields["payload"])
    return [f"--{name.replace('_', '-')}={value}" for name, value in fields.items()]


@pytest.fixture
def run(capsys):
    """Run the command; its exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            call_command("submit_event", *arguments, stdout=sys.stdout, stderr=sys.stderr)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path):
    """Write lines (texts, bytes or events) and return the file's name."""

    def write(*lines, start: bytes = b"") -> str:
        raw = [
            line if isinstance(line, bytes)
            else (line if isinstance(line, str) else json.dumps(line)).encode()
            for line in lines
        ]  # fmt: skip
        path = tmp_path / "events.ndjson"
        path.write_bytes(start + b"\n".join(raw))
        return str(path)

    return write


def test_one_event_is_given_by_options(run):
    code, said, _ = run(*options(), "--occurred-at=2026-03-01T12:00", "--priority=7")

    recorded = NeuralEvent.objects.get()
    assert code == 0
    assert recorded.payload == {"item": "flour", "level": 3}
    assert recorded.occurred_at.isoformat() == "2026-03-01T04:00:00+00:00"
    assert TaskRun.objects.get().priority == 7
    assert f"event {recorded.pk}" in said
    assert "neural.record_stock on high_priority" in said


def test_the_payload_may_lie_in_a_file(run, tmp_path):
    (tmp_path / "payload.json").write_text('\ufeff{"item": "面粉", "level": 3}')

    code, _, _ = run(*options()[:-1], f"--payload=@{tmp_path / 'payload.json'}")

    assert code == 0
    assert NeuralEvent.objects.get().payload["item"] == "面粉"


def test_an_event_sent_again_is_no_error(run):
    run(*options())

    code, said, _ = run(*options())

    assert code == 0
    assert "was recorded before" in said


def test_one_refused_event_ends_with_1_and_names_the_field(run):
    code, _, complaint = run(*options(payload={"item": "flour"}))

    assert code == 1
    assert complaint == "payload.level: Field required\n"


MISSPELT = {"item": "flour", "level": 3, "treshold": 10}


def test_fields_that_the_schema_does_not_know_are_named_and_strict_refuses_them(run):
    code, _, said = run(*options(payload=MISSPELT))
    strict, _, complaint = run(*options(payload=MISSPELT, event_id="2"), "--strict")

    reason = "payload.treshold: is not a field of the schema; did you mean threshold?\n"
    assert (code, strict) == (0, 1)
    assert f"warning: {reason}" in said
    assert complaint == reason
    assert NeuralEvent.objects.get().event_id == "1"


@pytest.mark.parametrize("strict", [[], ["--strict"]])
def test_a_misspelt_field_is_named_with_the_missing_one(run, strict):
    code, _, complaint = run(*options(payload={"item": "flour", "levle": 3}), *strict)

    assert code == 1
    assert complaint.splitlines() == [
        "payload.level: Field required",
        "payload.levle: is not a field of the schema; did you mean level?",
    ]


def test_a_dry_run_of_a_file_writes_nothing_and_names_each_thing_once(run, file):
    lines = [event(str(number), payload=MISSPELT) for number in range(3)]
    code, said, complaint = run("--dry-run", file(*lines, event("4", type="?"), lines[0]))

    assert code == 1
    assert "3 new, 1 recorded before, 1 refused; nothing is written" in said
    assert complaint.count("treshold") == complaint.count("no person has confirmed") == 1
    assert "line 1: warning: payload.treshold" in complaint
    assert "line 4: type: " in complaint
    assert not NeuralEvent.objects.exists()
    assert not RefusedEvent.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_dry_run_of_one_event_says_which_runs_it_would_have(run):
    code, said, complaint = run(*options(), "--dry-run", "--json")
    assert (code, json.loads(said)["new"]) == (0, 1)
    assert json.loads(complaint)["warning"]

    _, said, _ = run(*options(), "--dry-run")
    assert "would be recorded: neural.record_stock on high_priority. Nothing is written" in said
    assert not NeuralEvent.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_backfill_runs_on_low_priority(run, file):
    run("--backfill", file(event()))

    assert TaskRun.objects.get().queue == "low_priority"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--type, --store, --source, --event-id, --payload: missing"),
        (["--type=a", "--store=b", "--source=c", "--event-id=d"], "--payload: missing"),
        (["-", "--store=S01"], "--store: a file's lines say this themselves"),
        ([__file__, "--store=S01"], "--store: a file's lines say this themselves"),
        (["stock.low", "--store=S01"], "if that is the event's type, write --type stock.low"),
        (["{" * 300, "--store=S01"], "--store: a file's lines say this themselves"),
        (["stock.low", "--type=a", "--store=S01"], "--type, --store: a file's lines say this"),
        (["/no/such/file"], "No such file"),
        ([*options()[:-1], "--payload={"], "--payload is not JSON"),
        ([*options()[:-1], "--payload=@/no/such/file"], "No such file"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(run, arguments, reason):
    with pytest.raises(CommandError, match=reason) as refusal:
        run(*arguments)

    assert refusal.value.returncode == 2


def test_the_good_lines_of_a_file_go_in_and_the_others_are_named_by_line(run, file):
    name = file(
        event("1"),
        "",
        "{not json",
        event("2", payload={"item": "flour", "level": "much"}),
        "[1, 2]",
        event("3", colour="red"),
        b'{"type": "\xff"}',
        "9" * 5000,
        event("4"),
    )

    code, said, complaints = run(name)

    assert code == 1
    assert set(NeuralEvent.objects.values_list("event_id", flat=True)) == {"1", "4"}
    lines = complaints.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["line 3", "event"],
        ["line 4", "payload.level"],
        ["line 5", "event"],
        ["line 6", "colour"],
        ["line 7", "event"],
        ["line 8", "event"],
    ]
    assert "is not JSON: Expecting property name" in lines[0]
    assert "must be one JSON object" in lines[2]
    assert "is not UTF-8" in lines[4]
    assert said == "2 new, 0 recorded before, 6 refused\n"


def test_a_file_sent_again_counts_as_duplicates(run, file):
    name = file(event("1"), event("2"))
    run(name)

    code, said, _ = run(name)

    assert code == 0
    assert said == "0 new, 2 recorded before, 0 refused\n"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(run, file):
    code, said, _ = run(file(json.dumps(event("1")) + "\r", event("2"), start=b"\xef\xbb\xbf"))

    assert code == 0
    assert said.startswith("2 new")


def test_standard_input_is_read_as_it_comes(run, monkeypatch):
    lines = io.BytesIO(json.dumps(event()).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(lines))

    code, said, _ = run("-")

    assert code == 0
    assert said.startswith("1 new")


def test_programs_get_json(run, file):
    code, said, complaints = run("--json", file(event(), "nonsense"))

    assert code == 1
    assert json.loads(said) == {"new": 1, "duplicate": 0, "refused": 1}
    refusal = json.loads(complaints)
    assert (refusal["line"], refusal["field"]) == (2, "event")


def test_lines_are_taken_a_chunk_at_a_time_so_that_memory_stays_flat(settings):
    settings.NEURAL = {"submit_chunk": 2}
    taken = []

    def lines():
        for number in range(10):
            taken.append(number)
            yield json.dumps(event(str(number))).encode()

    answers = ndjson.submit_lines(lines())
    next(answers)

    assert len(taken) == 2


def test_a_line_longer_than_any_event_is_refused_without_being_kept(settings, run, file):
    settings.NEURAL = {"max_json_bytes": 100}
    endless = b'{"a": "' + b"x" * 8 * (largest_byte_limit() + 1) + b'"}'

    code, said, complaints = run(file(event("1"), endless, event("2")))

    assert code == 1
    assert complaints.startswith("line 2: event: is not JSON")
    assert said == "2 new, 0 recorded before, 1 refused\n"


def test_a_database_that_fails_is_told_with_what_to_do(run, file, monkeypatch):
    def fail(*_, **__):
        raise DatabaseError("gone away")

    monkeypatch.setattr("neural.events.recording.record", fail)

    with pytest.raises(CommandError, match=r"gone away.*send the same input again") as end:
        run(file(event()))

    assert end.value.returncode == 1
