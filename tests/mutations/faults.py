"""The faults: where each is, the text that it replaces, and the test that notices it.

``old`` stands exactly once in its file; a test of the suite asserts that, so that an entry whose
code has changed is brought up to date.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """One fault in one file."""

    name: str
    file: str
    old: str
    new: str
    test: str
    """The test that notices it, as pytest names it; with all its parameters."""
    database: str = ""
    """``sqlite`` or ``postgresql`` if the code runs on that database alone; empty: both."""


class Outdated(Exception):
    """The text of a fault does not stand in its file exactly once."""


def mutated(fault: Fault, text: str) -> str:
    """The file's text with the fault in it. Raises :class:`Outdated`."""
    if text.count(fault.old) != 1:
        times = text.count(fault.old)
        raise Outdated(f"{fault.name}: {fault.file} has {fault.old!r} {times} times, not once")
    return text.replace(fault.old, fault.new)


_CHORDS = "tests/unit/celeryapp/test_chords.py::"
_LEDGER = "neural/ledger/"
_SETTLING = "tests/unit/ledger/test_settling.py::"
_CLAIMING = "tests/unit/ledger/test_claiming.py::"
_EXECUTION = "tests/unit/ledger/test_execution.py::"
_DIALECTS = "tests/unit/ledger/test_dialects.py::"
_ASYNC = "neural/worker/asynchronous/"
_ASYNC_TESTS = "tests/unit/worker/test_asynchronous"
_BATCHES = "tests/unit/batches/test_ending.py::"
_BATCH_PAGES = "tests/unit/batches/test_admin_batches.py::"
_PAUSING = "tests/unit/queues/test_pausing.py::"

SETTLING = (
    Fault(
        "a fenced worker's effects are kept",
        _LEDGER + "settle.py",
        "if cursor.rowcount != len(outcomes):",
        "if cursor.rowcount < 0:",
        _SETTLING + "test_a_worker_whose_run_was_taken_away_may_write_nothing",
    ),
    Fault(
        "the token does not count when a run is settled",
        _LEDGER + "settle.py",
        "AND run.token = settled.token AND run.state = 'running'",
        "AND run.state = 'running'",
        _SETTLING + "test_one_run_taken_away_fences_the_whole_batch",
    ),
    Fault(
        "the token does not count when a run is taken away",
        _LEDGER + "settle.py",
        "TaskRun.objects.running().filter(pk=run.pk, token=run.token)",
        "TaskRun.objects.running().filter(pk=run.pk)",
        _SETTLING + "test_a_run_that_was_claimed_again_is_not_taken_from_who_has_it_now",
    ),
    Fault(
        "a settled run keeps its token",
        _LEDGER + "settle.py",
        "            token = NULL,\n",
        "",
        _SETTLING + "test_success_keeps_result_and_times_and_frees_the_token",
    ),
    Fault(
        "a lost delivery is counted as none",
        _LEDGER + "settle.py",
        "state, error, losses = RunState.PENDING, why, run.losses + 1",
        "state, error, losses = RunState.PENDING, why, run.losses",
        _SETTLING + "test_a_lost_delivery_is_counted_apart_from_failures_and_due_at_once",
    ),
    Fault(
        "a poison is never given up",
        _LEDGER + "settle.py",
        "if losses >= max_losses:",
        "if losses > max_losses:",
        _SETTLING + "test_the_fourth_lost_delivery_is_the_last",
    ),
    Fault(
        "a run that was taken away gets no message",
        _LEDGER + "settle.py",
        '{"available_at": Now(), "publish_at": Now()}',
        '{"available_at": Now()}',
        _SETTLING + "test_a_lost_delivery_is_counted_apart_from_failures_and_due_at_once",
    ),
    Fault(
        "a failed attempt loses the checkpoint",
        _LEDGER + "settle.py",
        "THEN COALESCE({result}, run.result) ELSE",
        "THEN {result} ELSE",
        "tests/unit/ledger/test_snooze.py::test_its_checkpoint_outlives_an_attempt_that_fails",
    ),
    Fault(
        "figures hear nothing of what is settled",
        _LEDGER + "settle.py",
        "        inserts = ports.inserts_for(outcomes)\n",
        "        inserts = []\n",
        "tests/unit/monitoring/test_figures_exact.py::test_after_any_mixture_figures_equal_the_ledger",
    ),
    Fault(
        "what a stopping worker releases counts as lost",
        _LEDGER + "settle.py",
        "state=RunState.PENDING, losses=run.losses)\n        for run in runs",
        "state=RunState.PENDING, losses=run.losses + 1)\n        for run in runs",
        _SETTLING + "test_what_a_stopping_worker_releases_counts_nothing",
    ),
    Fault(
        "a person's retry leaves the lost deliveries",
        "neural/runs/models/run.py",
        '    "losses": 0,\n',
        "",
        "tests/unit/runs/test_command_retry_runs.py::test_dead_runs_are_due_again_with_their_retries_restored",
    ),
)

