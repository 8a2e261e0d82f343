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
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HOST = "127.0.0.1"
PATIENCE = 15.0         # for what must come; never reached when all is well
AT_ONCE = 6             # scenarios beside each other
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


# -- upstreams -----------------------------------------------------------------

class Upstream:
    """A provider. The nth call gets the nth behaviour, the last one stays. A
    behaviour is a function of the Call; when it returns, the connection is
    kept, unless it was closed."""

    def __init__(self, *behaviours, port=0):
        self.behaviours = list(behaviours) or [says("hi")]
        self.calls = []
        self.connections = 0
        self.news = threading.Condition()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((HOST, port))
        self.socket.listen(512)
        self.port = self.socket.getsockname()[1]
        self.open = set()
        self.stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.news:
                self.connections += 1
                self.open.add(sock)
                self.news.notify_all()
            threading.Thread(target=self._serve, args=(sock,),
                             daemon=True).start()

    def _serve(self, sock):
        stream = sock.makefile("rb")
        try:
            while not self.stopped:
                call = Call.read(self, sock, stream)
                if call is None:
                    break
                with self.news:
                    behave = self.behaviours[min(len(self.calls),
                                                 len(self.behaviours) - 1)]
                    self.calls.append(call)
                    self.news.notify_all()
                behave(call)
                call.finished.set()
                if call.closed:
                    break
        except OSError:
            pass
        finally:
            with self.news:
                self.open.discard(sock)
            for end in (stream, sock):
                try:
                    end.close()
                except OSError:
                    pass

    def wait(self, count=1, seconds=PATIENCE):
        """The ${count}th call, once it has come."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.calls) >= count,
                                      seconds):
                raise Wrong("the upstream got %d calls, expected %d"
                            % (len(self.calls), count))
            return self.calls[count - 1]

    def stop(self):
        """Refuses and cuts from now on."""
        self.stopped = True
        self.socket.close()
        with self.news:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Call:
    """One request as an upstream got it, and the means to answer it."""

    def __init__(self, upstream, sock, head, body):
        self.upstream = upstream
        self.sock = sock
        self.head = head
        self.body = body
        self.came = time.monotonic()
        self.left = None            # when leme closed it, once seen
        self.closed = False
        self.finished = threading.Event()
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.headers = {}
        for field in lines[1:]:
            name, _, value = field.partition(":")
            self.headers[name.lower()] = value.strip()

    @staticmethod
    def read(upstream, sock, stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return None
            head += line
        call = Call(upstream, sock, head[:-4], b"")
        call.body = stream.read(int(call.headers.get("content-length", 0)))
        return call

    @property
    def json(self):
        return json.loads(self.body)

    def send(self, data):
        self.sock.sendall(data)

    def reply(self, status, body, headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        fields = {"content-type": "application/json", **dict(headers)}
        self.send(b"HTTP/1.1 %d Status\r\ncontent-length: %d\r\n%s\r\n" % (
            status, len(body), b"".join(
                b"%s: %s\r\n" % (k.encode(), v.encode())
                for k, v in fields.items())) + body)

    def begin(self, headers=()):
        """The head of an event stream."""
        fields = b"".join(b"%s: %s\r\n" % (k.encode(), v.encode())
                          for k, v in dict(headers).items())
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                  b"transfer-encoding: chunked\r\n%s\r\n" % fields)

    def chunk(self, data):
        if data:
            self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, value):
        """An event: a text delta, or any JSON value."""
        if isinstance(value, str):
            value = delta(value)
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def done(self, finish="stop", usage=None):
        if finish:
            self.event(delta("", finish))
        if usage is None:
            usage = self.json.get("stream_options", {}).get("include_usage")
        if usage:
            self.event({"id": "c1", "object": "chat.completion.chunk",
                        "choices": [], "usage": USAGE})
        self.chunk(b"data: [DONE]\n\n")
        self.send(b"0\r\n\r\n")

    def close(self):
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def reset(self):
        """End with RST instead of FIN, once the behaviour returns."""
        self.closed = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))

    def gone(self, seconds=PATIENCE):
        """Wait until leme closes; when, by time.monotonic(). Ends the call."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        except socket.timeout:
            raise Wrong("leme keeps the upstream connection") from None
        finally:
            try:
                self.sock.settimeout(None)
            except OSError:
                pass
        self.left = time.monotonic()
        self.closed = True
        return self.left


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def delta(text, finish=None):
    choice = {"index": 0, "delta": {"content": text} if text else {},
              "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1,
            "model": "x", "choices": [choice]}


