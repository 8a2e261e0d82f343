#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py [--quick] [--only GROUP] [--fixtures DIR]: run the suites.

One line a suite, its output only when it fails; the last line is the sum:
`N passed, N failed, N skipped`. A suite ends with `N passed, N failed` or with
lines `NAME N of M`, or is one check that passes with exit status 0.
"""

import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUM = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", re.M)
OF = re.compile(r"^(\S+) (\d+) of (\d+)\b", re.M)
BUSTED = re.compile(r"(\d+) success\w* / (\d+) failure\w* / (\d+) error\w* / (\d+) pending")
ASAN_ENV = {"ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:quarantine_size_mb=4",
            "UBSAN_OPTIONS": "print_stacktrace=1"}


class Suite:
    def __init__(self, name, command, groups=(), env=None, limit=240, lines=False, needs=()):
        self.name, self.command, self.groups = name, command, set(groups)
        self.env, self.limit, self.lines = env or {}, limit, lines
        self.needs = needs          # paths of which one must be there


def counts(text, status):
    """passed, failed, skipped of a suite by what it printed."""
    found = SUM.findall(text)
    if found:
        return tuple(int(n or 0) for n in found[-1])
    found = BUSTED.findall(text)
    if found:
        good, bad, errors, pending = map(int, found[-1])
        return good, bad + errors, pending
    found = OF.findall(text)
    if found:
        good = sum(int(n) for _, n, _ in found)
        return good, sum(int(m) for _, _, m in found) - good, 0
    return (1, 0, 0) if status == 0 else (0, 1, 0)


def output(suite):
    """What the suite printed, its exit status. Too late, all it started ends."""
    process = subprocess.Popen(suite.command, cwd=ROOT, env={**os.environ, **suite.env},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        text, late = process.communicate(timeout=suite.limit)[0], False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, late = process.communicate()[0], True
    text = text.decode("utf-8", "replace")
    return (text + f"\nnot done after {suite.limit} s", 124) if late else (text, process.returncode)


def run(suite):
    if suite.needs and not any(os.path.exists(os.path.join(ROOT, path)) for path in suite.needs):
        print(f"{suite.name}: skipped: there is no {' or '.join(suite.needs)}", flush=True)
        return 0, 0, 1
    began = time.monotonic()
    text, status = output(suite)
    passed, failed, skipped = counts(text, status)
    if status != 0 and failed == 0:
        failed = 1
    took = time.monotonic() - began
    if suite.lines and not failed:
        print("\n".join(l for l in text.splitlines() if OF.match(l)), flush=True)
    else:
        print(f"{suite.name}: {passed} passed, {failed} failed"
              + (f", {skipped} skipped" if skipped else "") + f" ({took:.1f} s)", flush=True)
    if failed:
        print("    " + text.strip().replace("\n", "\n    "), flush=True)
    else:
        for line in text.splitlines():
            if re.match(r"(?i)\s*skip", line):
                print("    " + line.strip(), flush=True)
    return passed, failed, skipped


def binary(san):
    return f"build/leme-{san}" if san else "build/leme"


def unit_suites(san, groups, directory):
    where = f"build/obj-{san}" if san else "build/obj"
    env = ASAN_ENV if san else {}
    response = os.path.join(directory, "http", "response")
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/unit/*_test.c"))):
        name = os.path.basename(path)[:-len("_test.c")]
        command = [f"{where}/unit-{name}"]
        if name == "upstream" and os.path.isdir(response):
            command.append(response)
        yield Suite(f"unit {name}{' ' + san if san else ''}", command, groups, env)


def fixture_suites(directory, san, groups):
    def script(name, *args):
        return ["python3", f"spec/fixtures/{name}.py", directory, *args]

    env = {"LEME": binary(san), **(ASAN_ENV if san else {})}
    recorded = ["INDEX.tsv"]
    rows = [("http/request", script("http_request", binary(san)), ["http/request"]),
            ("http/response", script("http_response", binary(san)), ["http/response"]),
            ("json/gateway", script("json_gateway", binary(san)), ["json/gateway"])]
    if not san:
        rows += [("json", script("json_suite", "build/json_dump"),
                  ["json/parsing", "json/transform"]),
                 ("sse", script("sse", "build/sse_dump"), ["sse"]),
                 ("answers", script("answers", "--dump", "build/answer_dump"), recorded),
                 ("native", script("native", "--dump", "build/answer_dump"), recorded),
                 ("tokens", script("tokens", "--dump", "build/tokens_dump"), recorded),
                 ("dialects", script("dialects"), recorded),
                 ("surfaces", script("surfaces"), recorded)]
    for name, command, needs in rows:
        yield Suite(f"fixtures {name}{' ' + san if san else ''}", command, groups, env,
                    lines=not san, needs=[os.path.join(directory, path) for path in needs])


def lint_suites():
    groups = ("lint",)
    yield Suite("luacheck", ["luacheck", "-q", "lua", "policies", "spec/lua"], groups)
    for path in sorted(glob.glob(os.path.join(ROOT, "spec/lint/*.py"))
                       + glob.glob(os.path.join(ROOT, "spec/lint/*.lua"))):
        tool = ["python3"] if path.endswith(".py") else ["lua5.4"]
        yield Suite("lint " + os.path.basename(path), tool + [os.path.relpath(path, ROOT)], groups)


def fuzz_suites():
    for path in sorted(glob.glob(os.path.join(ROOT, "build/fuzz_*"))):
        name = os.path.basename(path)[len("fuzz_"):]
        corpus = glob.glob(os.path.join(ROOT, f"spec/fuzz/corpus/{name}/*"))
        if corpus and os.access(path, os.X_OK):
            yield Suite(f"corpus {name}", [path, "-runs=0", *map(os.path.relpath, corpus)],
                        ("corpus",), ASAN_ENV)


def running_suites(san, groups, directory):
    env = {"LEME": binary(san), **(ASAN_ENV if san else {})}
    if os.path.isdir(directory):
        env["RECORDINGS"] = directory
    label = " " + san if san else ""
    yield Suite("scenarios" + label, ["python3", "spec/scenario/run.py", binary(san)], groups,
                env, 300)
    yield Suite("command line" + label, ["python3", "spec/scenario/cli_test.py"], groups, env)
    if os.path.isfile(os.path.join(ROOT, "spec/sdk/run.sh")):
        yield Suite("sdk" + label, ["bash", "spec/sdk/run.sh"], groups, env, 300)


def all_suites(directory):
    shared = os.path.isdir(directory)
    asan, tsan = "address,undefined".replace(",", "-"), "thread"
    yield from lint_suites()
    yield from unit_suites("", ("unit", "quick"), directory)
    yield Suite("specs", ["lua5.4", "/usr/bin/busted", "-o", "plainTerminal", "spec/lua"],
                ("lua", "quick"))
    yield from fuzz_suites()
    if shared:
        yield from fixture_suites(directory, "", ("fixtures",))
    yield from running_suites("", ("running",), directory)
    yield from unit_suites(asan, ("address",), directory)
    if shared:
        yield from fixture_suites(directory, asan, ("address",))
    yield from running_suites(asan, ("address",), directory)
    yield from unit_suites(tsan, ("thread",), directory)
    yield from running_suites(tsan, ("thread",), directory)


def wanted(suite, options):
    if options.only:
        return options.only in suite.groups
    if options.quick:
        return "quick" in suite.groups or "lint" in suite.groups
    return "thread" not in suite.groups


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--fixtures", default="../shared/fixtures")
    options = parser.parse_args()
    directory = os.path.join(ROOT, options.fixtures)
    total = [0, 0, 0]
    if not os.path.isdir(directory):
        print(f"no fixtures at {options.fixtures}: the suites over recorded cases do not run")
        if options.only == "fixtures":
            print("0 passed, 1 failed, 0 skipped")
            return 1
    for suite in all_suites(os.path.relpath(directory, ROOT)):
        if wanted(suite, options):
            total = [a + b for a, b in zip(total, run(suite))]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
