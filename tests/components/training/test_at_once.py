import signal
import subprocess
import sys
import threading
import time

import pytest

from components.training.at_once import at_once

SLOW = """
import os
import time
from components.training.at_once import at_once

def work(number):
    os.write(1, b"begun\\n")  # at once, whatever other threads write
    time.sleep(30)

try:
    at_once(work, range(50))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_answers_come_in_the_order_of_the_tasks():
    assert at_once(lambda n: (time.sleep(0.01 * (n == 0)), n)[1], range(9)) == list(range(9))
    assert at_once(abs, []) == []


def test_no_more_tasks_go_on_at_a_time_than_allowed():
    going, most = [], []

    def work(number):
        going.append(number)
        most.append(len(going))
        time.sleep(0.01)
        going.remove(number)

    at_once(work, range(4), most=1)
    assert most == [1, 1, 1, 1]


def test_a_task_that_fails_is_told_without_waiting_for_the_others():
    forever = threading.Event()

    def work(number):
        if number:
            forever.wait(30)
        raise ValueError(number)

    start = time.monotonic()
    with pytest.raises(ValueError, match="0"):
        at_once(work, [0, 1])
    forever.set()
    assert time.monotonic() - start < 5


def test_an_interruption_waits_for_no_task():
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert process.wait() == 0
    assert said.endswith(b"interrupted\n")
    assert time.monotonic() - start < 5
