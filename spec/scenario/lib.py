# SPDX-License-Identifier: Apache-2.0
"""lib: what scenarios are written with: leme as a process, upstreams that do as
they are told, clients that see bytes.

A scenario is a function with a promise; `main()` runs those of one file,
run.py those of all. Nothing sleeps to synchronise: everything waits for an
event and gives up after PATIENCE.
"""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from checks import FULL, HOST, PATIENCE, Wrong, check, equal, within
from client import (Client, Response, chat, ends_with_one_error, events_of,
                    request, text_of)
from upstream import (USAGE, Call, Upstream, completion, delta, fails, resets,
                      says, sends, silent, streams)

__all__ = ["FULL", "HOST", "PATIENCE", "USAGE", "Call", "Client", "Leme",
           "Response", "Upstream", "World", "Wrong", "chat", "check",
           "completion", "delta", "ends_with_one_error", "equal",
           "events_of", "fails",
           "main", "promise", "request", "resets", "says", "sends", "silent",
           "streams", "text_of", "within"]

AT_ONCE = 6             # scenarios beside each other


# -- the world a scenario plays in ---------------------------------------------

class World:
    """Makes upstreams, servers and clients; ends them all and looks back."""

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="leme-scenario-")
        self.made = []

    def upstream(self, *behaviours):
        up = Upstream(*behaviours)
        self.made.append(up)
        return up

    def leme(self, text=None, files=None, **options):
        """A server. Keyword arguments that are Upstreams become providers."""
        ups = {k: v for k, v in options.items() if isinstance(v, Upstream)}
        rest = {k: v for k, v in options.items() if k not in ups}
        server = Leme(self.binary, tempfile.mkdtemp(dir=self.folder),
                      configuration(text, ups), files or {}, **rest)
        self.made.append(server)
        server.start()
        return server

    def end(self):
        wrong = []
        for thing in reversed(self.made):
            try:
                thing.stop()
            except Wrong as e:
                wrong.append(str(e))
        shutil.rmtree(self.folder, ignore_errors=True)
        if wrong:
            raise Wrong("; ".join(wrong))


def configuration(text, ups):
    """${text} with a listener, and for each upstream a provider NAME with a
    target "NAME/x". Without text one model "m" takes them in order."""
    lines = []
    if "listen {" not in (text or ""):
        lines.append('listen { "%s:0" }' % HOST)
    for name, up in ups.items():
        lines.append('provider "%s" { base = "http://%s:%d/v1", '
                     'key = "sk-upstream-%s-secret" }'
                     % (name, HOST, up.port, name))
        if 'target "%s/x"' % name not in (text or ""):
            lines.append('target "%s/x" {}' % name)
    if text is None or "model " not in text:
        lines.append('model "m" { %s }' % ", ".join('"%s/x"' % n for n in ups))
    if text:
        lines.append(text)
    return "\n".join(lines) + "\n"


# -- the server ----------------------------------------------------------------

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|"
                       r"runtime error:")


