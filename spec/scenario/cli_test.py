#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line, as a shell sees it: statuses, words, signals, and what a server
started by it does. Runs the program that LEME names, else build/leme.

Usage: cli_test.py [NAME...]    only the promises whose names hold one of NAME
"""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEME = os.path.abspath(os.environ.get("LEME", os.path.join(ROOT, "build", "leme")))
PATIENCE = 20

promises = []


def promise(test):
    promises.append(test)
    return test


def expect(condition, *seen):
    if not condition:
        raise AssertionError(" ".join(str(s) for s in seen))


def environment(**more):
    """Without the caller's own settings and keys."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith("LEME") and not k.endswith("_API_KEY")}
    kept.update(more)
    return kept


def leme(*words, env=None, stdin=None, cwd=None):
    return subprocess.run([LEME, *words], input=stdin, capture_output=True, text=True,
                          timeout=PATIENCE, cwd=cwd, env=environment(**(env or {})))


def status_is(done, status):
    expect(done.returncode == status, "status", done.returncode, "instead of", status,
           done.stdout, done.stderr)


@contextlib.contextmanager
def folder(**files):
    with tempfile.TemporaryDirectory(prefix="leme-cli-") as path:
        for name, text in files.items():
            write(os.path.join(path, name.replace("__", ".")), text)
        yield path


def write(path, text):
    """As editors do: the new file takes the place of the old one at once."""
    with open(path + ".new", "w") as out:
        out.write(text)
    os.replace(path + ".new", path)


