# SPDX-License-Identifier: Apache-2.0
"""peers: who is measured, and how each is started: one worker on one core."""

import json
import os
import re
import resource
import shutil
import subprocess

import rig as rigs

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODULES = "/usr/lib/nginx/modules"
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
POLICIES = ("weighted.lua", "passthrough.lua")
STAMP = re.compile(rb"b!\d{6}!\d{16}!\d{16}!|fp_[0-9a-f]{16}")


class Peer:
    """One that is measured."""

    def __init__(self, name, port, process, rewrites=False, verbatim=True,
                 headers=(), folder=None):
        self.name, self.port, self.process = name, port, process
        self.rewrites = rewrites    # puts the target's model into the body
        self.verbatim = verbatim    # apart from that, the same bytes
        self.headers = list(headers)
        self.folder = folder
        self.edits = 0

    def pids(self):
        return rigs.tree(self.process.pid)

    def headers_dict(self):
        pairs = (line.split(": ", 1) for line in self.headers)
        return {"Content-Type": "application/json", **dict(pairs)}

    def stop(self):
        self.process.stop()

    def tidy(self):
        """Empty the access log: a whole run would write a gigabyte."""
        log = os.path.join(self.folder or "", "access.log")
        if os.path.exists(log):
            os.truncate(log, 0)

    def policy_file(self):
        """The file that a reload changes; None when it has none."""
        path = os.path.join(self.folder or "", "policies", "weighted.lua")
        return path if os.path.exists(path) else None

    def write_edits(self, count):
        """Other versions of that file, written aside; their paths."""
        policy = self.policy_file()
        if not policy:
            return []
        with open(policy, encoding="utf-8") as f:
            text = f.read().split("-- edit ")[0]
        folder = os.path.join(self.folder, "edits")
        os.makedirs(folder, exist_ok=True)
        paths = [os.path.join(folder, f"{n}.lua") for n in range(count)]
        for path in paths:
            self.edits += 1
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"{text}-- edit {self.edits}\n")
        return paths


def render(rig, template, name, values):
    """Fill a template into a folder of its own; the path of the result."""
    folder = os.path.join(rig.work, name)
    os.makedirs(folder, exist_ok=True)
    values = {"DIR": folder, "MOCK": f"{rigs.HOST}:{rig.mock_port}",
              "MOCK_HOST": rigs.HOST, "MOCK_PORT": rig.mock_port,
              "MODULES": MODULES, "FILES": FILES, "STREAMS": min(16384, FILES // 2 - 200),
              "USER": "user root;" if os.geteuid() == 0 else "", **values}
    with open(os.path.join(HERE, "peers", template), encoding="utf-8") as f:
        text = re.sub(r"@([A-Z_]+)@", lambda m: str(values[m.group(1)]), f.read())
    path = os.path.join(folder, template.removesuffix(".in"))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def need(*programs):
    for each in programs:
        if not shutil.which(each):
            raise rigs.Trouble(f"{each} is not installed")


def launch(rig, name, command, port, core=None, **more):
    process = rig.start(command, rig.peer_core if core is None else core, name, **more)
    process.wait_listening(port)
    return process


def start_nginx(rig, name="nginx", template="nginx.conf.in", core=None, **peer):
    need("nginx")
    port = rigs.free_port()
    conf = render(rig, template, name, {"LISTEN": f"{rigs.HOST}:{port}"})
    folder = os.path.dirname(conf)
    command = ["nginx", "-p", folder, "-e", os.path.join(folder, "error.log"), "-c", conf]
    return Peer(name, port, launch(rig, name, command, port, core), folder=folder, **peer)


def start_nginx_lua(rig, name="nginx_lua"):
    for module in ("ndk_http_module.so", "ngx_http_lua_module.so"):
        if not os.path.exists(os.path.join(MODULES, module)):
            raise rigs.Trouble(f"nginx has no {module}")
    return start_nginx(rig, name, "nginx_lua.conf.in", rewrites=True, verbatim=False)


def start_haproxy(rig, name="haproxy"):
    need("haproxy")
    port = rigs.free_port()
    conf = render(rig, "haproxy.cfg.in", name, {"LISTEN": f"{rigs.HOST}:{port}"})
    process = launch(rig, name, ["haproxy", "-db", "-f", conf], port)
    return Peer(name, port, process, folder=os.path.dirname(conf))


def install_portkey(rig):
    """npm ci into the build folder, once a version; the folder."""
    need("node", "npm")
    folder = os.path.join(rig.build, "bench-node")
    stamp = os.path.join(folder, "installed.json")
    with open(os.path.join(HERE, "package-lock.json"), encoding="utf-8") as f:
        lock = f.read()
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as f:
            if f.read() == lock:
                return folder
    os.makedirs(folder, exist_ok=True)
    for each in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, each), folder)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                          cwd=folder, capture_output=True, timeout=300, check=False)
    if done.returncode:
        raise rigs.Trouble("npm ci: " + done.stderr.decode(errors="replace").strip()[-300:])
    with open(stamp, "w", encoding="utf-8") as f:
        f.write(lock)
    return folder


