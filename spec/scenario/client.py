# SPDX-License-Identifier: Apache-2.0
"""client: clients that see bytes, and what they can say of an answer."""

import json
import re
import socket
import struct

from checks import HOST, PATIENCE, Wrong, check, equal


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
        return events_of(self.body)

    @property
    def blocks(self):
        """Each event or comment."""
        return [b for b in self.body.decode("utf-8", "replace").split("\n\n")
                if b]

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
                if e.strip() != "[DONE]" and "error" in json.loads(e)]


def events_of(stream):
    """Data of the whole events, as the standard reads them."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    found, data = [], []
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        name, _, value = line.partition(":")
        if not line and data:
            found.append("\n".join(data))
            data = []
        elif name == "data":
            data.append(value.removeprefix(" "))
    return found


def text_of(events):
    text = ""
    for event in events:
        if event.strip() == "[DONE]":
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