CLAIMING = (
    Fault(
        "a claim takes runs before their time",
        _LEDGER + "claim.py",
        "{own} AND {dialect.pending} AND available_at <= {moment}\n",
        "{own} AND {dialect.pending} AND (available_at <= {moment} OR TRUE)\n",
        _CLAIMING + "test_a_run_is_not_taken_before_its_time",
    ),
    Fault(
        "a running run is claimed again",
        _LEDGER + "dialects/base.py",
        """pending = "state || '' = 'pending'\"""",
        """pending = "state || '' <> 'dead'\"""",
        _CLAIMING + "test_a_run_is_taken_once",
    ),
    Fault(
        "of two claims at once both have the run",
        _LEDGER + "claim.py",
        "WHERE run.{dialect.pending} AND run.id = chosen.id",
        "WHERE run.id = chosen.id",
        _CLAIMING + "test_of_two_at_once_one_takes_it",
        "postgresql",
    ),
    Fault(
        "all claims have one token",
        _LEDGER + "claim.py",
        "token = secrets.randbits(63)",
        "token = 1",
        _CLAIMING + "test_each_claim_has_a_token_of_its_own",
    ),
    Fault(
        "a run that was lost before is batched with others",
        _LEDGER + "claim.py",
        "AND {counts} <= {most} AND {dialect.no_limits}",
        "AND failures = 0 AND {dialect.no_limits}",
        _CLAIMING + "test_not_batched",
    ),
    Fault(
        "a run that was lost before takes others along",
        _LEDGER + "claim.py",
        "{counts} > {most} OR NOT {dialect.no_limits}",
        "failures > 0 OR NOT {dialect.no_limits}",
        _CLAIMING + "test_a_run_that_was_delivered_before_is_taken_alone",
    ),
    Fault(
        "a message takes a run of another task",
        _LEDGER + "claim.py",
        '("task_id = %s AND task = %s", [task_id, task]) if task else',
        '("task_id = %s AND task <> %s", [task_id, ""]) if task else',
        _CLAIMING + "test_a_message_takes_no_run_of_another_task",
    ),
    Fault(
        "a started run keeps its unique key",
        _LEDGER + "claim.py",
        "    finished_at = NULL, unique_key = NULL",
        "    finished_at = NULL",
        _CLAIMING + "test_starting_frees_the_unique_key",
    ),
    Fault(
        "a claim whose answer was lost stays nobody's",
        _LEDGER + "claim.py",
        "        _disown(token, error)\n",
        "",
        _CLAIMING + "test_a_claim_whose_answer_was_lost_is_given_back",
    ),
    Fault(
        "the pause of a queue is not looked at",
        _LEDGER + "claim.py",
        'AND NOT {_paused("run.queue", moment)} AND {dialect.nobody_holds_its_key})',
        "AND {dialect.nobody_holds_its_key})",
        _PAUSING + "test_nothing_of_a_paused_queue_is_claimed_until_it_is_resumed",
    ),
    Fault(
        "a batch takes runs of a paused queue",
        _LEDGER + "claim.py",
        '              AND NOT {_paused("%s", moment)}\n',
        "              AND %s <> ''\n",
        _PAUSING + "test_nothing_of_a_paused_queue_is_batched_with_a_message_of_another_queue",
    ),
    Fault(
        "a pause that has ended goes on",
        _LEDGER + "claim.py",
        "(pause.until IS NULL OR pause.until > {moment})",
        "(pause.until IS NULL OR pause.until > {moment} OR TRUE)",
        _PAUSING + "test_a_pause_with_an_end_ends_by_itself",
    ),
    Fault(
        "pausing does not wait for claims under way",
        "neural/queues/pausing.py",
        "        before = dialect.claims_under_way(cursor)\n",
        "        before: set[str] = set()\n",
        _PAUSING + "test_pausing_waits_for_claims_that_began_before_it",
        "postgresql",
    ),
)

WORKING = (
    Fault(
        "effects are committed before the outcome",
        _LEDGER + "execute.py",
        "            waits = unflushed is None or guard.wrote_elsewhere\n            settle(",
        "            waits = unflushed is None or guard.wrote_elsewhere\n"
        "        with transaction.atomic():\n            settle(",
        _EXECUTION + "test_effects_are_rolled_back_when_the_run_was_taken_away_meanwhile",
    ),
    Fault(
        "a run of a batch has no savepoint",
        _LEDGER + "batch.py",
        "        with transaction.atomic():\n            return call(run, work, started_at, clock, guard)\n",
        "        return call(run, work, started_at, clock, guard)\n",
        _EXECUTION + "test_in_a_batch_one_that_fails_disturbs_no_neighbour",
    ),
    Fault(
        "a batch goes on when its time is up",
        _LEDGER + "batch.py",
        "(left <= 0 or guard.changed_session or others_wait()):",
        "(guard.changed_session or others_wait()):",
        _EXECUTION + "test_a_batch_ends_when_its_time_is_up_and_hands_the_rest_back",
    ),
    Fault(
        "a batch function's effects stay after its error",
        _LEDGER + "batch.py",
        "with ports.processing(runs), transaction.atomic():",
        "with ports.processing(runs):",
        "tests/unit/ledger/test_together.py::test_after_an_error_each_is_done_alone_and_the_one_to_blame_fails_by_itself",
    ),
    Fault(
        "what is at work still counts as waiting",
        _LEDGER + "batch.py",
        "    work = None\n    ports.note_waiting([run], waiting=False)\n",
        "    work = None\n",
        _EXECUTION + "test_what_still_waits_in_a_batch_is_noted_while_another_run_is_at_work",
    ),
    Fault(
        "a poison that dies while it is read counts as waiting",
        _LEDGER + "batch.py",
        "    # Before SQLite's one write lock is taken.\n",
        "    ports.note_waiting(runs, waiting=True)\n",
        _EXECUTION + "test_what_waits_is_noted_only_once_its_payload_has_been_read",
    ),
    Fault(
        "history asks for SQLite's lock while urgent work waits",
        _LEDGER + "dialects/sqlite.py",
        "if waited >= courtesy or not _is_waited_at(turnstile):",
        "if True:",
        _DIALECTS + "test_of_two_transactions_that_wait_history_goes_last",
    ),
    Fault(
        "history stands still for one who waits for ever",
        _LEDGER + "dialects/sqlite.py",
        "if waited >= courtesy or not _is_waited_at(turnstile):",
        "if not is_history or not _is_waited_at(turnstile):",
        _DIALECTS + "test_history_does_not_stand_still_for_one_who_waits_for_ever",
    ),
    Fault(
        "who was forked by one who waits keeps waiting in its place",
        _LEDGER + "dialects/sqlite.py",
        "        _is_locked(folder, fcntl.LOCK_UN)  # a process",
        "        # a process",
        _DIALECTS + "test_a_process_forked_by_one_who_waits_does_not_wait_in_its_place",
    ),
    Fault(
        "a batch of history goes on while urgent work waits to write",
        _LEDGER + "batch.py",
        "guard.changed_session or others_wait()):",
        "guard.changed_session):",
        _EXECUTION + "test_a_batch_of_history_ends_when_others_wait_to_write",
    ),
    Fault(
        "writes that will be rolled back count as a success",
        _LEDGER + "guard.py",
        "            watch.expect_all_kept()\n",
        "",
        "tests/unit/worker/test_misbehaving_handlers.py::test_alone_it_is_succeeded_if_what_it_wrote_is_kept_and_the_next_run_is_done",
    ),
    Fault(
        "an outcome that could not be recorded is forgotten",
        _LEDGER + "execute.py",
        "        _end_process(outcomes, error)\n",
        "        pass\n",
        _EXECUTION + "test_a_process_that_cannot_say_what_it_did_ends_itself",
    ),
    Fault(
        "one retry too many",
        _LEDGER + "retry.py",
        "failures <= self.max_retries",
        "failures <= self.max_retries + 1",
        "tests/unit/ledger/test_retry.py::test_no_retries_means_one_attempt",
    ),
    Fault(
        "a permanent error is tried again",
        _LEDGER + "outcome.py",
        "if is_hopeless or not policy.allows(failures):",
        "if not policy.allows(failures):",
        _EXECUTION + "test_a_permanent_error_is_dead_at_once",
    ),
    Fault(
        "an expired run is done all the same",
        _LEDGER + "outcome.py",
        "return limit is not None and limit <= clock.now()",
        "return False",
        "tests/unit/ledger/test_transitions.py::test_expired",
    ),
)

