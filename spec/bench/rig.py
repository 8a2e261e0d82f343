# SPDX-License-Identifier: Apache-2.0
"""rig: processes, cores, and the two programs that measure.

Everything that bench.py starts is started here, pinned here and stopped here,
by its own process object.
"""

import glob
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
PATIENCE = 20.0         # seconds for what must come; not reached when all is well
POLL = 0.01
LOAD_LIMIT = 120        # seconds of one run of the load generator
CHAT = "/v1/chat/completions"


class Trouble(Exception):
    """Something cannot be measured; the text says why."""


def wait_for(what, check):
    """The first true value of check(); Trouble when it does not come."""
    end = time.monotonic() + PATIENCE
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise Trouble(f"{what} did not come within {PATIENCE:.0f} s")
        time.sleep(POLL)


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def listens(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def ask(port, method, path, body=b"", headers=None):
    """One request: status, headers (lower case), body."""
    c = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        c.close()


# -- processes ----------------------------------------------------------------

class Process:
    """A program of ours on one core; stop() ends it and what it started."""

    def __init__(self, command, core, log, env=None, cwd=None):
        self.log = log
        surroundings = {"PATH": os.environ.get("PATH", "/usr/bin:/bin:/usr/sbin"),
                        "HOME": os.path.dirname(os.path.abspath(log))}
        surroundings.update(env or {})
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=surroundings, cwd=cwd,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}))

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_listening(self, port):
        def ready():
            if self.process.poll() is not None:
                raise Trouble("ended at its start: " + self.said()[-400:].strip())
            return listens(port)
        wait_for(f"a listener on port {port}", ready)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def tree(pid):
    """The process and its descendants."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(path.split("/")[2]))
        except (OSError, IndexError):
            continue        # it has just ended
    found = [pid]
    for each in found:
        found.extend(children.get(each, []))
    return found


def memory_kib(pids, field):
    """The sum of a field of /proc/PID/status, such as VmRSS."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            m = re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)
        total += int(m.group(1)) if m else 0
    return total


def steal_ticks():
    with open("/proc/stat", encoding="utf-8") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    return fields[7], sum(fields[:8])


# -- the rig ------------------------------------------------------------------

class Rig:
    """Mock and load on one core, whoever is measured on the other."""

    def __init__(self, build, work):
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.peer_core = cores[0], cores[-1]
        self.build, self.work = build, work
        self.processes = []
        self.bodies = {}
        os.sched_setaffinity(0, {self.core})
        self.mock = self.start([os.path.join(build, "bench-mock")], self.core, "mock")
        said = wait_for("the mock", lambda: re.search(r"listening on \S+:(\d+)",
                                                      self.mock.said()))
        self.mock_port = int(said.group(1))

    def start(self, command, core, name, **more):
        p = Process(command, core, os.path.join(self.work, name + ".log"), **more)
        self.processes.append(p)
        return p

    def stop(self):
        for p in reversed(self.processes):
            p.stop()

    def set(self, **knobs):
        """Set knobs of the mock; those not named go back to their defaults."""
        every = {"reply": 1024, "ttft": 0, "ttft_sigma": 0, "chunks": 16,
                 "chunk": 240, "pace": 0, "error_rate": 0, "cut": 0,
                 "close_after": 0, "hold": 0, "format": 0, "remember": 0}
        every.update(knobs)
        words = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in every.items())
        if ask(self.mock_port, "POST", "/bench/set", words.encode())[0] != 200:
            raise Trouble("the mock refused " + words)

    def body(self, model, size=1024, stream=False):
        """The path of a request body of exactly so many bytes."""
        key = (model, size, stream)
        if key not in self.bodies:
            path = os.path.join(self.work, f"{model}-{size}{'-stream' if stream else ''}.json")
            with open(path, "wb") as f:
                f.write(request_body(model, size, stream))
            self.bodies[key] = path
        return self.bodies[key]

    def load_command(self, port, body, headers=(), **options):
        command = [os.path.join(self.build, "bench-load"), "--to", f"{HOST}:{port}",
                   "--path", CHAT, "--body", body]
        for line in headers:
            command += ["--header", line]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return command

    def load(self, port, body, headers=(), **options):
        """Run the load generator; its report."""
        command = self.load_command(port, body, headers, **options)
        try:
            done = subprocess.run(command, capture_output=True, timeout=LOAD_LIMIT, check=False)
        except subprocess.TimeoutExpired as e:
            raise Trouble("the load generator hung") from e
        if done.returncode:
            raise Trouble("load: " + done.stderr.decode(errors="replace").strip())
        return json.loads(done.stdout)


def check_stall(rig):
    """A mock that stands still for 200 ms must show in the tail, and every
    scheduled request must be a sample: else the load generator lies."""
    command = rig.load_command(rig.mock_port, rig.body("fast"), connections=16,
                               rate=1000, seconds=1)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
        time.sleep(0.4)
        os.kill(rig.mock.pid, signal.SIGSTOP)
        time.sleep(0.2)
        os.kill(rig.mock.pid, signal.SIGCONT)
        report = json.loads(load.communicate(timeout=LOAD_LIMIT)[0])
    tail = report["latency_us"]
    if tail["count"] != report["scheduled"] or tail["p99"] < 150e3:
        raise Trouble(f"the rig hid a stall of 200 ms: p99 {tail['p99']:.0f} us, "
                      f"{tail['count']} samples of {report['scheduled']}")


def request_body(model, size, stream):
    """What a client might send: escapes, non-ASCII, numbers, nesting."""
    text = ('Summarise the following notes for "the board" in two sentences.\n'
            "The caf\u00e9 opens at 9:30; r\u00e9sum\u00e9s go to room 12/b. ")
    doc = {"model": model,
           "messages": [{"role": "system", "content": "You answer briefly."},
                        {"role": "user", "content": text}],
           "temperature": 0.7, "max_tokens": 256, "stream": stream,
           "metadata": {"team": "search", "try": 1}}
    filling = "The quick brown fox jumps over the lazy dog, again and again. "

    def render():
        return json.dumps(doc, ensure_ascii=False, separators=(",", ":")).encode()

    short = size - len(render())
    if short > 0:
        doc["messages"][1]["content"] += (filling * (short // len(filling) + 1))[:short]
    return render()


# -- system calls -------------------------------------------------------------

class Strace:
    """strace -f -c on a process tree; counts when it has been told to stop."""

    def __init__(self, rig, pids):
        self.out = os.path.join(rig.work, "strace.txt")
        self.messages = os.path.join(rig.work, "strace.log")
        command = ["strace", "-f", "-c", "-o", self.out]
        for pid in pids:
            command += ["-p", str(pid)]
        self.process = rig.start(command, rig.core, "strace")
        wait_for("strace", lambda: self.attached(len(pids)))

    def attached(self, count):
        if self.process.process.poll() is not None:
            raise Trouble("strace: " + self.process.said().strip()[-200:])
        return len(re.findall(r"Process \d+ attached", self.process.said())) >= count

    def counts(self):
        self.process.process.send_signal(signal.SIGINT)
        self.process.process.wait(PATIENCE)
        calls = {}
        with open(self.out, encoding="utf-8") as f:
            for line in f:
                fields = line.split()
                if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                    calls[fields[-1]] = calls.get(fields[-1], 0) + int(fields[3])
        return calls
