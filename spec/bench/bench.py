#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py --build DIR [--quick] [--only NAME,...] [--rounds N] [--stand-in]

Measures leme beside nginx, nginx + Lua, HAProxy and Portkey's gateway on this
machine, prints one table and writes DIR/bench.json. See README.md.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time

import measures
import peers
import rig as rigs

STARTS = {"nginx": peers.start_nginx, "nginx_lua": peers.start_nginx_lua,
          "haproxy": peers.start_haproxy, "portkey": peers.start_portkey}
CONTEXT = [("cpu", "CPU, us"), ("cpu share", "of its core"), ("cpu rate", "requests/s"),
           ("prompt", "100 KB, us more"), ("calls a request", "calls/request"),
           ("calls a chunk", "calls/chunk"), ("translated", "translated, us"),
           ("translated token", "us/token"), ("paced token", "us/paced token"),
           ("added p50", "added p50, us"), ("added p99", "added p99, us"), ("KiB a stream", "KiB/stream")]


class Bench:
    """One run: who takes part, the samples, the verdicts."""

    def __init__(self, rig, options):
        self.rig, self.quick = rig, options.quick
        self.stand_in = options.stand_in
        self.rounds = options.rounds or (3 if options.quick else 9)
        self.warmup, self.seconds = (0.2, 0.6) if options.quick else (0.4, 1.5)
        self.dice = random.Random(options.seed)
        self.peers, self.absent = {}, {}
        self.samples, self.reasons, self.details = {}, {}, {}
        self.rows = []

    def start_leme(self, rig, name="leme", **options):
        return peers.start_leme(rig, name, stand_in=self.stand_in, **options)

    def is_present(self, name):
        owner = measures.CPU_RUNS.get(name, (name, None))[0]
        return owner == "direct" or owner in self.peers

    def start_all(self):
        for name, start in {"leme": self.start_leme, **STARTS}.items():
            models = ("fast", "plain", "walk") if name == "leme" else ("fast",)
            try:
                peer = start(self.rig, name)
                peers.check_parity(self.rig, peer, models)
                self.peers[name] = peer
            except (rigs.Trouble, OSError, ValueError) as e:
                for run, (owner, _) in measures.CPU_RUNS.items():
                    if owner == name:
                        self.absent[run] = f"{name}: {e}"
                self.absent[name] = f"{name}: {e}"
                print(f"{name} takes no part: {e}", file=sys.stderr)

    def judge(self, what, value, must, aim, unit="", span=None):
        edge = span[1] if span else value
        if must is None:
            verdict = "for information"
        elif value > must:
            verdict = "MISSED"
        elif edge > must:
            verdict = f"met, but the interval reaches {plain(edge)}"
        elif aim is not None and value <= aim:
            verdict = "met, aim too"
        else:
            verdict = "met"
        self.rows.append({"what": what, "must": must, "aim": aim, "value": value,
                          "span": span, "unit": unit, "verdict": verdict})

    def withhold(self, what, why, must, aim, unit=""):
        self.rows.append({"what": what, "must": must, "aim": aim, "value": None,
                          "span": None, "unit": unit, "verdict": "withheld: " + why})


# -- printing -----------------------------------------------------------------