RECORDING = (
    Fault(
        "a unique key that waits is not found",
        _LEDGER + "record.py",
        "TaskRun.objects.filter(unique_key=unique_key, state=RunState.PENDING).first()",
        "TaskRun.objects.filter(unique_key=unique_key, state=RunState.DEAD).first()",
        "tests/unit/events/test_enqueue.py::test_while_a_unique_run_waits_no_second_one_is_recorded",
    ),
    Fault(
        "a unique run that waits may start before its caller commits",
        _LEDGER + "record.py",
        "        dialects.ledger_dialect().hold(cursor, unique_key)\n",
        "        pass\n",
        "tests/unit/events/test_enqueue.py::test_a_unique_run_that_waits_starts_after_the_transaction_that_asked_for_it_again",
        "postgresql",
    ),
    Fault(
        "a task id that other work has is answered with that work",
        _LEDGER + "record.py",
        "    if found.task != run.task:\n        return False\n",
        "    return True\n",
        "tests/unit/events/test_enqueue.py::test_a_task_id_of_other_work_is_refused",
    ),
    Fault(
        "other work under a task id that comes twice at once is let pass",
        _LEDGER + "record.py",
        "run.task_id in inserted and firsts[run.task_id] is run for",
        "run.task_id in inserted for",
        "tests/unit/ledger/test_insertion.py::test_a_task_id_that_comes_twice_is_one_run_or_refused",
    ),
    Fault(
        "the members of a group are recorded one by one",
        "neural/celeryapp/groups.py",
        "    if is_member:",
        "    if False:",
        "tests/unit/celeryapp/test_groups.py::test_a_group_is_few_statements_and_one_publishing",
    ),
    Fault(
        "of a group that is refused a part is recorded",
        "neural/celeryapp/groups.py",
        "        with transaction.atomic():\n            enqueue_all(members)",
        "        enqueue_all(members)",
        "tests/unit/celeryapp/test_groups.py::test_a_member_with_the_task_id_of_other_work_is_refused_and_so_is_its_group",
    ),
    Fault(
        "a call that is no member waits for its group",
        "neural/celeryapp/groups.py",
        "if lent is None or not group_id:\n        return False",
        "if lent is None:\n        return False\n    return bool([lent.members.append(run)])",
        "tests/unit/celeryapp/test_groups.py::test_a_call_that_is_no_member_is_recorded_at_once",
    ),
    Fault(
        "a chord's member that is recorded later is no member of its batch",
        "neural/celeryapp/chords.py",
        "        return enqueue_all(joining([run], options))[0]",
        "        return enqueue_all([run])[0]",
        _CHORDS + "test_chains_in_a_header_count_with_their_last_task",
    ),
    Fault(
        "the message of a plain member does not say that the ledger counts",
        "neural/celeryapp/chords.py",
        "    body.options[COUNTED_BY_LEDGER] = True\n",
        "",
        _CHORDS + "test_plain_members_count_when_their_workers_report",
    ),
    Fault(
        "what a dead run should have started is awaited for ever",
        "neural/celeryapp/callbacks.py",
        'if chords.is_counted(options["chord"]):\n                awaited.fail(',
        'if chords.is_counted(options["chord"]):\n                bool(',
        _CHORDS + "test_what_never_starts_has_failed_to_the_chord_around_it",
    ),
    Fault(
        "the result backend is not told of a run of a plain client's chord",
        "neural/celeryapp/callbacks.py",
        'if run.options.get("chord") and ',
        "if False and ",
        _CHORDS + "test_a_plain_clients_chord_is_counted_by_its_result_backend",
    ),
    Fault(
        "an immutable body gets the results",
        "neural/celeryapp/chords.py",
        '    if not header["values"]:\n        return ()\n',
        "",
        _CHORDS + "test_an_immutable_body_gets_its_own_arguments",
    ),
    Fault(
        "whoever waits looks twice a second from the beginning",
        "neural/celeryapp/results.py",
        "pause = interval if interval != CELERYS_INTERVAL else _pause(passed)",
        "pause = interval",
        "tests/unit/celeryapp/test_result_backends.py::test_it_looks_soon_and_then_more_rarely",
    ),
    Fault(
        "messages go out before the commit",
        "neural/broker/publisher.py",
        "call_on_commit(publish_quietly, messages)",
        "publish_quietly(messages)",
        "tests/unit/events/test_submit.py::test_messages_are_published_on_commit_and_not_before",
    ),
    Fault(
        "what is left to a commit forgets the savepoint between",
        "neural/ledger/on_commit.py",
        "if not isinstance(hook, Left) or savepoints != set(connection.savepoint_ids):",
        "if not isinstance(hook, Left):",
        "tests/unit/ledger/test_on_commit.py"
        "::test_what_is_undone_with_a_savepoint_takes_nothing_else_with_it_and_is_not_called",
    ),
    Fault(
        "one run that was taken away keeps a batch with its worker",
        "neural/ledger/batch.py",
        "        for outcome in outcomes:  # one that was taken away undoes the statement for all\n"
        "            _settle_unless_fenced([outcome])\n",
        "",
        "tests/unit/ledger/test_execution.py"
        "::test_after_the_soft_limit_in_a_batch_a_revoked_run_holds_back_no_other",
    ),
    Fault(
        "another content under the same id is a duplicate",
        "neural/events/recording.py",
        "if recorded_hash == new_event.content_hash:",
        "if recorded_hash:",
        "tests/unit/events/test_submit.py::test_the_same_identity_with_other_content_is_a_conflict",
    ),
    Fault(
        "an event's run is due at once, whatever its call asked for",
        "neural/events/insertion.py",
        'due_at = f"COALESCE(run.due_at, {dialect.clock})"',
        'due_at = f"COALESCE({dialect.clock}, run.due_at)"',
        "tests/unit/celeryapp/test_celery_door.py::test_later_means_that_its_handlers_run_later",
    ),
    Fault(
        "an event that is due later gets a message now",
        "neural/events/recording.py",
        "due = (identity for identity in new if firsts[identity].due_at is None)",
        "due = (identity for identity in new)",
        "tests/unit/celeryapp/test_celery_door.py::test_later_means_that_its_handlers_run_later",
    ),
    Fault(
        "events are not sorted, so that submitters deadlock",
        "neural/events/recording.py",
        "for identity in sorted(firsts)]",
        "for identity in firsts]",
        "tests/unit/events/test_submit_together.py::test_each_event_is_recorded_once_and_new_to_one_submitter",
        "postgresql",
    ),
)

