#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Providers over TLS and proxies, and refusals that do not end."""

import os
import socket
import ssl
import threading

from lib import HOST, check, equal, main, promise, says

# Of 127.0.0.1, its own issuer, good until 2126.
PEM = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgab1qJNXPKlMFXoII
DgrU3+p0hW9LybrqzNxRU++/WimhRANCAAQSPKA6Myt5YRuH83tqqDx1xBq0OXzj
B6ccVztlWpELKCkIVQgsmDkev8VkEhUrm1LMNPE0JHJuNQ/V+yaV4vJN
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUbw1I5Iad7V1kl5XGMJH6vWHsLzMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjA3MTA1MFoYDzIxMjYxMDI5
MDcxMDUwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQSPKA6Myt5YRuH83tqqDx1xBq0OXzjB6ccVztlWpELKCkIVQgsmDke
v8VkEhUrm1LMNPE0JHJuNQ/V+yaV4vJNo2QwYjAdBgNVHQ4EFgQUis+JI+qZb93f
9eiculf1lNi6KIkwHwYDVR0jBBgwFoAUis+JI+qZb93f9eiculf1lNi6KIkwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IES7SZcfZbSYCjeZYTXVFlO4m9i9xr7IPu25qeU5zXwTAiBL0ji+6hyN6Vt4CesF
gHqi6R/Q5v148db/b1MtnbVEqQ==
-----END CERTIFICATE-----
"""
CHUNK = b"ea60\r\n" + b"x" * 60000 + b"\r\n"


def read_by(server):
    """Bytes it has read so far, of files and sockets."""
    with open("/proc/%d/io" % server.process.pid, encoding="ascii") as f:
        return int(f.readline().split()[1])


class Shakes:
    """Shakes hands, over and over, and closes."""

    def __init__(self, pem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.socket = socket.create_server((HOST, 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            try:
                self.context.wrap_socket(sock, server_side=True).close()
            except OSError:
                sock.close()

    def stop(self):
        self.socket.close()


@promise("a new TLS connection does not read the system's certificates again")
def certificates(w):
    pem = os.path.join(w.folder, "server.pem")
    with open(pem, "w", encoding="ascii") as f:
        f.write(PEM)
    up = Shakes(pem)
    w.made.append(up)
    server = w.leme('provider "t" { base = "https://%s:%d/v1", '
                    'key = "sk-t-key-000" }\nmodel "m" { "t/x" }\n'
                    "settings { workers = 1 }" % (HOST, up.port))
    equal(server.chat().error, "provider_tls", "error")
    before = read_by(server)
    for _ in range(20):
        equal(server.chat().error, "provider_tls", "error")
    read = (read_by(server) - before) / 20
    check(read < 32768, "one reads %d bytes" % read)


def endless(head):
    def behave(call):
        call.send(b"HTTP/1.1 " + head + b"\r\ntransfer-encoding: chunked\r\n"
                  b"content-type: text/html\r\n\r\n")
        call.closed = True
        call.sock.settimeout(10)
        while True:
            call.send(CHUNK)
    return behave


@promise("a refusal whose body does not end is a refusal all the same, and the "
         "next target answers")
def endless_refusal(w):
    for head, kinds in ((b"503 Busy", (False, True)), (b"200 OK", (True,))):
        server = w.leme("settings { total_timeout = 5 }",
                        a=w.upstream(endless(head)), b=w.upstream(says("here")))
        for stream in kinds:
            equal(server.chat(stream=stream).text, "here", "text")


@promise("a side call's answer that does not end is an error of the service")
def endless_service(w):
    up = w.upstream(endless(b"200 OK"))
    server = w.leme('''
service "facts" { base = "http://%s:%d/" }
model "m" { policy = "p.lua", default_route = { "a/x" } }
settings { total_timeout = 5 }
''' % (HOST, up.port), {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local found = leme.fetch("facts", "{}")
    return leme.respond(found.ok and "found" or found.error)
  end,
}
'''}, a=w.upstream(says("never")))
    equal(server.chat().text, "provider_bad_response", "text")


@promise("a proxy that wants a password is no mistake of the caller: the next "
         "target answers")
def proxy_password(w):
    def refuses(call):
        call.reply(407, b"", {"proxy-authenticate": "basic realm=x"})

    proxy, far = w.upstream(refuses), w.upstream(says("far"))
    server = w.leme('provider "p" { base = "http://%s:%d/v1", '
                    'key = "sk-p-key-000", proxy = "http://%s:%d" }\n'
                    'model "m" { "p/x", "b/x" }\nmodel "n" { "p/x" }'
                    % (HOST, far.port, HOST, proxy.port),
                    b=w.upstream(says("here")))
    equal(server.chat().text, "here", "text")
    answer = server.chat("n")
    equal(answer.status, 502, "status")
    equal(answer.error, "provider_connect", "error")


if __name__ == "__main__":
    main()