def completion(text):
    return {"id": "c1", "object": "chat.completion", "created": 1,
            "model": "x", "usage": USAGE,
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": text}}]}


# -- behaviours ----------------------------------------------------------------

def says(text="hi", headers=()):
    """A good answer: whole, or streamed word by word when asked to."""
    def behave(call):
        if call.json.get("stream"):
            call.begin(headers)
            for word in re.findall(r"\S+\s*", text):
                call.event(word)
            call.done()
        else:
            call.reply(200, completion(text), headers)
    return behave


def fails(status, body=None, headers=()):
    def behave(call):
        call.reply(status, body if body is not None else
                   {"error": {"message": "provider says %d" % status}}, headers)
    return behave


def sends(data):
    """These bytes, then the end of the connection."""
    def behave(call):
        call.send(data)
        call.close()
    return behave


def resets(call):
    call.reset()


def silent(call):
    """Never a byte; waits for leme to give up."""
    call.gone()


def streams(*events, then=None):
    """These events; then ${then}(call)."""
    def behave(call):
        call.begin()
        for event in events:
            call.event(event)
        if then:
            then(call)
    return behave


# -- clients -------------------------------------------------------------------

def request(path, body=b"", headers=None, method="POST", version="1.1"):
    fields = {"host": "leme.test", "content-length": str(len(body))}
    if body:
        fields["content-type"] = "application/json"
    fields.update(headers or {})
    return ("%s %s HTTP/%s\r\n" % (method, path, version) + "".join(
        "%s: %s\r\n" % (k, v) for k, v in fields.items() if v is not None)
        + "\r\n").encode() + body


def chat(model="m", headers=None, **fields):
    """The bytes of a chat request."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    body.update(fields)
    return request("/v1/chat/completions", json.dumps(body).encode(), headers)


class Response:
    def __init__(self, status, headers, body, complete):
        self.status = status
        self.headers = headers
        self.body = body
        self.complete = complete    # ended as its framing says

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["x-request-id"]

    @property
    def events(self):
        """The data of each event."""
        return [e.split("data: ", 1)[1] for e in self.blocks
                if "data: " in e]

    @property
    def blocks(self):
        """Each event or comment."""
        return [b for b in self.body.decode().split("\n\n") if b]

    @property
    def text(self):
        """What the model said."""
        if self.headers.get("content-type", "").startswith("application/json"):
            return self.json["choices"][0]["message"]["content"]
        return text_of(self.events)

    @property
    def error(self):
        """The error type of a refusal."""
        return self.json["error"]["error_type"]

    @property
    def stream_errors(self):
        return [json.loads(e)["error"] for e in self.events
                if e != "[DONE]" and "error" in json.loads(e)]


def text_of(events):
    text = ""
    for event in events:
        if event == "[DONE]":
            continue
        for choice in json.loads(event).get("choices", ()):
            text += choice["delta"].get("content") or ""
    return text


def ends_with_one_error(response, text, error=None):
    """The stream says ${text}, then one error event in SDK form, then ends."""
    equal(response.status, 200, "status")
    check(response.complete, "the stream is cut without its last chunk")
    equal(text_of(response.events), text, "text before the error")
    equal(len(response.stream_errors), 1, "error events")
    equal(response.events[-1], "[DONE]", "last event")
    check("error" in json.loads(response.events[-2]),
          "the error event is not the last one", response.events)
    found = response.stream_errors[0]
    for field in ("message", "type", "code"):
        check(isinstance(found.get(field), str), "the error has no " + field,
              found)
    if error:
        equal(found["error_type"], error, "error type")


class Client:
    """One connection, read as the bytes come."""

    def __init__(self, address):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            self.sock = socket.socket()
            self.sock.connect((HOST, address))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(PATIENCE)
        self.data = bytearray()
        self.ended = False          # FIN or reset seen

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        """Read something; False at the end."""
        if self.ended:
            return False
        try:
            new = self.sock.recv(262144)
        except ConnectionError:
            new = b""
        except socket.timeout:
            raise Wrong("nothing came for %.1f s after %r" % (
                self.sock.gettimeout(), bytes(self.data[-200:]))) from None
        self.data += new
        self.ended = not new
        return not self.ended

    def until(self, mark):
        """Read until ${mark} is here."""
        while mark not in self.data:
            if not self.more():
                raise Wrong("the end came before %r: %r"
                            % (mark, bytes(self.data[-300:])))

    def take(self, mark):
        self.until(mark)
        end = self.data.index(mark) + len(mark)
        taken = bytes(self.data[:end])
        del self.data[:end]
        return taken

    def head(self):
        head = self.take(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for field in head[1:]:
            if field:
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
        check(re.match(r"HTTP/1\.1 \d{3} ", head[0]), "not a status line",
              head[0])
        return int(head[0].split()[1]), headers

    def response(self):
        """The next final response, read to its end."""
        status, headers = self.head()
        while status < 200:
            status, headers = self.head()
        body, complete = self._body(status, headers)
        return Response(status, headers, body, complete)

    def _body(self, status, headers):
        if status in (204, 304):
            return b"", True
        if headers.get("transfer-encoding") == "chunked":
            return self._chunked()
        if "content-length" in headers:
            size = int(headers["content-length"])
            while len(self.data) < size and self.more():
                pass
            body = bytes(self.data[:size])
            del self.data[:size]
            return body, len(body) == size
        while self.more():
            pass
        body = bytes(self.data)
        self.data.clear()
        return body, True

    def _chunked(self):
        body = bytearray()
        while True:
            while b"\r\n" not in self.data:
                if not self.more():
                    return bytes(body), False
            size = int(bytes(self.data).split(b"\r\n", 1)[0], 16)
            start = self.data.index(b"\r\n") + 2
            while len(self.data) < start + size + 2:
                if not self.more():
                    return bytes(body), False
            body += self.data[start:start + size]
            del self.data[:start + size + 2]
            if size == 0:
                return bytes(body), True

    def at_end(self, seconds=PATIENCE):
        """Wait for the connection's end; False when it stays open."""
        self.sock.settimeout(seconds)
        try:
            while self.more():
                pass
            return True
        except Wrong:
            return False

    def finish(self):
        """FIN: nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


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
                    if not f.filename.endswith("lib.py")][-1]
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