RELAY = (
    Fault(
        "a message that was just sent is sent again",
        "neural/worker/relay.py",
        "dialect.seconds(conf().republish_lease_seconds)",
        "dialect.seconds(0)",
        "tests/unit/worker/test_relay.py::test_what_is_unpublished_gets_one_and_is_not_owed_another_for_a_while",
    ),
    Fault(
        "what could not be sent waits for its lease",
        "neural/worker/relay.py",
        "            waiting.update(publish_at=Now())\n            break\n",
        "            break\n",
        "tests/unit/worker/test_relay.py::test_what_could_not_be_sent_is_unpublished_again",
    ),
    Fault(
        "a long queue gets more and more messages",
        "neural/worker/relay.py",
        "for queue, depth in depths.items() if depth < limit}",
        "for queue, depth in depths.items()}",
        "tests/unit/worker/test_relay.py::test_a_long_queue_is_left_alone_and_the_others_are_not",
    ),
    Fault(
        "messages are sent for a paused queue",
        "neural/worker/relay.py",
        "queues = [queue for queue in queues if queue not in paused]",
        "queues = [queue for queue in queues if queue not in ()]",
        _PAUSING + "test_relays_publish_nothing_for_a_paused_queue",
    ),
    Fault(
        "a relay that could not look condemns every worker",
        "neural/worker/recovery.py",
        "self._heartbeats.look(heartbeats, longest_gap=lost / 2)",
        "self._heartbeats.look(heartbeats)",
        "tests/unit/ledger/test_recovery.py::test_a_relay_that_could_not_look_does_not_count_the_time",
    ),
    Fault(
        "a silent worker is never given up",
        "neural/worker/recovery.py",
        "if silent_for[worker.pk] >= lost]",
        "if silent_for[worker.pk] >= lost * 99]",
        "tests/unit/ledger/test_recovery.py::test_a_worker_whose_heartbeat_stands_still_is_given_up_and_its_runs_start_again",
    ),
    Fault(
        "a living process's runs are taken for lost",
        "neural/worker/recovery.py",
        "orphans = [run for run in held if run.process_id not in alive]",
        "orphans = [run for run in held if run.process_id]",
        "tests/unit/ledger/test_recovery.py::test_what_a_dead_pool_process_held_starts_again_and_nothing_else",
    ),
    Fault(
        "processes are listed before the runs are read",
        "neural/worker/recovery.py",
        "        held = list(TaskRun.objects.running().filter(worker=worker))\n"
        "        alive = living() if held else ()\n",
        "        alive = living()\n"
        "        held = list(TaskRun.objects.running().filter(worker=worker))\n",
        "tests/unit/ledger/test_recovery.py::test_processes_are_listed_after_the_runs_are_read",
    ),
    Fault(
        "a killed process counts a loss for its whole batch",
        "neural/worker/recovery.py",
        "innocent = delivery.pop_waiting(orphans)",
        "innocent = delivery.pop_waiting([])",
        "tests/unit/ledger/test_recovery.py::test_of_what_a_dead_process_held_only_what_had_begun_counts_a_loss",
    ),
    Fault(
        "a note of an earlier claim holds for a later one",
        "neural/worker/delivery.py",
        'return f"{run.pk} {run.token}"',
        'return f"{run.pk}"',
        "tests/unit/ledger/test_recovery.py::test_a_run_that_is_claimed_again_is_not_taken_for_waiting",
    ),
    Fault(
        "the message of a dead run is thrown away after its retry",
        "neural/worker/delivery.py",
        "        if outcome.succeeded:\n",
        "        if outcome:\n",
        "tests/unit/worker/test_late_messages.py::test_a_run_batched_that_did_not_succeed_keeps_its_message",
    ),
)

