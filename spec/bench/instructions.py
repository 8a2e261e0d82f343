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
    """The dump of COUNTED requests after a warm-up."""
    leme = peers.start_leme(rig, under=["valgrind", "--tool=callgrind", "--quiet", "--separate-threads=yes",
                                        f"--callgrind-out-file={out}"])
    pid, body = leme.process.pid, rig.body(model)
    send(rig, leme.port, body, WARM)
    control("-z", pid)
    send(rig, leme.port, body, COUNTED)
    control("-d", pid)
    leme.stop()
    return sorted(glob.glob(out + ".*"))[0]


def functions(dump):
    """(instructions a request, object, function), most first."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=yes", dump],
                          check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        m = LINE.match(line)
        if m:
            yield (int(m[1].replace(",", "")) / COUNTED,
                   os.path.basename(m[4] or m[2]), m[3].split("'")[0])


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    ask.add_argument("--model", default="fast", help="fast, plain or walk")
    ask.add_argument("--top", type=int, default=40, help="functions listed")
    args = ask.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rig = rigs.Rig(os.path.abspath(args.build), work)
        try:
            rows = list(functions(record(rig, args.model, os.path.join(work, "out"))))
        finally:
            rig.stop()
    objects = collections.Counter()
    for count, where, _ in rows:
        objects[where] += count
    print(f"{sum(objects.values()):10,.0f} instructions a request ({args.model})")
    for where, count in objects.most_common(8):
        print(f"{count:10,.0f}   {where}")
    for count, where, name in rows[:args.top]:
        print(f"{count:10,.0f}   {name}  [{where}]")


if __name__ == "__main__":
    main()