class Server:
    """`leme run` or `leme mock` in the background; its talk is collected."""

    def __init__(self, *words, env=None, cwd=None):
        self.process = subprocess.Popen([LEME, *words], stderr=subprocess.PIPE, text=True,
                                        stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                        cwd=cwd, env=environment(**(env or {})))
        self.lines = []
        self.news = threading.Condition()
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()
        line = self.wait_for(r"listening on 127\.0\.0\.1:(\d+)")
        self.port = int(line.group(1))

    def _read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait_for(self, pattern, after=0):
        """The match of the first line from ${after} on; waits for it."""
        until = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for line in self.lines[after:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
                left = until - time.monotonic()
                if self.ended or left <= 0:
                    raise AssertionError("no line %r in: %s" % (pattern, self.talk()))
                self.news.wait(left)

    def talk(self):
        return "\n".join(self.lines)

    def signal(self, number):
        self.process.send_signal(number)

    def status(self):
        return self.process.wait(PATIENCE)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.status()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def request(self, model="chat", stream=False, path="/v1/chat/completions", text="Hello"):
        """A connection whose request is sent."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        body = {"model": model, "stream": stream,
                "messages": [{"role": "user", "content": text}]}
        client.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        return client

    def ask(self, **how):
        client = self.request(**how)
        answer = client.getresponse()
        body = answer.read().decode()
        client.close()
        return answer, body


PLAIN = """listen { "127.0.0.1:0" }
admin { "unix:leme.sock" }
%s
provider "one" { base = "http://127.0.0.1:%d/v1", auth = "none" }
model "chat" { policy = "policy.lua", default_route = { "one/a" } }
target "one/b" {}
"""

POLICY = """local leme = require "leme"
return leme.policy { name = "cli", route = function(req) return req:try "one/%s" end }
"""


@contextlib.contextmanager
def pair(mock=(), settings="", run=()):
    """A mock, and a server before it. Gives the server and its folder."""
    with Server("mock", "--listen", "127.0.0.1:0", *mock) as behind:
        with folder(leme__lua=PLAIN % (settings, behind.port),
                    policy__lua=POLICY % "a") as path:
            with Server("run", "--workers", "1", *run, cwd=path) as server:
                server.behind = behind
                yield server, path


SLOW = ("--latency", "0", "--pace", "0.1")

# --- words ---------------------------------------------------------------------------


@promise
def no_command_is_wrong_usage_and_says_which_there_are():
    done = leme()
    status_is(done, 2)
    expect(done.stdout == "" and "leme COMMAND" in done.stderr, done.stderr)


@promise
def help_fits_a_terminal_and_goes_to_stdout():
    for words in (["-h"], ["--help"], ["help"]):
        done = leme(*words)
        status_is(done, 0)
        lines = done.stdout.splitlines()
        expect(0 < len(lines) <= 24 and max(map(len, lines)) <= 80, len(lines), lines)
        expect(done.stderr == "", done.stderr)


@promise
def every_command_explains_its_flags():
    overview = leme("help").stdout
    commands = re.findall(r"^  (\w+) +\S", overview, re.M)
    expect("run" in commands and "check" in commands and "target" in commands, commands)
    for command in commands:
        by_flag, by_word = leme(command, "-h"), leme("help", command)
        status_is(by_flag, 0)
        expect(by_flag.stdout == by_word.stdout, command)
        expect(by_flag.stdout.startswith("leme " + command), by_flag.stdout)


@promise
def a_misspelt_word_gets_the_nearest_one():
    for words, near in ((["chekc"], '"check"'), (["run", "--listn", "x"], '"listen"'),
                        (["help", "statsu"], '"status"'), (["target", "drian", "a/b"], '"drain"'),
                        (["check", "--format", "jsn", "x"], '"json"'),
                        (["run", "--log-level", "warning"], '"warn"')):
        done = leme(*words)
        status_is(done, 2)
        expect("did you mean " + near in done.stderr, words, done.stderr)


@promise
def wrong_usage_is_2_and_leaves_stdout_empty():
    for words in (["run", "--nonsense"], ["run", "a", "b"], ["run", "--workers"],
                  ["run", "--workers", "many"], ["run", "--workers=-1"],
                  ["run", "--listen", "a", "--listen", "b"], ["run", "-x"],
                  ["check", "--strict=1"], ["target"], ["target", "weight", "a/b"],
                  ["target", "weight", "a/b", "-1"], ["target", "drain", "a/b", "1"],
                  ["target", "drain", "a/b", "--for", "soon"],
                  ["mock", "--latency", "-1"], ["mock", "--latency", "0.5-0.1"],
                  ["mock", "--error-rate", "2"], ["mock", "--status", "200"],
                  ["mock", "--cut-after", "1.5"], ["mock", "--script", "x", "--status", "500"],
                  ["run", "-"], ["reload", "now"]):
        done = leme(*words)
        status_is(done, 2)
        expect(done.stdout == "" and done.stderr.startswith("leme"), words, done.stderr)


@promise
def a_flag_may_stand_in_the_environment_and_the_command_line_wins():
    as_json = leme("version", env={"LEME_VERSION_JSON": "1"})
    status_is(as_json, 0)
    expect(json.loads(as_json.stdout)["version"], as_json.stdout)
    plain = leme("version", "--no-json", env={"LEME_VERSION_JSON": "yes"})
    expect(plain.stdout.startswith("leme "), plain.stdout)
    status_is(leme("version", env={"LEME_VERSION_JSON": "perhaps"}), 2)
    done = leme("run", env={"LEME_RUN_LOG_LEVEL": "loud"})
    status_is(done, 2)
    expect("--log-level" in done.stderr, done.stderr)


@promise
def version_names_the_linked_libraries():
    done = leme("version", "--json")
    status_is(done, 0)
    said = json.loads(done.stdout)
    expect(re.match(r"\d+\.\d+\.\d+", said["version"]), said)
    expect(len(said["libraries"]) >= 3, said)
    expect(leme("--version").stdout == leme("version").stdout)


@promise
def what_cannot_be_written_is_not_called_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([LEME, "version"], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=PATIENCE, env=environment())
    expect(done.returncode == 4 and "stdout" in done.stderr, done.returncode, done.stderr)


# --- check ---------------------------------------------------------------------------

GOOD = """listen { "127.0.0.1:0" }
provider "one" { base = "http://127.0.0.1:9/v1", auth = "none" }
model "chat" { "one/a" }
"""

BAD = """listen { "127.0.0.1:0" }
provider "one" { bass = "http://127.0.0.1:9/v1" }
model "chat" { "two/a" }
settings { wrkers = 3 }
"""

ODD = GOOD + """model "many" { "one/a", "one/b", "one/c", max_attempts = 2 }
"""


@promise
def check_of_a_good_configuration_is_0_and_counts_nothing():
    with folder(leme__lua=GOOD) as path:
        for words in ([], ["leme.lua"]):
            done = leme("check", *words, cwd=path)
            status_is(done, 0)
            *notes, total = done.stdout.splitlines()
            expect(total == "0 errors, 0 warnings" and done.stderr == "", done.stdout)
            expect(all(": note: " in line for line in notes), done.stdout)


@promise
def check_says_all_errors_with_their_lines():
    with folder(bad__lua=BAD) as path:
        done = leme("check", "bad.lua", cwd=path)
    status_is(done, 1)
    lines = done.stdout.splitlines()
    for number, word in ((2, "bass"), (3, "two"), (4, "wrkers")):
        expect(any(re.match(r"bad\.lua:%d: error: .*%s" % (number, word), line)
                   for line in lines), number, done.stdout)
    expect(re.fullmatch(r"\d+ errors, \d+ warnings?", lines[-1]), lines[-1])
    expect(int(lines[-1].split()[0]) == sum(": error: " in line for line in lines), done.stdout)
    expect("\033" not in done.stdout, "colour in a pipe")


@promise
def check_says_what_is_wrong_with_a_policy():
    config = PLAIN % ("", 9)
    for text, line in (("return 1 +", 1), ("local x = 1\nnonsense(x)\n", 2)):
        with folder(leme__lua=config, policy__lua=text) as path:
            done = leme("check", cwd=path)
        status_is(done, 1)
        expect(re.search(r"policy\.lua:%d: error: " % line, done.stdout), done.stdout)


@promise
def check_knows_misspelt_targets_in_a_policy_without_a_test():
    config = PLAIN % ("", 9)
    text = """local leme = require "leme" -- not "one/comment"
--[==[ nor "one/in a long comment" ]] ]==] local a = [[ nor "one/long" ]]
local b = "not \\"one/escaped\\"" .. 'one/\\n' .. "two/unknown provider"
return leme.policy { name = "p", route = function(req)
  if req.model == 'x' then return req:try 'one/aa' end
  return req:try "one/a"
end }
"""
    with folder(leme__lua=config, policy__lua=text) as path:
        done = leme("check", cwd=path)
        strict = leme("check", "--strict", cwd=path)
    status_is(done, 0)
    warnings = [line for line in done.stdout.splitlines() if ": warning: " in line]
    expect(len(warnings) == 1 and warnings[0].endswith(
        'policy.lua:5: warning: no target is called "one/aa"; did you mean "one/a"?'), done.stdout)
    status_is(strict, 1)


@promise
def a_misspelt_function_of_ours_is_named_with_its_line():
    text = """local leme = require "leme"