_IN_TURN = "tests/unit/worker/test_in_turn.py::"
_DELIVERIES = "tests/unit/worker/test_in_turn_deliveries.py::"

IN_TURN = (
    Fault(
        "the claim of two-step work does not wait for the disk",
        _LEDGER + "claim.py",
        "atomic = () if waits else batchable",
        "atomic = batchable",
        _IN_TURN + "test_they_wait_for_the_disk_once_and_hooks_wait_for_that",
        "postgresql",
    ),
    Fault(
        "a poison takes others along in turn",
        _LEDGER + "claim.py",
        'counts = "losses" if in_turn',
        'counts = "0" if in_turn',
        _DELIVERIES + "test_a_run_that_was_lost_twice_or_has_limits_of_its_own_goes_alone",
    ),
    Fault(
        "a run with a unique key is claimed although somebody holds it",
        _LEDGER + "claim.py",
        ' AND unique_key IS NULL"  # nobody',
        '"  # nobody',
        _DELIVERIES + "test_these_are_not_taken_along",
    ),
    Fault(
        "a task's runs are looked for in all of a backlog",
        _LEDGER + "claim.py",
        "limit * FRONT",
        "10**6",
        _DELIVERIES + "test_runs_of_other_tasks_are_left_and_none_is_looked_for_in_their_backlog",
    ),
    Fault(
        "a run that outlives its hard limit starts again uncounted",
        "neural/worker/in_turn.py",
        " and run is not at_work",
        "",
        _IN_TURN + "test_where_the_process_is_being_ended_the_run_at_work_stays_its_own",
    ),
    Fault(
        "what tells of an outcome does not wait for the disk",
        "neural/worker/in_turn.py",
        "            for hook in hooks:\n                hook()\n",
        "            continue\n",
        _IN_TURN + "test_what_tells_of_an_outcome_waits_for_the_disk",
        "postgresql",
    ),
    Fault(
        "what a crash has undone is told of",
        "neural/worker/in_turn.py",
        "        if outcome.run.pk in kept:\n",
        "        if kept:\n",
        _IN_TURN
        + "test_an_atomic_run_whose_outcome_a_crash_has_undone_is_due_again_and_not_told_of",
        "postgresql",
    ),
    Fault(
        "what another worker has done again is told of twice",
        "neural/worker/in_turn.py",
        " if at == started[pk]}",
        "}",
        _IN_TURN
        + "test_a_run_that_another_worker_has_done_again_after_a_crash_is_that_ones_to_tell_of",
        "postgresql",
    ),
    Fault(
        "nothing waits for the disk",
        _LEDGER + "dialects/postgresql.py",
        """cursor.execute("SELECT pg_logical_emit_message(true, 'neural', '')")""",
        "pass",
        "tests/contract/test_dialects.py::test_a_flush_makes_what_was_committed_before_durable",
        "postgresql",
    ),
    Fault(
        "an outcome does not wait although an effect is in another database",
        _LEDGER + "execute.py",
        "waits = unflushed is None or guard.wrote_elsewhere",
        "waits = unflushed is None",
        _IN_TURN + "test_one_that_wrote_to_another_database_waits_itself",
        "postgresql",
    ),
    Fault(
        "after the soft limit others begin",
        "neural/worker/in_turn.py",
        "return is_late or isinstance(last.exception, SoftTimeLimitExceeded)",
        "return is_late",
        _IN_TURN + "test_after_the_soft_limit_no_other_is_begun_and_a_relay_publishes_them",
    ),
    Fault(
        "a run that a relay has released begins all the same",
        "neural/worker/in_turn.py",
        "if done and ports.note_waiting([run], waiting=False):",
        "if done and ports.note_waiting([run], waiting=False) is None:",
        _IN_TURN + "test_one_that_a_relay_has_released_meanwhile_is_not_begun",
    ),
    Fault(
        "runs wait for as long as the slow one before them takes",
        "neural/worker/recovery.py",
        "stuck = delivery.pop_waiting([run for run in late if not _is_batched(run)])",
        "stuck = delivery.pop_waiting([])",
        "tests/unit/ledger/test_recovery.py::test_runs_that_wait_in_turn_behind_a_slow_one_are_released",
    ),
    Fault(
        "a run of a batch is released while it waits",
        "neural/worker/recovery.py",
        "[run for run in late if not _is_batched(run)]",
        "late",
        "tests/unit/ledger/test_recovery.py::test_no_run_of_a_batch_is_released_while_it_waits",
    ),
    Fault(
        "late messages do not lead to the runs that are left",
        "neural/celeryapp/task.py",
        "            self._see_to_late_messages(queue, delivery.is_more)\n",
        "",
        _DELIVERIES + "test_while_more_is_due_late_messages_of_the_task_lead_to_it",
    ),
    Fault(
        "a rate limit holds for messages alone",
        "neural/celeryapp/task.py",
        " or self.request.get(delivery.RATE_LIMITED)",
        "",
        _DELIVERIES + "test_a_rate_limit_holds_for_each_run",
    ),
    Fault(
        "a run has the headers of another one",
        "neural/celeryapp/signalling.py",
        " if hasattr(type(task.request), name)}",
        "}",
        _DELIVERIES + "test_each_run_has_its_signals_and_its_request",
    ),
)