def plain(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 1 or value == 0:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_span(row):
    if row["value"] is None:
        return "-"
    text = plain(row["value"])
    if row["span"]:
        text += f" ({plain(row['span'][0])} to {plain(row['span'][1])})"
    return text


def print_table(bench):
    print("\n| measure | must | aim | measured (95 %) | verdict |")
    print("|---|--:|--:|--:|---|")
    for row in bench.rows:
        unit = " " + row["unit"] if row["unit"] else ""
        must = "-" if row["must"] is None else f"<= {plain(row['must'])}{unit}"
        aim = "-" if row["aim"] is None else f"{plain(row['aim'])}{unit}"
        print(f"| {row['what']} | {must} | {aim} | {with_span(row)} | {row['verdict']} |")


def cell(bench, key, name):
    values = bench.samples.get(key, {}).get(name)
    if not values:
        return ""
    valid = [v for v in values if v is not None]
    if len(valid) * 2 < len(values):
        return "withheld"
    middle = measures.median(valid)
    return f"{middle:.0%}" if key == "cpu share" else plain(middle)


def print_context(bench):
    """Medians of everyone, for whoever wants to check a ratio."""
    names = ["direct", *measures.CPU_RUNS]
    keys = [(k, t) for k, t in CONTEXT if any(cell(bench, k, n) for n in names)]
    if not keys:
        return
    print("\n| medians | " + " | ".join(t for _, t in keys) + " |")
    print("|---|" + "--:|" * len(keys))
    for name in names:
        cells = [cell(bench, k, name) for k, _ in keys]
        if any(cells):
            print(f"| {name} | " + " | ".join(cells) + " |")
    for (key, name), why in sorted(bench.reasons.items()):
        if key.endswith(" rate"):
            continue        # of the same rounds as the CPU
        values = bench.samples[key][name]
        print(f"- {name}, {key}: {values.count(None)} of {len(values)} rounds invalid, "
              f"the last because {why}")


# -- surroundings -------------------------------------------------------------

def first_line(command):
    if not shutil.which(command[0]):
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return ((done.stdout or done.stderr).splitlines() or ["?"])[0]


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError:
        return ""


def surroundings():
    cpu = [line.split(":")[1].strip() for line in read("/proc/cpuinfo").splitlines()
           if line.startswith("model name")]
    return {"kernel": platform.release(), "cpu": cpu[0] if cpu else platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "congestion control": read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
            "load before": os.getloadavg()[0],
            "nginx": first_line(["nginx", "-v"]), "haproxy": first_line(["haproxy", "-v"]),
            "node": first_line(["node", "--version"])}


def warn(facts, rig):
    if rig.core == rig.peer_core:
        print("one core only: rig and contenders share it", file=sys.stderr)
    if facts["load before"] > 0.3:
        print(f"the machine is not idle: load {facts['load before']:.2f}", file=sys.stderr)


# -- running ------------------------------------------------------------------

def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build", help="folder of leme, bench-mock, bench-load")
    p.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    p.add_argument("--only", default=",".join(measures.ALL), help="some of: %(default)s")
    p.add_argument("--rounds", type=int, default=0)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--strict", action="store_true", help="exit 1 when a criterion is missed")
    p.add_argument("--stand-in", action="store_true",
                   help="nginx + Lua in leme's place, to test this benchmark")
    options = p.parse_args()
    options.only = options.only.split(",")
    for name in options.only:
        if name not in measures.ALL:
            p.error(f"--only: no measure is called {name!r}")
    return options


def run(bench, only):
    rigs.check_stall(bench.rig)
    bench.start_all()
    for name in only:
        began = time.monotonic()
        print(f"{name} ...", end="", flush=True, file=sys.stderr)
        measures.ALL[name](bench)
        print(f" {time.monotonic() - began:.0f} s", file=sys.stderr)


def end_by_signal(number, _frame):
    """Leave through the finally clauses, which stop what was started."""
    sys.exit(128 + number)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, end_by_signal)
    build = os.path.abspath(options.build)
    work = os.path.join(build, "bench")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    facts = surroundings()
    began, (steal, ticks) = time.monotonic(), rigs.steal_ticks()
    rig = None
    try:
        rig = rigs.Rig(build, work)
        warn(facts, rig)
        bench = Bench(rig, options)
        run(bench, options.only)
    except (rigs.Trouble, OSError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 2
    finally:
        if rig:
            rig.stop()
    steal_after, ticks_after = rigs.steal_ticks()
    facts["steal"] = (steal_after - steal) / max(1, ticks_after - ticks)
    facts["seconds"] = round(time.monotonic() - began, 1)
    facts["stand-in"] = options.stand_in
    facts["seed"] = options.seed
    if options.stand_in:
        print("\nNO MEASUREMENT OF LEME: nginx + Lua stands in its place.")
    print_table(bench)
    print_context(bench)
    print(f"\n{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, "
          f"{facts['congestion control']}; load before {facts['load before']:.2f}, "
          f"steal {facts['steal']:.1%}; {bench.rounds} rounds, {facts['seconds']:.0f} s.")
    with open(os.path.join(build, "bench.json"), "w", encoding="utf-8") as f:
        json.dump({"surroundings": facts, "rows": bench.rows, "samples": bench.samples,
                   "absent": bench.absent, "details": bench.details}, f, indent=1)
    missed = any(row["verdict"] == "MISSED" for row in bench.rows)
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