def start_portkey(rig, name="portkey"):
    folder = install_portkey(rig)
    port = rigs.free_port()
    script = os.path.join(folder, "node_modules", "@portkey-ai", "gateway", "build",
                          "start-server.js")
    command = ["node", "--require", os.path.join(HERE, "peers", "loopback.cjs"), script,
               f"--port={port}", "--headless"]
    process = launch(rig, name, command, port, env={"NODE_ENV": "production"}, cwd=folder)
    headers = ["x-portkey-provider: openai",
               f"x-portkey-custom-host: http://{rigs.HOST}:{rig.mock_port}/v1"]
    return Peer(name, port, process, verbatim=False, headers=headers)


def anthropic_headers(rig):
    """For Portkey to take the mock for Anthropic."""
    return ["x-portkey-provider: anthropic", "authorization: Bearer sk-bench-provider",
            f"x-portkey-custom-host: http://{rigs.HOST}:{rig.mock_port}/v1"]


def start_tls(rig):
    """nginx on the rig's core that gives the mock a TLS address; port, CA."""
    need("nginx", "openssl")
    folder = os.path.join(rig.work, "tls")
    os.makedirs(folder, exist_ok=True)
    cert = os.path.join(folder, "cert.pem")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{rigs.HOST}",
         "-keyout", os.path.join(folder, "key.pem"), "-out", cert],
        capture_output=True, check=False)
    if done.returncode:
        raise rigs.Trouble("openssl: " + done.stderr.decode(errors="replace").strip()[-200:])
    return start_nginx(rig, "tls", "tls.conf.in", rig.core), cert


def start_leme(rig, name="leme", workers=1, tls=None, stand_in=False, under=()):
    """leme itself; the only place that knows how it is started. ${tls} is what
    start_tls answered, ${under} a command that runs it. The stand-in serves to
    test this benchmark."""
    if stand_in:
        return start_nginx_lua(rig, name)
    binary = os.path.join(rig.build, "leme")
    if not os.path.exists(binary):
        raise rigs.Trouble(f"{os.path.relpath(binary)} is not built")
    port = rigs.free_port()
    conf = render(rig, "leme.lua.in", name, {
        "LISTEN": f"{rigs.HOST}:{port}", "WORKERS": workers,
        "TLS": f"{rigs.HOST}:{tls[0].port}" if tls else f"{rigs.HOST}:1",
        "CA": tls[1] if tls else "/etc/ssl/certs/ca-certificates.crt"})
    folder = os.path.dirname(conf)
    policies = os.path.join(folder, "policies")
    os.makedirs(policies, exist_ok=True)
    for each in POLICIES:
        shutil.copy(os.path.join(ROOT, "policies", each), policies)
    shutil.copy(os.path.join(HERE, "peers", "prompt_walk.lua"), policies)
    process = launch(rig, name, [*under, binary, "run", conf, "--workers", str(workers)], port,
                     env={"BENCH_KEY": "sk-bench-provider"}, cwd=folder)
    return Peer(name, port, process, rewrites=True, folder=folder)


# -- parity -------------------------------------------------------------------

def masked(answer):
    return STAMP.sub(b"*", answer)


def without_model(body):
    doc = json.loads(body)
    doc.pop("model", None)
    return doc


def check_request(peer, sent, got, what):
    """What reached the mock is what the client sent, but for the model."""
    if without_model(sent) != without_model(got):
        raise rigs.Trouble(f"{what}: the body changed on its way up")
    model = json.loads(got).get("model")
    before = json.loads(sent)["model"]
    if peer.rewrites and model not in ("model-one", "model-two"):
        raise rigs.Trouble(f"{what}: the model is {model!r}, not a target's")
    if not peer.rewrites and model != before:
        raise rigs.Trouble(f"{what}: the model became {model!r}")
    if peer.verbatim and got.replace(f'"{model}"'.encode(), f'"{before}"'.encode(), 1) != sent:
        raise rigs.Trouble(f"{what}: the bytes changed on their way up")


def check_parity(rig, peer, models=("fast",)):
    """The same request through ${peer} as without it; Trouble when not."""
    rig.set(remember=1)
    for model in models:
        for size, stream in ((1024, False), (100 * 1024, False), (1024, True)):
            what = f"{model}, {size} bytes{', stream' if stream else ''}"
            with open(rig.body(model, size, stream), "rb") as f:
                sent = f.read()
            direct = rigs.ask(rig.mock_port, "POST", rigs.CHAT, sent)[2]
            status, _, answer = rigs.ask(peer.port, "POST", rigs.CHAT, sent,
                                         peer.headers_dict())
            if status != 200:
                raise rigs.Trouble(f"{what}: answered {status}: {answer[:200]!r}")
            check_request(peer, sent, rigs.ask(rig.mock_port, "GET", "/bench/last")[2], what)
            if stream and masked(answer) != masked(direct):
                raise rigs.Trouble(f"{what}: the stream changed on its way down")
            if not stream and (without_model(masked(answer)) !=
                               without_model(masked(direct))):
                raise rigs.Trouble(f"{what}: the answer changed on its way down")
    rig.set()