local words = require "words"
local route = words.fast or leme.%s { "one/a" }
return leme.policy { name = "p", route = route }
"""
    with folder(leme__lua=PLAIN % ("", 9), policy__lua=text % "falback",
                words__lua="return { slow = function() end }") as path:
        wrong = leme("check", cwd=path)
        with open(os.path.join(path, "policy.lua"), "w", encoding="utf-8") as file:
            file.write(text % "fallback")
        right = leme("check", cwd=path)
    status_is(wrong, 1)
    expect('policy.lua:3: error: leme has no falback; did you mean "fallback"?' in wrong.stdout,
           wrong.stdout)
    status_is(right, 0)


@promise
def strict_makes_warnings_fail():
    with folder(odd__lua=ODD) as path:
        lenient = leme("check", "odd.lua", cwd=path)
        strict = leme("check", "--strict", "odd.lua", cwd=path)
        by_environment = leme("check", "odd.lua", cwd=path, env={"LEME_CHECK_STRICT": "1"})
    status_is(lenient, 0)
    expect("warning: " in lenient.stdout and "0 errors, 1 warning\n" in lenient.stdout,
           lenient.stdout)
    status_is(strict, 1)
    status_is(by_environment, 1)


@promise
def check_speaks_json():
    with folder(bad__lua=BAD) as path:
        done = leme("check", "--format", "json", "bad.lua", cwd=path)
    status_is(done, 1)
    said = json.loads(done.stdout)
    expect(said["errors"] == len([f for f in said["findings"] if f["severity"] == "error"]), said)
    expect({f["line"] for f in said["findings"]} >= {2, 3, 4}, said)


@promise
def check_reads_stdin_and_leaves_nothing_behind():
    with folder(leme__lua="") as path:
        good = leme("check", "-", cwd=path, stdin=GOOD)
        bad = leme("check", "-", cwd=path, stdin=BAD)
        tree = leme("check", "-", cwd=path, stdin='  {"models": 1}')
        left = os.listdir(path)
    status_is(good, 0)
    status_is(bad, 1)
    expect(bad.stdout.startswith("stdin:2: error: "), bad.stdout)
    status_is(tree, 1)
    expect(left == ["leme.lua"], left)


@promise
def check_without_a_file_says_so():
    with folder() as path:
        status_is(leme("check", cwd=path), 2)
        missing = leme("check", "nowhere.lua", cwd=path)
    status_is(missing, 1)
    expect("nowhere.lua: error: " in missing.stdout, missing.stdout)


@promise
def an_env_file_fills_what_is_not_set():
    config = GOOD.replace('auth = "none"', 'key = env "CLI_TEST_KEY"')
    with folder(leme__lua=config, keys="# keys\n\nexport CLI_TEST_KEY='sk-test-123'\n",
                wrong="CLI_TEST_KEY\nsecret words\n") as path:
        status_is(leme("check", cwd=path), 1)
        status_is(leme("check", "--env-file", "keys", cwd=path), 0)
        status_is(leme("check", "--env-file=-", cwd=path, stdin="CLI_TEST_KEY=x-1234567\n"), 0)
        wrong = leme("check", "--env-file", "wrong", cwd=path)
        status_is(leme("check", "--env-file", "nowhere", cwd=path), 4)
    status_is(wrong, 4)
    expect("wrong:1: " in wrong.stderr and "secret" not in wrong.stderr, wrong.stderr)


@promise
def a_pipe_of_variables_is_read_once():
    config = PLAIN.replace('auth = "none"', 'key = env "CLI_TEST_KEY"')
    assert config != PLAIN
    with folder(leme__lua=config % ("", 9), policy__lua=POLICY % "a") as path:
        os.mkfifo(os.path.join(path, "vars"))
        feed = threading.Thread(target=lambda: open(os.path.join(path, "vars"), "w").write(
            "CLI_TEST_KEY=sk-test-123456\n"), daemon=True)
        feed.start()
        with Server("run", "--workers", "1", "--env-file", "vars", cwd=path):
            done = leme("reload", "--admin", "unix:leme.sock", cwd=path)
        status_is(done, 0)
        expect("unchanged" in done.stdout, done.stdout)


@promise
def the_quickstart_is_without_fault():
    done = leme("check", "--strict", "examples/quickstart/leme.lua", cwd=ROOT)
    status_is(done, 0)


# --- run -------------------------------------------------------------------------------


@promise
def run_without_a_configuration_says_what_to_do():
    with folder() as path:
        done = leme("run", cwd=path)
    status_is(done, 2)
    expect("leme.lua" in done.stderr, done.stderr)


@promise
def run_refuses_a_bad_configuration_or_policy_with_3():
    with folder(bad__lua=BAD, leme__lua=PLAIN % ("", 9), policy__lua="return 1 +") as path:
        for words in (["bad.lua"], ["nowhere.lua"], []):
            done = leme("run", *words, cwd=path)
            status_is(done, 3)
            expect("error" in done.stderr and done.stdout == "", done.stderr)


@promise
def run_says_4_when_an_address_is_taken():
    with socket.socket() as taken, folder(leme__lua=GOOD) as path:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        done = leme("run", "--listen", address, cwd=path)
    status_is(done, 4)
    expect(address in done.stderr, done.stderr)


@promise
def a_request_goes_through_and_sigterm_ends_it_all_with_0():
    with pair() as (server, _):
        answer, body = server.ask()
        expect(answer.status == 200, answer.status, body)
        expect(answer.getheader("x-leme-target") == "one/a", answer.getheaders())
        expect("Hello" in json.loads(body)["choices"][0]["message"]["content"], body)
        expect(server.stop() == 0, server.talk())
        expect(server.behind.stop() == 0, server.behind.talk())


@promise
def run_says_what_is_served_by_what_and_a_call_that_works():
    with pair() as (server, _):
        server.wait_for(r"\bchat\b.*\bone/a\b")
        server.wait_for(r"new OpenAI\(.*127\.0\.0\.1:%d" % server.port)
        start = next(i for i, line in enumerate(server.lines) if line.lstrip().startswith("curl "))
        call = "\n".join(server.lines[start:start + 2])
        if shutil.which("curl"):
            done = subprocess.run(["sh", "-c", call], capture_output=True, text=True,
                                  timeout=PATIENCE, env=environment())
            expect(done.returncode == 0 and "data: [DONE]" in done.stdout, call, done)


@promise
def the_log_may_be_json_and_says_where_it_listens():
    with pair(run=("--log-format", "json")) as (server, _):
        server.ask()
        expect(server.stop() == 0, server.talk())
    for line in server.lines:
        expect(isinstance(json.loads(line), dict), line)


@promise
def a_log_level_holds_back_what_is_less_urgent():
    with pair(run=("--log-level", "warn")) as (server, _):
        server.ask()
        expect(server.stop() == 0, server.talk())
    expect(not any(re.search(r"Z info ", line) for line in server.lines), server.talk())


@promise
def sighup_brings_a_new_policy_and_a_bad_one_changes_nothing():
    with pair(run=("--no-watch",)) as (server, path):
        policy = os.path.join(path, "policy.lua")
        expect(server.ask()[0].getheader("x-leme-target") == "one/a")
        write(policy, POLICY % "b")
        at = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_for(r"reload", at)
        expect(server.ask()[0].getheader("x-leme-target") == "one/b", server.talk())
        write(policy, "return 1 +")
        at = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_for(r"policy\.lua:1", at)
        expect(server.ask()[0].getheader("x-leme-target") == "one/b", server.talk())
        expect(server.stop() == 0, server.talk())


@promise
def sigterm_lets_a_stream_end():
    with pair(mock=SLOW) as (server, _):
        client = server.request(stream=True)
        answer = client.getresponse()
        expect(answer.readline().startswith(b"data: "))
        server.signal(signal.SIGTERM)
        rest = answer.read()
        expect(b"data: [DONE]" in rest, rest[-200:])
        client.close()
        expect(server.status() == 0, server.talk())


@promise
def streams_cut_at_the_drain_limit_are_told_with_6():
    with pair(mock=SLOW, settings="settings { drain_timeout = 0.2 }") as (server, _):
        client = server.request(stream=True)
        answer = client.getresponse()
        expect(answer.readline().startswith(b"data: "))
        server.signal(signal.SIGTERM)
        expect(b"gateway_draining" in answer.read())
        client.close()
        expect(server.status() == 6, server.talk())


@promise
def a_second_sigterm_does_not_wait():
    with pair(mock=("--latency", "0", "--pace", "5")) as (server, _):
        client = server.request(stream=True)
        answer = client.getresponse()
        expect(answer.readline().startswith(b"data: "))
        server.signal(signal.SIGTERM)
        # It no longer accepts: the first one has arrived.
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with socket.socket() as probe:
                probe.settimeout(PATIENCE)
                if probe.connect_ex(("127.0.0.1", server.port)):
                    break
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        expect(server.status() == 2, server.process.returncode, server.talk())
        expect(time.monotonic() - began < 4, "it waited")
        client.close()


@promise
def sigusr1_opens_the_log_anew_and_sigusr2_takes_a_snapshot():
    with pair(settings='settings { log = "access.log" }') as (server, path):
        log = os.path.join(path, "access.log")
        at = len(server.lines)
        os.rename(log, log + ".1")
        server.signal(signal.SIGUSR1)
        until = time.monotonic() + PATIENCE
        while not os.path.exists(log) and time.monotonic() < until:
            server.ask()
        expect(os.path.exists(log), server.talk())
        server.signal(signal.SIGUSR2)
        server.wait_for(r"one/a", at)
        expect(server.stop() == 0, server.talk())


# --- the operator ----------------------------------------------------------------------


@promise
def where_no_server_is_the_status_is_5():
    with folder() as path:
        for words in (["reload"], ["status"], ["target", "drain", "one/a"]):
            done = leme(*words, "--admin", "unix:%s/nothing.sock" % path)
            status_is(done, 5)
            expect("nothing.sock" in done.stderr and done.stdout == "", done.stderr)


@promise
def the_socket_of_the_working_directory_is_found():
    with pair() as (_, path):
        done = leme("status", cwd=path)
        status_is(done, 0)
        expect("one/a" in done.stdout and "ready" in done.stdout, done.stdout)
        other = leme("status", "--format", "json", env={"LEME_ADMIN": "unix:%s/leme.sock" % path})
        status_is(other, 0)
        expect(json.loads(other.stdout), other.stdout)


@promise
def reload_applies_or_refuses_with_the_line():
    with pair(run=("--no-watch",)) as (server, path):
        policy = os.path.join(path, "policy.lua")
        write(policy, POLICY % "b")
        status_is(leme("reload", cwd=path), 0)
        expect(server.ask()[0].getheader("x-leme-target") == "one/b", server.talk())
        write(policy, "local x =\n= 1")
        done = leme("reload", cwd=path)
        status_is(done, 1)
        expect("policy.lua:2" in done.stderr, done.stderr)
        expect(server.ask()[0].getheader("x-leme-target") == "one/b", server.talk())


@promise
def a_drained_target_is_passed_over_until_it_is_ready():
    with pair(settings='model "list" { "one/a", "one/b" }') as (server, path):
        expect(server.ask(model="list")[0].getheader("x-leme-target") == "one/a")
        done = leme("target", "drain", "one/a", cwd=path)
        status_is(done, 0)
        expect("drain" in done.stdout, done.stdout)
        expect(server.ask(model="list")[0].getheader("x-leme-target") == "one/b")
        status_is(leme("target", "ready", "one/a", cwd=path), 0)
        expect(server.ask(model="list")[0].getheader("x-leme-target") == "one/a")
        status_is(leme("target", "weight", "one/a", "2.5", cwd=path), 0)
        status_is(leme("target", "drain", "one/zzz", cwd=path), 1)


def state_of(path, name="one/a"):
    done = leme("status", "--format", "json", cwd=path)
    found = [t for t in json.loads(done.stdout)["targets"]["targets"] if t["id"] == name][0]
    return found["state"], found["operator_weight"]


@promise
def a_word_for_a_time_ends_and_no_other_with_it():
    """A weight took away the end of a drain, and the end of a weight took away a drain."""
    with pair(settings='model "list" { "one/a", "one/b" }') as (_, path):
        for words in (["drain", "one/a", "--for", "1"], ["weight", "one/a", "3"],
                      ["maint", "one/b"], ["weight", "one/b", "2", "--for", "1"]):
            status_is(leme("target", *words, cwd=path), 0)
        expect(state_of(path) == ("drain", 3), state_of(path))
        expect(state_of(path, "one/b") == ("maint", 2), state_of(path, "one/b"))
        time.sleep(1.3)
        expect(state_of(path) == ("ready", 3), state_of(path))
        expect(state_of(path, "one/b") == ("maint", 1), state_of(path, "one/b"))


# --- mock ------------------------------------------------------------------------------


@promise
def the_mock_does_what_its_flags_say():
    with Server("mock", "--listen", "127.0.0.1:0", "--latency", "0", "--status", "429",
                "--retry-after", "7") as mock:
        answer, body = mock.ask()
        expect(answer.status == 429 and answer.getheader("retry-after") == "7", answer.status, body)
    with Server("mock", "--listen", "127.0.0.1:0", "--latency", "0", "--pace", "0",
                "--cut-after", "2") as mock:
        client = mock.request(stream=True)
        with contextlib.suppress(http.client.HTTPException, OSError):
            expect(b"[DONE]" not in client.getresponse().read(), "the stream is whole")
        client.close()


@promise
def the_mock_takes_a_script():
    with folder(script='{"text": "said by script", "latency": 0}', wrong="[1") as path:
        with Server("mock", "--listen", "127.0.0.1:0", "--script",
                    os.path.join(path, "script")) as mock:
            expect("said by script" in mock.ask()[1])
        wrong = leme("mock", "--listen", "127.0.0.1:0", "--script", os.path.join(path, "wrong"))
        expect(wrong.returncode in (2, 3), wrong.returncode, wrong.stderr)
        status_is(leme("mock", "--script", os.path.join(path, "nowhere")), 4)


@promise
def the_mock_plays_every_format_on_one_port():
    with Server("mock", "--listen", "127.0.0.1:0", "--latency", "0", "--pace", "0",
                "--format", "mistral") as mock:
        for path, sign in [("/v1/chat/completions", "num_cached_tokens"),
                           ("/deepseek/chat/completions", "prompt_cache_hit_tokens"),
                           ("/anthropic/v1/messages", "max_tokens: Field required"),
                           ("/v1beta/models/m:generateContent", "Unknown name"),
                           ("/v2/chat", "finish_reason")]:
            body = mock.ask(path=path)[1]
            expect(sign in body, path, body)
        answer, body = mock.ask(path="/v1/nothing")
        expect(answer.status == 404 and "/v1/nothing" in body, answer.status, body)
        client = http.client.HTTPConnection("127.0.0.1", mock.port, timeout=PATIENCE)
        client.request("GET", "/v1beta/models")
        expect(b'"models/mock"' in client.getresponse().read(), "no list of models")
        client.request("POST", "/v1/messages", "{")
        expect(client.getresponse().status == 400, "half a body is taken")
        client.close()
    wrong = leme("mock", "--format", "deepsek")
    status_is(wrong, 3)
    expect("did you mean \"deepseek\"?" in wrong.stderr, wrong.stderr)


@promise
def the_mock_plays_what_was_recorded():
    said = "data: {\"a\":1}\n\ndata: [DONE]\n\n"
    with folder(said__resp__sse=said, busy__resp__json="{}",
                busy__meta__json=json.dumps({"status": 503})) as path:
        with Server("mock", "--listen", "127.0.0.1:0", "--latency", "0", "--pace", "0",
                    "--recordings", path) as mock:
            answer, body = mock.ask(model="said")
            expect(answer.getheader("x-mock-recording") == "said" and body == said, body)
            expect(mock.ask(model="busy")[0].status == 503)
            answer, body = mock.ask(model="none")
            expect(not answer.getheader("x-mock-recording") and "Hello" in body, body)
        nowhere = os.path.join(path, "nowhere")
        wrong = leme("mock", "--recordings", nowhere)
        status_is(wrong, 3)
        expect(nowhere in wrong.stderr, wrong.stderr)


MOCKED = """listen { "127.0.0.1:0" }
admin { "unix:leme.sock" }
provider "gem" { dialect = "gemini", base = "https://example.com", mock = "always" }
provider "claude" { dialect = "anthropic", base = "https://example.com", mock = "always" }
provider "mistral" { mock = "always" }
model "g" { "gem/gemini-2.5-flash" }
model "a" { "claude/claude-sonnet-4-5" }
model "m" { "mistral/mistral-large" }
"""


@promise
def a_mocked_provider_speaks_its_own_dialect():
    with folder(leme__lua=MOCKED) as path:
        with Server("run", "--workers", "1", "--env-file", "/dev/null", cwd=path) as server:
            for model in "gam":
                answer, body = server.ask(model=model)
                expect(answer.status == 200 and "Hello" in body, model, body)
                said = json.loads(body)["choices"][0]
                # Only Google and Anthropic have reasons of their own to pass on.
                native = {"g": "STOP", "a": "end_turn", "m": None}[model]
                expect(said.get("native_finish_reason") == native, said)


# ---------------------------------------------------------------------------------------


def main():
    wanted = sys.argv[1:]
    passed = failed = 0
    for test in promises:
        if wanted and not any(word in test.__name__ for word in wanted):
            continue
        try:
            test()
            passed += 1
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(limit=-2, file=sys.stdout)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
