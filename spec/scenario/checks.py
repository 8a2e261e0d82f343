# SPDX-License-Identifier: Apache-2.0
"""checks: what a scenario holds against what it saw."""

import os
import time

HOST = "127.0.0.1"
PATIENCE = 15.0         # for what must come; never reached when all is well
FULL = bool(os.environ.get("LEME_FULL"))    # the large numbers


class Wrong(Exception):
    """A promise is broken."""


def check(holds, what="the check failed", *more):
    if not holds:
        raise Wrong(" ".join([what, *(repr(m)[:600] for m in more)]))


def equal(got, expected, what="value"):
    if got != expected:
        raise Wrong("%s: got %.600r, expected %.600r" % (what, got, expected))


def within(seconds, holds, what):
    """Poll for a state that nothing announces; returns what ${holds} gave."""
    end = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > end:
            raise Wrong("not within %.1f s: %s" % (seconds, what))
        time.sleep(0.005)
