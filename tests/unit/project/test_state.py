"""The state directory: made once, private, and found by every process alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zhilian import state


def test_the_secret_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    first = state.secret_key(tmp_path)

    assert state.secret_key(tmp_path) == first
    assert len(first) >= 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["secret-key"]


def test_processes_that_start_at_once_agree_on_the_secret_key(tmp_path):
    code = f"from zhilian import state; print(state.secret_key(state.Path({str(tmp_path)!r})))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]

    keys = {process.communicate(timeout=240)[0] for process in processes}

    assert len(keys) == 1
    assert os.listdir(tmp_path) == ["secret-key"]


def test_the_state_directory_is_private(tmp_path):
    assert state.make_var(tmp_path / "a" / "var").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [None, "secret-key", "zhilian.sqlite3"])
def test_one_that_was_made_by_hand_is_closed_to_others(tmp_path, content):
    var = made(tmp_path / "var", 0o755, content)

    assert state.make_var(var).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("mode", "content"),
    [(0o755, "letters"), (0o750, "secret-key")],
    ids=["what holds other things", "what a group was let into"],
)
def test_what_is_not_its_own_to_close_stays_as_it_is(tmp_path, mode, content):
    var = made(tmp_path / "var", mode, content)

    assert state.make_var(var).stat().st_mode & 0o777 == mode


def made(var, mode, content):
    var.mkdir()
    var.chmod(mode)
    if content:
        (var / content).touch()
    return var


def test_the_broker_socket_lies_beside_its_data(tmp_path):
    assert state.broker_socket(Path("/srv/var")) == Path("/srv/var/broker.sock")


def test_a_deep_directory_gets_a_short_socket_of_its_own():
    one, other = Path("/deep" * 30, "one"), Path("/deep" * 30, "other")

    assert len(os.fsencode(state.broker_socket(one))) < 100
    assert state.broker_socket(one) == state.broker_socket(one)
    assert state.broker_socket(one) != state.broker_socket(other)
    assert state.broker_socket(one).parent.stat().st_mode & 0o777 == 0o700


def test_a_path_with_signs_of_its_own_is_quoted_in_the_broker_url():
    url = state.broker_url(Path("/srv/店 ?a"), database=2)

    assert url == "redis+socket:///srv/%E5%BA%97%20%3Fa/broker.sock?virtual_host=2"
