"""Waiting for a thing, with a bound, instead of for a time to pass."""

import socket
import time

# Seconds that any wait takes at the most: nothing comes near it unless it hangs.
BOUND = 20


class Late(AssertionError):
    """Something did not happen in time."""


def until(what, ask, bound=BOUND):
    """Asks again and again until the answer is true, and returns it."""
    end = time.monotonic() + bound
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > end:
            raise Late(f'not within {bound} s: {what}')
        time.sleep(.05)


def free_port():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        return taken.getsockname()[1]