BULK = (
    Fault(
        "a slice is done twice",
        "neural/runs/bulk/acting.py",
        "if not action.is_under_way or action.position != read.position:",
        "if not action.is_under_way:",
        "tests/unit/runs/test_bulk_once.py::test_a_slice_that_another_worker_has_done_is_not_done_while_the_next_one_waits",
    ),
    Fault(
        "an action that is stopped goes on",
        "neural/runs/models/bulk_action.py",
        "state=BulkActionState.STOPPED, **changes)",
        "state=BulkActionState.RUNNING, **changes)",
        "tests/unit/runs/test_bulk_deciding.py::test_a_stopped_action_changes_nothing_until_it_is_resumed",
    ),
    Fault(
        "who lost the permission goes on acting",
        "neural/runs/bulk/acting.py",
        "if user is None or not RUN_VERBS[action.verb].is_permitted(user):",
        "if user is None:",
        "tests/unit/runs/test_bulk_deciding.py::test_a_user_who_loses_the_permission_changes_nothing_more",
    ),
    Fault(
        "an action changes runs of other stores",
        "neural/runs/bulk/acting.py",
        "seen = match = set(mine.for_user(meant.user).values_list",
        "seen = match = set(mine.values_list",
        "tests/unit/runs/test_bulk_deciding.py::test_a_user_of_some_stores_changes_the_runs_of_these_alone",
    ),
    Fault(
        "two actions change one run twice",
        "neural/runs/bulk/acting.py",
        '            "acted_on": key in taken,\n',
        "",
        "tests/unit/runs/test_bulk_once.py::test_two_operators_whose_actions_overlap_change_each_run_once",
    ),
    Fault(
        "one run that the database refuses stops its slice",
        "neural/runs/bulk/acting.py",
        "    except (IntegrityError, DataError) as error:\n",
        "    except DataError as error:\n",
        "tests/unit/runs/test_bulk_actions.py::test_a_run_that_the_database_refuses_to_change_does_not_stop_the_others",
    ),
    Fault(
        "a form that is sent twice asks twice",
        "neural/runs/bulk/beginning.py",
        "    if before := same_form.first():\n        return Begun(before, is_new=False)\n    query",
        "    query",
        "tests/unit/runs/test_bulk_once.py::test_a_form_that_is_sent_twice_asks_once",
    ),
    Fault(
        "a script retries runs that are set aside otherwise than it said",
        "neural/runs/selecting.py",
        "runs.filter(state__in=states, **",
        "runs.filter(**",
        "tests/unit/api/test_api_reading_runs.py::test_a_filter_chooses_runs",
    ),
)

OUTBOX = (
    Fault(
        "each process keeps a copy of the weights of search",
        "neural/retrieval/embedders/usem3.py",
        "        if self._weights:",
        "        if False:",
        "tests/unit/retrieval/test_search_embedders.py::test_processes_share_the_weights_which_one_of_them_has_written",
    ),
    Fault(
        "what changes while it is indexed is forgotten",
        "neural/retrieval/index/indexing.py",
        "OutboxEntry.objects.filter(pk__in=[*done, *_refused_before(entries)]).delete()",
        "OutboxEntry.objects.filter(key__in=keys).delete()",
        "tests/unit/retrieval/test_search_indexing.py::test_a_change_that_comes_while_its_record_is_being_written_is_not_lost",
    ),
    Fault(
        "an event enters no outbox",
        "neural/retrieval/outbox.py",
        "if not conf().search:",
        "if conf().search:",
        "tests/unit/retrieval/test_search_outbox.py::test_each_new_event_is_in_the_outbox_with_its_recording_and_a_duplicate_is_not",
    ),
    Fault(
        "history goes before live events",
        "neural/retrieval/outbox.py",
        "new_event.queue == LOW_PRIORITY_QUEUE for",
        "new_event.queue != LOW_PRIORITY_QUEUE for",
        "tests/unit/retrieval/test_search_outbox.py::test_history_is_told_apart_by_the_event_and_by_its_handler",
    ),
    Fault(
        "two relays request two runs for a delivery",
        "neural/hooks/outgoing/scheduling.py",
        '    Delivery.objects.bulk_update(deliveries, ["task_id"])\n',
        "",
        "tests/unit/hooks/test_hooks_outgoing_relays.py::test_relays_at_once_request_one_run_for_each_delivery",
    ),
    Fault(
        "a webhook tells of another store's events",
        "neural/hooks/outgoing/recording.py",
        "AND own.store_id = event.store_id))",
        "AND own.store_id <> ''))",
        "tests/unit/hooks/test_hooks_outgoing_recording.py::test_an_event_is_told_to_those_who_subscribe_to_its_type_and_store",
    ),
    Fault(
        "an earlier run sends a delivery again",
        "neural/hooks/outgoing/sending.py",
        "filter(pk=delivery_id, task_id=task_id, state=DeliveryState.PENDING)",
        "filter(pk=delivery_id, state=DeliveryState.PENDING)",
        "tests/unit/hooks/test_hooks_outgoing_delivering.py::test_the_run_of_another_time_sends_nothing",
    ),
    Fault(
        "a tally is added up twice",
        "neural/monitoring/rollups/folding.py",
        "        DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT %s)\n"
        "        RETURNING figures\n",
        "        SELECT figures FROM {table} ORDER BY id LIMIT %s\n",
        "tests/unit/monitoring/test_figures_exact.py::test_after_any_mixture_figures_equal_the_ledger",
    ),
    Fault(
        "pruning deletes a run that is young",
        _LEDGER + "prune.py",
        'aged_from or prunable.made_at}__lt": cutoff}',
        'aged_from or prunable.made_at}__gt": cutoff}',
        "tests/unit/ledger/test_command_prune.py::test_forecasts_go_after_400_days",
    ),
)

