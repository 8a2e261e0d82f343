#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""instructions: what leme executes for a request, counted by callgrind.

    python3 spec/bench/instructions.py [--build build] [--model fast] [--top 40]

Unlike times, the count is the same under any load, so it shows what a change
costs. The kernel's share is not in it. `make bench` builds what it needs.
"""

import argparse
import collections
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import peers        # noqa: E402
import rig as rigs  # noqa: E402

CONNECTIONS = 8
WARM = 500
COUNTED = 1000
LINE = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+(\S+):(.+?)(?: \[(.+)\])?$")


def send(rig, port, body, n):
    subprocess.run(rig.load_command(port, body, connections=CONNECTIONS, requests=n),
                   check=True, stdout=subprocess.DEVNULL)


def control(flag, pid):
    subprocess.run(["callgrind_control", flag, str(pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def record(rig, model, out):
    """The dumps of COUNTED requests after a warm-up, one a thread."""
    leme = peers.start_leme(rig, under=["valgrind", "--tool=callgrind", "--quiet", "--separate-threads=yes",
                                        f"--callgrind-out-file={out}"])
    pid, body = leme.process.pid, rig.body(model)
    send(rig, leme.port, body, WARM)
    control("-z", pid)
    send(rig, leme.port, body, COUNTED)
    control("-d", pid)
    leme.stop()
    return sorted(glob.glob(out + ".*"))


TOTAL = re.compile(r"^\s*([\d,]+) .*PROGRAM TOTALS")


def functions(dump):
    """(instructions a request, object, function) of a thread, most first. Those
    that were running when counting began seem to have done all of it: left out."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=yes", dump],
                          check=True, capture_output=True, text=True).stdout
    total = 0
    for line in text.splitlines():
        whole, m = TOTAL.match(line), LINE.match(line)
        if not whole and not m:
            continue
        count = int((whole or m)[1].replace(",", ""))
        if whole:
            total = count
        elif count < 0.9 * total:
            yield count / COUNTED, os.path.basename(m[4] or m[2]), m[3].split("'")[0]


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    ask.add_argument("--model", default="fast", help="fast, plain or walk")
    ask.add_argument("--top", type=int, default=40, help="functions listed")
    args = ask.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rig = rigs.Rig(os.path.abspath(args.build), work)
        try:
            threads = [list(functions(dump))
                       for dump in record(rig, args.model, os.path.join(work, "out"))]
        finally:
            rig.stop()
    threads.sort(key=lambda rows: -sum(row[0] for row in rows))
    for name, rows in zip(("worker", "control loop"), threads):
        objects = collections.Counter()
        for count, where, _ in rows:
            objects[where] += count
        print(f"{sum(objects.values()):10,.0f} instructions a request ({args.model}, {name})")
        for where, count in objects.most_common(6):
            print(f"{count:10,.0f}   {where}")
        for count, where, function in rows[:args.top]:
            print(f"{count:10,.0f}   {function}  [{where}]")


if __name__ == "__main__":
    main()
