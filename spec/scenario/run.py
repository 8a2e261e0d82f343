#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [BINARY] [FILTER]: all scenarios whose file or promise has FILTER.

BINARY is the program (default: $LEME, then build/leme). LEME_FULL=1 plays the
long ones in full, VERBOSE=1 names what passed and how long it took.
"""

import glob
import importlib
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)

import lib  # noqa: E402  found by the line above

OTHERS = ("cli_test",)      # a program of its own

if __name__ == "__main__":
    for path in sorted(glob.glob(os.path.join(FOLDER, "*_test.py"))):
        name = os.path.basename(path)[:-3]
        if name not in OTHERS:
            importlib.import_module(name)
    lib.main()
