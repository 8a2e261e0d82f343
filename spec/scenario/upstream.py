# SPDX-License-Identifier: Apache-2.0
"""upstream: providers that do as they are told, byte for byte."""

import json
import re
import socket
import struct
import sys
import threading
import time

from checks import HOST, PATIENCE, Wrong

sys.set_int_max_str_digits(0)       # a client may send a number of any length


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