GROWTH = (
    Fault(
        "a page of one store reads all the rows that it may",
        "neural/kit/keyset/bounded.py",
        "if walk.is_by_key and len(walk.prefixes) < 2:",
        "if walk.is_by_key and not walk.prefixes:",
        "tests/unit/runs/test_runs_selecting.py::test_a_page_of_one_value_reads_no_more_rows_than_it_shows",
        "postgresql",
    ),
    Fault(
        "the bisection takes the wrong half of the keys",
        "neural/runs/selecting.py",
        "CASE WHEN {is_before} THEN (low + high) / 2 ELSE low END,",
        "CASE WHEN {is_before} THEN low ELSE (low + high) / 2 END,",
        "tests/unit/runs/test_runs_selecting.py::test_keys_of_a_period_leave_out_older_runs_and_no_other",
    ),
    Fault(
        "the list of errors looks at every dead run",
        "neural/monitoring/errors/groups.py",
        "if number <= FEW_DEAD]",
        "if number >= 0]",
        "tests/unit/monitoring/test_error_groups.py::test_few_dead_runs_are_counted_as_they_are_now_and_many_as_they_were_noted",
    ),
    Fault(
        "pruning reads the results of what it deletes",
        _LEDGER + "prune.py",
        '.only("pk").delete()',
        ".delete()",
        "tests/unit/ledger/test_command_prune.py::test_what_goes_is_not_read_with_its_arguments_and_results",
    ),
)

WAITING = (
    Fault(
        "more runs wait in one process than its bound",
        _ASYNC + "runner.py",
        "asked = dict(list(self._asked.items())[: max(room, 0)])",
        "asked = dict(self._asked)",
        _ASYNC_TESTS + ".py::test_no_more_runs_are_under_way_than_the_bound",
    ),
    Fault(
        "a poison takes all runs down again that were lost with it",
        _ASYNC + "runner.py",
        "return len(losses) < SUSPECTS and not is_last",
        "return True",
        _ASYNC_TESTS
        + ".py::test_a_run_that_another_loss_would_leave_dead_is_beside_no_other_suspect",
    ),
    Fault(
        "one outcome that cannot be recorded loses those of its neighbours",
        _ASYNC + "runner.py",
        "if len(ended) > 1:",
        "if len(ended) > 9:",
        _ASYNC_TESTS
        + ".py::test_a_run_that_was_taken_away_changes_nothing_and_its_neighbours_succeed",
    ),
    Fault(
        "coroutines share one request",
        "neural/celeryapp/task.py",
        "return request if task == self.name else",
        "return request if task == '' else",
        _ASYNC_TESTS + ".py::test_each_coroutine_has_its_own_request_and_current_run",
    ),
    Fault(
        "no soft limit cancels a coroutine",
        _ASYNC + "loop.py",
        "limit = asyncio.timeout(it.soft_limit)",
        "limit = asyncio.timeout(None)",
        _ASYNC_TESTS + ".py::test_the_soft_limit_cancels_one_coroutine_which_fails",
    ),
    Fault(
        "a revoked coroutine goes on",
        _ASYNC + "runner.py",
        "if mine.get(pk) != it.run.token:",
        "if pk not in held:",
        _ASYNC_TESTS + ".py::test_a_revoked_run_is_cancelled_alone",
    ),
    Fault(
        "a coroutine goes on whose run another worker has claimed since",
        _ASYNC + "runner.py",
        "if mine.get(pk) != it.run.token:",
        "if pk not in mine:",
        _ASYNC_TESTS + ".py::test_a_run_that_another_worker_has_claimed_since_is_cancelled_here",
    ),
    Fault(
        "a stopping worker claims what arrives",
        _ASYNC + "runner.py",
        "            if self._claims:\n",
        "            if self._asked:\n",
        _ASYNC_TESTS + ".py::test_a_worker_that_stops_records_what_has_ended_and_releases_the_rest",
    ),
    Fault(
        "neighbours of a coroutine that blocks the loop lose a delivery",
        _ASYNC + "watchdog.py",
        'release(held, why="its process was ended because of another run")',
        "mark_lost(held, max_losses=4, why=WHY)",
        "tests/unit/worker/test_watchdog.py::test_a_coroutine_that_blocks_the_loop_ends_the_process_and_alone_loses_a_delivery",
    ),
    Fault(
        "a transaction that one coroutine left open swallows what others write",
        _ASYNC + "loop.py",
        'self.orm: Lane = GuardedLane("neural-orm")',
        'self.orm: Lane = Lane("neural-orm")',
        _ASYNC_TESTS
        + "_pool.py::test_a_call_that_leaves_a_transaction_open_fails_and_keeps_no_neighbours_writes",
    ),
)

MIGRATIONS = (
    Fault(
        "a database that is only partly migrated is not refused",
        "neural/health/system_checks.py",
        "        if some and lacking:\n",
        "        if some and not lacking:\n",
        "tests/unit/ledger/test_first_migrations.py::test_a_database_that_has_only_some_of_them_is_refused",
    ),
)

