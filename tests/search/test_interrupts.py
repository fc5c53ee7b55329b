from __future__ import annotations

import os
import signal
import threading

import pytest

from xautolm_core.search.clock import Clock
from xautolm_core.search.interrupts import Interrupts


def test_before_there_is_anything_to_finish_an_interrupt_raises():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)


def test_later_interrupts_are_counted():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.graceful = True
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.count == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_of_the_main_thread_nothing_is_installed():
    problems = []

    def enter() -> None:
        try:
            with Interrupts() as interrupts:
                assert interrupts.count == 0
        except ValueError as error:
            problems.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not problems


def test_a_clock_goes_on_where_it_was_left():
    clock = Clock()
    with clock.phase("load"):
        pass
    clock.go_on_from(100.0, {"load": 5.0, "trials": 90.0})
    assert 100.0 <= clock.elapsed_seconds < 101.0
    assert clock.phase_seconds["trials"] == 90.0
    assert 5.0 <= clock.phase_seconds["load"] < 5.5
