#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A provider dies under load: who has seen nothing yet sees nothing of it."""

import collections
import re
import resource
import signal
import subprocess
import threading

from lib import (FULL, HOST, Upstream, Wrong, chat, check, equal, main,
                 promise, says, within)

REQUESTS = 10000 if FULL else 2000
AT_ONCE = 64


class Provider:
    """A `leme mock` in a process of its own."""

    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "mock", "--listen", HOST + ":0", "--latency", "0.005-0.03",
             "--pace", "0.001-0.004"], stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL)
        self.port = None
        for line in self.process.stderr:
            found = re.search(rb"listening on [\d.]+:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        check(self.port, "the mock does not listen")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
        self.process.stderr.close()


class Load:
    """REQUESTS calls from AT_ONCE clients; what became of each."""

    def __init__(self, server):
        self.server = server
        self.lock = threading.Lock()
        self.begun = 0
        self.done = 0
        self.seen = collections.Counter()
        self.wrong = []

    def next(self):
        with self.lock:
            if self.begun == REQUESTS or len(self.wrong) > 5:
                return None
            self.begun += 1
            return self.begun

    def judge(self, n, answer):
        if answer.status != 200 or not answer.complete:
            raise Wrong("status %d, %s" % (answer.status, answer.body[:300]))
        if n % 2:
            check(answer.text, "an empty answer")
            return "whole"
        equal(answer.events[-1], "[DONE]", "last event")
        equal(answer.events.count("[DONE]"), 1, "ends")
        check(len(answer.stream_errors) <= 1, "errors", answer.stream_errors)
        if not answer.stream_errors:
            return "stream"
        equal(answer.headers["x-leme-target"], "a/x", "target of a cut stream")
        check(answer.text, "an error event before the first token")
        check("error" in answer.events[-2], "the error is not last")
        return "stream cut"

    def client(self):
        connection = self.server.client()
        while (n := self.next()) is not None:
            try:
                connection.send(chat(stream=n % 2 == 0))
                kind = self.judge(n, connection.response())
            except (Wrong, OSError, ValueError, LookupError) as e:
                kind = "wrong"
                self.wrong.append("request %d: %s" % (n, e))
                connection.close()
                connection = self.server.client()
            with self.lock:
                self.seen[kind] += 1
                self.done += 1
        connection.close()

    def run(self, at, act):
        """All of it; ${act}() once ${at} requests are done."""
        threads = [threading.Thread(target=self.client)
                   for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        within(60, lambda: self.done >= at or self.wrong, "load")
        act()
        for thread in threads:
            thread.join(120)
        check(not self.wrong, "lost:", self.wrong)
        equal(self.done, REQUESTS, "requests")


@promise("the first provider is killed under load: whole answers and "
         "uncommitted streams show no error, committed ones exactly one",
         daemon=True, alone=True)
def killed(w):
    a, b = Provider(w.binary), Provider(w.binary)
    w.made += [a, b]
    server = w.leme('provider "a" { base = "http://%s:%d/v1", key = "sk-a-key-0" }'
                    '\nprovider "b" { base = "http://%s:%d/v1", '
                    'key = "sk-b-key-0" }\nmodel "m" { "a/x", "b/x" }'
                    % (HOST, a.port, HOST, b.port))
    load = Load(server)
    load.run(REQUESTS * 2 // 5, a.kill)
    check(load.seen["whole"] == REQUESTS // 2, "whole answers", load.seen)
    check(load.seen["stream cut"] <= AT_ONCE, "cut streams", load.seen)

    def counted(error=""):
        return sum(v for k, v in server.metrics().items()
                   if k.startswith("leme_requests_total{") and error in k)

    # A request is counted when it is over: a client may have its last byte first.
    within(5, lambda: counted() == REQUESTS, "requests are counted")
    equal(counted('error_type="provider_'), load.seen["stream cut"],
          "failures counted")
    within(5, lambda: all(v == 0 for k, v in server.metrics().items()
                          if "in_flight" in k), "nothing is in flight")


@promise("a provider that comes back is used again", daemon=True, alone=True)
def comes_back(w):
    up, spare = Upstream(says("first")), w.upstream(says("spare"))
    w.made.append(up)
    server = w.leme(a=up, b=spare)
    equal(server.chat().text, "first", "text")
    port = up.port
    up.stop()
    equal(server.chat().text, "spare", "text without it")
    again = Upstream(says("again"), port=port)
    w.made.append(again)
    within(10, lambda: server.chat().text == "again", "it is used again")


@promise("an open connection that the provider has closed meanwhile costs no "
         "error", daemon=True)
def stale_connection(w):
    def once(call):
        says("ok")(call)
        call.close()                    # without saying so

    up = w.upstream(once)
    server = w.leme('model "m" { "a/x" }', a=up)
    for _ in range(10):
        call_count = len(up.calls)
        answer = server.chat()
        equal(answer.status, 200, "status")
        equal(len(up.calls), call_count + 1, "calls for one request")
        check(up.calls[-1].finished.wait(5), "")


@promise("a target without descriptors left is an error, not an end",
         daemon=True)
def descriptors(w):
    up = w.upstream(says("ok"))
    server = w.leme(a=up)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    clients = []
    for _ in range(60):
        try:
            clients.append(server.client())
        except OSError:
            break
    for client in clients:
        client.close()
    within(10, lambda: quietly(server), "it serves again")


def quietly(server):
    try:
        return server.chat().status == 200
    except (Wrong, OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