BATCHES = (
    Fault(
        "a batch is asked before the outcome is committed",
        "neural/batches/ending.py",
        "        transaction.on_commit(_ask_noted, robust=True)\n",
        "        _ask_noted()\n",
        _BATCHES + "test_the_last_member_that_settles_ends_it_when_its_outcome_is_committed",
    ),
    Fault(
        "a batch ends by a look from before it was locked",
        "neural/batches/ending.py",
        "if batch is None or not _progress_of(Batch.objects.filter(pk=batch_pk))[0].is_over:",
        "if batch is None:",
        _BATCHES + "test_a_member_added_by_the_last_member_is_waited_for",
        "postgresql",
    ),
    Fault(
        "relays ask no batch",
        "neural/apps.py",
        '        relay.register_duty("batches", leading.ask_all)\n',
        "",
        _BATCHES + "test_a_process_that_dies_after_the_commit_leaves_it_to_a_relay",
    ),
    Fault(
        "nobody looks whether the chain of a member was cancelled",
        "neural/batches/leading.py",
        "        _look_at(look.pk, look.batch_id)\n",
        "        pass\n",
        "tests/unit/batches/test_handle.py"
        "::test_a_chain_that_somebody_ends_before_its_last_task_is_awaited_no_longer",
    ),
    Fault(
        "whoever adds a member holds nothing",
        "neural/batches/recording.py",
        "= %s {lock}",
        "= %s",
        _BATCHES + "test_whoever_closes_waits_for_those_who_add",
        "postgresql",
    ),
    Fault(
        "a member that was taken away adds others to a closed batch",
        "neural/batches/recording.py",
        "filter(pk=run.pk, token=run.token).exists()",
        "filter(pk=run.pk).exists()",
        _BATCHES + "test_a_member_that_was_taken_away_adds_none_to_a_closed_batch",
    ),
    Fault(
        "members of a batch that has not ended are pruned",
        "neural/ledger/prune.py",
        '        old = old.exclude(batch__in=Batch.objects.filter(ended_at=None).values("pk"))\n',
        "",
        "tests/unit/batches/test_pruning.py::test_members_stay_while_their_batch_has_not_ended",
    ),
    Fault(
        "a block that is repeated cancels a batch that was closed",
        "neural/batches/handle.py",
        " and self._is_open():",
        ":",
        "tests/unit/batches/test_handle.py::"
        "test_a_block_that_is_repeated_and_raises_cancels_nothing_of_a_batch_that_was_closed",
    ),
    Fault(
        "the list of batches counts others' backlog",
        "neural/runs/batches.py",
        "state__range=(state, state)",
        "state=state",
        _BATCH_PAGES + "test_a_list_page_reads_no_others_backlog_though_statistics_know_of_none",
        "postgresql",
    ),
    Fault(
        "the list of batches counts all members",
        "neural/runs/batches.py",
        "(state, state))[:COUNTED]",
        "(state, state))",
        _BATCH_PAGES + "test_a_page_of_the_list_counts_by_one_statement_and_only_so_far",
    ),
    Fault(
        "a batch's runs are looked for among all runs",
        "neural/runs/selecting.py",
        "if each.walk and (value",
        "if not each.walk and (value",
        _BATCH_PAGES + "test_a_batchs_runs_are_found_at_once_behind_any_number_of_others",
    ),
    Fault(
        "a store's user sees the batches of others on the pages of runs",
        "neural/runs/batches.py",
        "    mine: Any = Batch.objects.for_user(user)\n",
        "    mine: Any = Batch.objects.all()\n",
        _BATCH_PAGES + "test_a_runs_page_names_no_batch_that_the_user_may_not_see",
    ),
    Fault(
        "a store's user sees members of other stores",
        "neural/runs/batches.py",
        "TaskRun.objects.for_user(user).select_related",
        "TaskRun.objects.select_related",
        _BATCH_PAGES + "test_a_stores_user_sees_no_members_of_other_stores",
    ),
    Fault(
        "cancelling the rest only closes a batch",
        "neural/batches/ending.py",
        "        outcome=BatchOutcome.CANCELLED,\n",
        "",
        _BATCH_PAGES
        + "test_relays_cancel_the_rest_for_who_has_the_permission_and_an_entry_says_so",
    ),
)

_ADVICE = "tests/unit/api/test_api_advice.py::"
_MISSED = "tests/unit/hooks/test_hooks_reconciling.py::"
_TWICE = "tests/unit/restaurant/test_numbers_given_twice.py::"
TILLS = (
    Fault(
        "a dry run records the event",
        "neural/events/submit.py",
        "recording.foresee if dry_run else recording.record_in_group",
        "recording.record_in_group",
        _ADVICE + "test_a_dry_run_answers_what_would_happen_and_writes_nothing",
    ),
    Fault(
        "a payment's id counts for all orders",
        "neural/restaurant/models/payment.py",
        ".select_for_update().first() if is_daily else None",
        ".select_for_update().first()",
        _TWICE + "test_payments_numbered_in_each_bill_are_payments_of_their_bills",
    ),
    Fault(
        "a ticket of another part of the day is not marked",
        "neural/restaurant/models/claims.py",
        "later - former >= ANOTHER_ORDER or any(",
        "any(",
        _TWICE + "test_a_ticket_at_noon_after_the_same_one_at_ten_is_marked",
    ),
    Fault(
        "what is here is fetched again",
        "neural/hooks/incoming/comparing.py",
        "(place, each.event_id) in known or _is_newest_state(rows.filter(store=place), each)",
        "_is_newest_state(rows.filter(store=place), each)",
        _MISSED + "test_a_state_that_is_here_counts_as_here_although_a_newer_one_came_since",
    ),
    Fault(
        "what a page brought is kept without the position behind it",
        "neural/hooks/incoming/reconciling.py",
        "        with transaction.atomic():\n            counts =",
        "        if True:\n            counts =",
        _MISSED + "test_what_a_page_brought_goes_with_the_position_that_was_not_saved",
    ),
)

FAULTS = (
    *(*SETTLING, *CLAIMING, *WORKING, *RECORDING, *RELAY, *IN_TURN, *BULK, *OUTBOX, *GROWTH),
    *(*WAITING, *MIGRATIONS, *BATCHES, *TILLS),
)
