"""Signals and the time limit end a run, but never in the middle of a clean-up or a commit."""

import os
import signal
import time

import pytest
from dativo_engine.errors import RunStoppedError, RunTimeoutError
from dativo_engine.stop import Stop


def receive(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(1)


def work(stop: Stop) -> None:
    stop.start_clock()
    time.sleep(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_becomes_an_error_in_the_main_thread(number: signal.Signals):
    stop = Stop(60)
    before = signal.getsignal(number)
    with pytest.raises(RunStoppedError, match=number.name), stop.watch():
        receive(number)
    assert signal.getsignal(number) is before


def test_a_run_past_its_time_is_stopped():
    stop = Stop(0.05)
    with pytest.raises(RunTimeoutError, match="timeout_seconds"), stop.watch():
        work(stop)


def test_waiting_does_not_count():
    stop = Stop(0.05)
    with stop.watch():
        time.sleep(0.1)
        stop.start_clock()
        stop.stop_clock()
        time.sleep(0.1)


def test_a_held_block_finishes():
    stop = Stop(60)
    done = False
    with stop.watch(), stop.hold():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        done = True
    assert done


def test_a_run_that_would_begin_again_after_a_held_block_ends_there():
    stop = Stop(60)
    with stop.watch():
        with stop.hold():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        assert stop.by_signal
        with pytest.raises(RunStoppedError, match="SIGTERM"):
            stop.go_on()


def test_a_time_limit_reached_in_a_held_block_ends_the_attempt_but_not_the_next_one():
    stop = Stop(0.02)
    with stop.watch():
        stop.start_clock()
        with stop.hold():
            time.sleep(0.05)
        with pytest.raises(RunTimeoutError):
            stop.go_on()
        stop.stop_clock()
        stop.go_on()
    assert not stop.by_signal