class Leme:
    """The program under test with its configuration and all it says."""

    def __init__(self, binary, folder, text, files, env=None, arguments=(),
                 expect=0):
        self.binary = binary
        self.folder = folder
        self.config = os.path.join(folder, "leme.lua")
        if not self.dev and "admin {" not in text:
            text += 'admin { "unix:%s" }\n' % self.admin_path
        self.files = {"leme.lua": text, **files}
        # A sanitizer's quarantine would look like memory that is not returned.
        self.env = {"ASAN_OPTIONS": "quarantine_size_mb=4", **os.environ,
                    "LOG": "1", "REC": "1", **(env or {})}
        self.arguments = list(arguments)
        self.expect = expect        # exit status
        self.lines = []
        self.news = threading.Condition()
        self.process = None
        self.ports = []

    @property
    def dev(self):
        return is_dev(self.binary)

    def write(self, name, text):
        """In place, as an editor without a swap file does."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def replace(self, name, text):
        """By a rename, as most editors do."""
        self.write(name + ".new", text)
        path = os.path.join(self.folder, name)
        os.rename(path + ".new", path)

    def start(self):
        for name, text in self.files.items():
            self.write(name, text)
        command = [self.binary] + ([] if self.dev else ["run"])
        self.process = subprocess.Popen(
            command + [self.config] + self.arguments, env=self.env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=self.folder)
        threading.Thread(target=self._listen, daemon=True).start()
        self.wait_line(r"listening on %s:\d+" % re.escape(HOST))

    def _listen(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            with self.news:
                self.lines.append(line)
                found = re.match(r"listening on %s:(\d+)" % re.escape(HOST),
                                 line)
                if found:
                    self.ports.append(int(found[1]))
                self.news.notify_all()
        with self.news:
            self.lines.append("<end>")
            self.news.notify_all()

    @property
    def port(self):
        return self.ports[0]

    def wait_line(self, pattern, count=1, seconds=PATIENCE):
        """The ${count}th line that has ${pattern}."""
        found = re.compile(pattern)

        def matching():
            lines = [s for s in self.lines if found.search(s)]
            return lines[count - 1] if len(lines) >= count else None

        with self.news:
            self.news.wait_for(lambda: matching() or self.lines[-1:] ==
                               ["<end>"], seconds)
            line = matching()
        if line is None:
            raise Wrong("no line with %s in: %s"
                        % (pattern, "\n".join(s[:300] for s in
                                               self.lines[-8:])))
        return line

    def said(self, pattern):
        with self.news:
            return [s for s in self.lines if re.search(pattern, s)]

    def log_line(self, request_id):
        """The access-log line of a request."""
        return json.loads(self.wait_line(
            r'"msg":"request".*"id":"%s"' % re.escape(request_id)))

    def record(self, request_id):
        """The entries of its decision record."""
        if self.dev:
            line = self.wait_line(r'^\{"v":1,"entries":\[\{"kind":"begin",'
                                  r'"id":"%s"' % re.escape(request_id))
            return json.loads(line)["entries"]
        self.log_line(request_id)
        answer = within(PATIENCE, lambda: self._record(request_id),
                        "a record of " + request_id)
        return answer["entries"]

    def _record(self, request_id):
        answer = self.admin("GET", "/v1/requests/" + request_id)
        return answer.json if answer.status == 200 else None

    @property
    def admin_path(self):
        return os.path.join(self.folder, "admin.sock")

    def admin(self, method, path, body=b""):
        client = Client(self.admin_path)
        try:
            client.send(request(path, body, method=method))
            return client.response()
        finally:
            client.close()

    def metrics(self):
        """{ 'name{labels}': value }."""
        text = self.admin("GET", "/metrics").body.decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines()
                if line and not line.startswith("#")}

    def chat(self, model="m", headers=None, **fields):
        """One request on a connection of its own, to its end."""
        client = Client(self.port)
        try:
            client.send(chat(model, headers, **fields))
            return client.response()
        finally:
            client.close()

    def client(self):
        return Client(self.port)

    def rss(self):
        """Resident bytes."""
        with open("/proc/%d/statm" % self.process.pid, encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        if self.process is None:
            return
        died = self.process.poll()
        if died is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Wrong("leme does not stop on SIGTERM") from None
        with self.news:
            self.news.wait_for(lambda: self.lines[-1:] == ["<end>"], 2)
        self.process.stdout.close()
        report = [s for s in self.lines if SANITIZER.search(s)]
        if report:
            at = self.lines.index(report[0])
            raise Wrong("\n".join(self.lines[at:at + 25]))
        if code != self.expect:
            raise Wrong("leme ended with %s:\n%s"
                        % (code, "\n".join(self.lines[-8:])))
        self.process = None


def is_dev(binary):
    """A development build: one engine, no admin, no reload."""
    return os.path.basename(binary).startswith("dev")


# -- running -------------------------------------------------------------------

class Scenario:
    def __init__(self, promise, play, daemon, alone):
        self.promise = promise
        self.play = play
        self.daemon = daemon        # needs the whole program
        self.alone = alone          # measures time: nothing beside it
        self.where = os.path.basename(play.__code__.co_filename)[:-3]

    def run(self, binary):
        """None, or what is wrong."""
        world = World(binary)
        wrong = None
        try:
            self.play(world)
        except Wrong as e:
            at = traceback.extract_tb(e.__traceback__)
            line = [f.lineno for f in at
                    if f.filename.endswith("_test.py")][-1]
            wrong = "line %d: %s" % (line, e)
        except Exception:           # a scenario may fail in any way
            wrong = traceback.format_exc(limit=-3)
        try:
            world.end()
        except Wrong as e:
            wrong = (wrong + "; " if wrong else "") + str(e)
        return wrong


SCENARIOS = []


def promise(text, daemon=False, alone=False):
    """This function is a scenario that keeps a promise."""
    def register(play):
        SCENARIOS.append(Scenario(text, play, daemon, alone))
        return play
    return register


def run_scenario(scenario, binary, results):
    began = time.monotonic()
    wrong = scenario.run(binary)
    took = time.monotonic() - began
    results.append((scenario, wrong, took))
    if wrong:
        print("FAILED %s: %s\n    %s" % (scenario.where, scenario.promise,
                                         wrong.replace("\n", "\n    ")))
    elif os.environ.get("VERBOSE"):
        print("ok %s: %s (%.2f s)" % (scenario.where, scenario.promise, took))
    sys.stdout.flush()


def starts(binary):
    """Whether there is anything to test; says what is wrong."""
    world = World(binary)
    try:
        world.leme(a=world.upstream())
        world.end()
        return True
    except (Wrong, OSError) as e:
        print("%s does not serve: %s" % (binary, e))
        return False


def run(binary, only=""):
    """Run what is registered; the exit status."""
    if not starts(binary):
        print("0 passed, %d failed" % len(SCENARIOS))
        return 1
    chosen = [s for s in SCENARIOS if only in s.where + ": " + s.promise]
    able = [s for s in chosen if not (s.daemon and is_dev(binary))]
    results = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(run_scenario, s, binary, results)
                       for s in able if not s.alone]:
            future.result()
    for scenario in able:
        if scenario.alone:
            run_scenario(scenario, binary, results)
    failed = sum(1 for _, wrong, _ in results if wrong)
    skipped = len(chosen) - len(able)
    print("%d passed, %d failed%s" % (
        len(results) - failed, failed,
        ", %d skipped (development build)" % skipped if skipped else ""))
    return 1 if failed or not results else 0


def main():
    """The scenarios of the calling file: [BINARY] [FILTER]."""
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                             os.environ.get("LEME", "build/leme"))
    sys.exit(run(binary, sys.argv[2] if len(sys.argv) > 2 else ""))
