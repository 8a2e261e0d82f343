# SPDX-License-Identifier: Apache-2.0
"""measures: what is measured, each a function of one Bench.

A function puts its samples into bench.samples and judges with bench.judge().
All rounds are interleaved, in a fresh random order each.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time

import peers
import rig as rigs

CONNECTIONS = 32
LATENCY_CONNECTIONS = 64
BUSY_SHARE = 0.8        # of its core; below, the rig was the limit
RIG_FACTOR = 2.5        # direct capacity over the rate that is offered
LARGE = 100 * 1024
LATENCY_SLICES = 8      # shorter: a machine's own stalls spoil fewer of them
RELOAD_GAP = 0.1        # seconds
RELOAD_ROUND = 0.2      # seconds: two reloads, and seldom a stall of the machine
RELOAD_PAIRS = 30       # of a quiet and a reloading round, for each round of the rest
LATE_SHARE = 0.2        # of the usual p99 of the quiet ones
SLICES = 4              # of a round, where contenders differ by less than a machine
                        # drifts between them


class Withheld(Exception):
    """A figure that must not be printed; the text says why."""


# -- figures ------------------------------------------------------------------

def median(values):
    return statistics.median(values)


def interval(values, tries=2000):
    """The bootstrap 95 % interval of a median."""
    dice = random.Random(1)
    medians = sorted(median(dice.choices(values, k=len(values))) for _ in range(tries))
    return medians[int(tries * 0.025)], medians[int(tries * 0.975)]


def paired(a, b, combine):
    """combine(a, b) of each round in which both are valid."""
    both = [combine(x, y) for x, y in zip(a, b) if x is not None and y is not None]
    if len(both) * 2 < len(a) or not both:
        return None
    return both


def ratio(x, y):
    return x / y


def figure(bench, name, key):
    """A contender's per-round values; Withheld says why there are none."""
    if name in bench.absent:
        raise Withheld(bench.absent[name])
    values = bench.samples.get(key, {}).get(name)
    if not values:
        raise Withheld("not measured")
    valid = [v for v in values if v is not None]
    if len(valid) * 2 < len(values) or not valid:
        raise Withheld(bench.reasons.get((key, name), "no valid round"))
    return values


def judge_pair(bench, what, key, mine, theirs, combine=ratio, **limits):
    """A criterion on two contenders' paired rounds."""
    try:
        values = paired(figure(bench, mine, key), figure(bench, theirs, key), combine)
        if not values:
            raise Withheld("too few rounds in which both are valid")
        bench.judge(what, median(values), span=interval(values), **limits)
    except Withheld as e:
        bench.withhold(what, str(e), **limits)


def note(bench, key, name, value, why=None):
    """Add one round's value of a contender; None, with the reason, if invalid."""
    bench.samples.setdefault(key, {}).setdefault(name, []).append(value)
    if value is None:
        bench.reasons[key, name] = why


def rounds(bench, names, slices=1):
    """Each round's contenders in a random order; those absent are left out."""
    present = [n for n in names if bench.is_present(n)]
    for _ in range(bench.rounds * slices):
        for peer in bench.peers.values():
            peer.tidy()
        order = present[:]
        bench.dice.shuffle(order)
        yield order


# -- CPU a request ------------------------------------------------------------

# A contender of the CPU rounds: whose process, and which model of it.
CPU_RUNS = {"leme": ("leme", "fast"), "leme plain": ("leme", "plain"),
            "leme walk": ("leme", "walk"), "nginx": ("nginx", "fast"),
            "nginx_lua": ("nginx_lua", "fast"), "haproxy": ("haproxy", "fast"),
            "portkey": ("portkey", "fast")}


def saturate(bench, peer, body, connections, slices):
    """One closed loop; CPU in microseconds a request, and the report."""
    pids = peer.pids()
    report = bench.rig.load(peer.port, body, peer.headers, connections=connections,
                            warmup=bench.warmup / slices ** 0.5, seconds=bench.seconds / slices,
                            watch=",".join(map(str, pids)))
    done = report["completed"]
    return report["watched_cpu_s"] * 1e6 / done if done else 0.0, report


def note_saturated(bench, key, name, peer, body, connections=CONNECTIONS, slices=1):
    cpu, report = saturate(bench, peer, body, connections, slices)
    share = report["watched_cpu_s"] / report["seconds"]
    note(bench, key + " share", name, share)
    if report["failed"] or not report["completed"]:
        note(bench, key, name, None, f"{report['failed']} requests failed")
        return None
    if share < BUSY_SHARE:
        why = f"rig-limited: used {share:.0%} of its core"
        note(bench, key, name, None, why)
        note(bench, key + " rate", name, None, why)
        return None
    note(bench, key, name, cpu)
    note(bench, key + " rate", name, report["per_second"])
    return report


def measure_direct(bench):
    report = bench.rig.load(bench.rig.mock_port, bench.rig.body("fast"),
                            connections=CONNECTIONS, warmup=bench.warmup / SLICES ** 0.5,
                            seconds=bench.seconds / SLICES)
    note(bench, "cpu rate", "direct", report["per_second"])


def cpu(bench):
    bench.rig.set()
    names = ["direct", *(n for n, (p, _) in CPU_RUNS.items() if p in bench.peers)]
    for order in rounds(bench, names, SLICES):
        for name in order:
            if name == "direct":
                measure_direct(bench)
                continue
            peer, model = CPU_RUNS[name]
            note_saturated(bench, "cpu", name, bench.peers[peer], bench.rig.body(model),
                           slices=SLICES)
    judge_pair(bench, "CPU per request / nginx + Lua doing the same", "cpu",
               "leme", "nginx_lua", must=1.0, aim=0.85)
    judge_pair(bench, "CPU per request / HAProxy plain proxy", "cpu",
               "leme", "haproxy", must=1.8, aim=1.5)
    judge_pair(bench, "CPU per request / Portkey", "cpu",
               "leme", "portkey", must=1 / 40, aim=None)
    judge_pair(bench, "CPU per request, prompt read and fallback list / passthrough",
               "cpu", "leme walk", "leme plain", must=1.25, aim=None)


# -- translation --------------------------------------------------------------

TOKENS = 64             # chunks of a translated stream, one token each
MANY_TOKENS = 1024      # of a long one: what a token costs is the difference
TOKEN_GAP = 2000        # microseconds between them where they are paced


def translated(bench, name):
    """What to send to a contender, and with which headers."""
    peer = bench.peers[name]
    if name == "leme":
        return peer, bench.rig.body("translated", stream=True), peer.headers
    return peer, bench.rig.body("model-one", stream=True), peers.anthropic_headers(bench.rig)


def translate_once(bench, name, connections, tokens=TOKENS, **knobs):
    """CPU of a request whose stream is translated (HAProxy relays one that needs no
    translation); None and why."""
    if name == "haproxy":
        peer, body, headers = bench.peers[name], bench.rig.body("model-one", stream=True), []
    else:
        peer, body, headers = translated(bench, name)
    bench.rig.set(format=int(name != "haproxy"), chunks=tokens, **knobs)
    report = bench.rig.load(peer.port, body, headers, connections=connections,
                            warmup=bench.warmup, seconds=bench.seconds,
                            watch=",".join(map(str, peer.pids())))
    done, stream = report["completed"], report["stream"]
    if report["failed"] or not done:
        return None, f"{report['failed']} requests failed"
    if stream["lost"] or stream["chunks"] < stream["streams"] * tokens:
        return None, f"{stream['lost']} of {stream['chunks']} tokens lost"
    return report["watched_cpu_s"] * 1e6 / done, None


def note_tokens(bench, name):
    """A request with few tokens, and what each of many more adds."""
    short, why = translate_once(bench, name, CONNECTIONS)
    note(bench, "translated", name, short, why)
    long, why_not = translate_once(bench, name, CONNECTIONS, MANY_TOKENS)
    why = why or why_not
    note(bench, "translated token", name,
         None if why else (long - short) / (MANY_TOKENS - TOKENS), why)


def note_paced(bench, name):
    cpu_us, why = translate_once(bench, name, 8, pace=TOKEN_GAP)
    note(bench, "paced token", name, None if why else cpu_us / TOKENS, why)


def translate(bench):
    """An OpenAI client's stream from a provider of Anthropic's format. At a pace that
    leaves the loop idle a token costs what waking up for it costs, whoever does it:
    HAProxy's mere relaying of as many tokens says how much that is."""
    for order in rounds(bench, ["leme", "portkey", "haproxy"]):
        for name in order:
            if name != "haproxy":
                note_tokens(bench, name)
            note_paced(bench, name)
    bench.rig.set()
    judge_pair(bench, f"Anthropic's stream for an OpenAI client, {TOKENS} tokens: CPU per request "
               "/ Portkey", "translated", "leme", "portkey", must=1 / 20, aim=None)
    judge_pair(bench, "The same, each token more: CPU / Portkey",
               "translated token", "leme", "portkey", must=1 / 20, aim=None)
    judge_pair(bench, "The same, one token every 2 ms, most of it waking up: CPU / Portkey",
               "paced token", "leme", "portkey", must=None, aim=None)
    judge_pair(bench, "One token every 2 ms through HAProxy, not translated: CPU / Portkey",
               "paced token", "haproxy", "portkey", must=None, aim=None)


def offered(bench, name, share):
    """So much of the requests a second that a contender can do, measured now if it
    was not before; Withheld when the rig alone is not RIG_FACTOR times as fast."""
    if not bench.samples.get("cpu rate", {}).get(name):
        bench.rig.set()
        peer, model = CPU_RUNS[name]
        note_saturated(bench, "cpu", name, bench.peers[peer], bench.rig.body(model))
    if not bench.samples["cpu rate"].get("direct"):
        measure_direct(bench)
    rate = share * median([v for v in figure(bench, name, "cpu rate") if v is not None])
    direct = median(bench.samples["cpu rate"]["direct"])
    if direct < RIG_FACTOR * rate:
        raise Withheld(f"rig-limited: {direct:.0f}/s without anyone between, "
                       f"{rate:.0f}/s offered")
    return rate


# -- big prompts --------------------------------------------------------------

def prompt(bench):
    """CPU of 100 KB on top of 1 KB, with the model rewritten."""
    bench.rig.set()
    for order in rounds(bench, ["leme", "nginx_lua"]):
        for name in order:
            peer = bench.peers[name]
            for key, size in (("prompt 1 KB", 1024), ("prompt 100 KB", LARGE)):
                note_saturated(bench, key, name, peer, bench.rig.body("fast", size), 16)
    for name in ("leme", "nginx_lua"):
        small, large = (bench.samples.get(k, {}).get(name, [])
                        for k in ("prompt 1 KB", "prompt 100 KB"))
        for s, l in zip(small, large):
            valid = s is not None and l is not None
            note(bench, "prompt", name, l - s if valid else None, "rig-limited")
    judge_one(bench, "CPU of a 100 KB prompt on top of 1 KB, model rewritten", "prompt",
              "leme", must=150, aim=None, unit="us")


def judge_one(bench, what, key, name, **limits):
    try:
        values = [v for v in figure(bench, name, key) if v is not None]
        bench.judge(what, median(values), span=interval(values), **limits)
    except Withheld as e:
        bench.withhold(what, str(e), **limits)


# -- system calls -------------------------------------------------------------

def traced(bench, peer, run):
    """System calls of ${peer} while run() lasts."""
    trace = rigs.Strace(bench.rig, peer.pids())
    try:
        result = run()
    finally:
        calls = trace.counts()
    return result, calls


def calls_a_unit(bench, peer, body, units, **options):
    """Calls a unit of work, the idle ones of the same time taken off."""
    report, busy = traced(bench, peer, lambda: bench.rig.load(
        peer.port, body, peer.headers, connections=1, **options))
    if report["failed"]:
        raise rigs.Trouble(f"{report['failed']} requests failed under strace")
    pause = threading.Event()
    _, idle = traced(bench, peer, lambda: pause.wait(report["seconds"]))
    return (sum(busy.values()) - sum(idle.values())) / units, busy


def syscalls(bench):
    """One request at a time, and one stream; the mock takes its time, so that
    waiting is real."""
    requests, chunks, wait = (300, 400, 5000) if not bench.quick else (200, 200, 2000)
    for name in ("leme", "nginx", "nginx_lua", "haproxy", "portkey"):
        if not bench.is_present(name):
            continue
        peer = bench.peers[name]
        try:
            bench.rig.set(ttft=wait)
            bench.rig.load(peer.port, bench.rig.body("fast"), peer.headers,
                           connections=1, requests=20)
            value, calls = calls_a_unit(bench, peer, bench.rig.body("fast"), requests,
                                        requests=requests)
            note(bench, "calls a request", name, value)
            bench.details[f"calls of {name}, {requests} requests"] = calls
            bench.rig.set(chunks=chunks, pace=wait)
            value, calls = calls_a_unit(bench, peer, bench.rig.body("fast", 1024, True), chunks,
                                        requests=1)
            note(bench, "calls a chunk", name, value)
            bench.details[f"calls of {name}, {chunks} chunks"] = calls
        except rigs.Trouble as e:
            note(bench, "calls a request", name, None, str(e))
            note(bench, "calls a chunk", name, None, str(e))
    bench.rig.set()
    judge_one(bench, "System calls per request, one at a time", "calls a request", "leme",
              must=9, aim=None)
    judge_one(bench, "System calls per streamed chunk", "calls a chunk", "leme",
              must=5, aim=None)


# -- latency ------------------------------------------------------------------

def open_loop(bench, port, body, rate, headers=(), slices=1):
    return bench.rig.load(port, body, headers, connections=LATENCY_CONNECTIONS,
                          rate=f"{rate:.0f}", poisson=bench.dice.randrange(1 << 30), spin=1,
                          warmup=bench.warmup / slices ** 0.5,
                          seconds=2 * bench.seconds / slices)


def trouble_of(report):
    """Why an open-loop report counts for nothing, or None."""
    if report["failed"]:
        return f"{report['failed']} requests failed"
    if report["late"]:
        return (f"generator late: p99 {report['late_us']['p99']:.0f} us of "
                f"{report['latency_us']['p99']:.0f} us")
    return None


def latency(bench):
    """Added latency at 70 % of what nginx + Lua can do: on the way up and on the
    way down, less the median of the same without anyone between."""
    what, limits = "Added p99 at 70 % of nginx + Lua's capacity / nginx + Lua", \
        {"must": 1.3, "aim": None}
    try:
        rate = offered(bench, "nginx_lua", 0.7)
    except (Withheld, KeyError) as e:
        bench.withhold(what, str(e), **limits)
        return
    bench.details["latency: requests a second"] = rate
    bench.rig.set()
    for order in rounds(bench, ["leme", "nginx_lua", "nginx", "haproxy"], LATENCY_SLICES):
        direct = open_loop(bench, bench.rig.mock_port, bench.rig.body("fast"), rate,
                           slices=LATENCY_SLICES)
        floor = direct["added_us"]["p50"]
        note(bench, "direct p99", "direct", direct["added_us"]["p99"])
        for name in order:
            peer = bench.peers[name]
            report = open_loop(bench, peer.port, bench.rig.body("fast"), rate, peer.headers,
                               LATENCY_SLICES)
            why = trouble_of(report)
            added = report["added_us"]
            for q in ("p50", "p99"):
                note(bench, f"added {q}", name, None if why else added[q] - floor, why)
    judge_pair(bench, what, "added p99", "leme", "nginx_lua", **limits)


# -- memory -------------------------------------------------------------------

def hold(bench, peer, body, streams):
    """Open streams that stay; KiB of resident memory a stream."""
    rig = bench.rig
    rig.set()
    rig.load(peer.port, rig.body("fast"), peer.headers, connections=8, requests=400)
    rig.set(chunks=3, pace=100000, hold=1)
    before = rigs.memory_kib(peer.pids(), "VmRSS")
    command = rig.load_command(peer.port, body, peer.headers, connections=streams, hold=3)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        guard = threading.Timer(rigs.LOAD_LIMIT, load.kill)
        guard.start()
        try:
            line = load.stdout.readline()
            ready = json.loads(line)["ready"] if line else 0
            after = rigs.memory_kib(peer.pids(), "VmRSS")
            rigs.ask(rig.mock_port, "POST", "/bench/release")
            rest = load.stdout.readline()
        finally:
            guard.cancel()
    report = json.loads(rest) if rest else {"failed": streams}
    rig.set()
    if ready != streams or report["failed"]:
        raise rigs.Trouble(f"{ready} of {streams} streams were live, "
                           f"{report['failed']} failed")
    return (after - before) / streams


def streams(bench):
    """Fresh processes: memory that was freed before would hide some."""
    count = 5000 if not bench.quick else 1000
    body = bench.rig.body("fast", 1024, True)
    starts = {"leme": bench.start_leme, "nginx": peers.start_nginx,
              "nginx_lua": peers.start_nginx_lua, "haproxy": peers.start_haproxy}
    for name, start in starts.items():
        if not bench.is_present(name):
            continue
        try:
            peer = start(bench.rig, name + "_streams")
            try:
                note(bench, "KiB a stream", name, hold(bench, peer, body, count))
            finally:
                peer.stop()
        except rigs.Trouble as e:
            note(bench, "KiB a stream", name, None, str(e))
    what = f"Resident memory per live stream, {count:,} streams, plain HTTP upstream"
    judge_one(bench, what, "KiB a stream", "leme", must=32, aim=None, unit="KiB")
    streams_tls(bench, count)


def streams_tls(bench, count):
    what = f"The same with TLS to the upstream, {count:,} streams"
    try:
        if not bench.is_present("leme"):
            raise rigs.Trouble(bench.absent.get("leme", "not measured"))
        tls = peers.start_tls(bench.rig)
        try:
            peer = bench.start_leme(bench.rig, "leme_tls", tls=tls)
            try:
                value = hold(bench, peer, bench.rig.body("tls", 1024, True), count)
            finally:
                peer.stop()
        finally:
            tls[0].stop()
        bench.judge(what, value, must=None, aim=None, unit="KiB")
    except rigs.Trouble as e:
        bench.withhold(what, str(e), must=None, aim=None, unit="KiB")


def idle(bench):
    what, limits = "Idle anonymous memory, 2 workers", {"must": 5, "aim": None, "unit": "MiB"}
    try:
        peer = bench.start_leme(bench.rig, "leme_idle", workers=2)
        try:
            value = rigs.memory_kib(peer.pids(), "RssAnon") / 1024
            bench.rig.set()
            bench.rig.load(peer.port, bench.rig.body("fast"), connections=8, requests=2000)
            bench.details["RssAnon after 2,000 requests, MiB"] = \
                rigs.memory_kib(peer.pids(), "RssAnon") / 1024
        finally:
            peer.stop()
        bench.judge(what, value, **limits)
    except rigs.Trouble as e:
        bench.withhold(what, str(e), **limits)


# -- reloads ------------------------------------------------------------------

class Reloads(threading.Thread):
    """Ten times a second a file that was written before is moved over the policy, and
    SIGHUP sent. A quiet one moves it where nobody looks and sends nothing, so that
    the rig has the same to do."""

    def __init__(self, peer, quiet):
        super().__init__()
        self.edits, self.done, self.count = peer.write_edits(10), threading.Event(), 0
        self.pid, self.signal = peer.process.pid, 0 if quiet else signal.SIGHUP
        self.place = peer.policy_file()
        if quiet and self.edits:
            self.place = os.path.join(os.path.dirname(self.edits[0]), "unread")

    def run(self):
        while not self.done.wait(RELOAD_GAP):
            if self.edits:
                os.replace(self.edits.pop(), self.place)
            os.kill(self.pid, self.signal)
            self.count += bool(self.signal)


def revision(peer, rig):
    with open(rig.body("fast"), "rb") as f:
        headers = rigs.ask(peer.port, "POST", rigs.CHAT, f.read(), peer.headers_dict())[1]
    return headers.get("x-leme-policy", "")


def reload_round(bench, peer, rate, quiet):
    before = revision(peer, bench.rig)
    thread = Reloads(peer, quiet)
    thread.start()
    try:
        report = bench.rig.load(peer.port, bench.rig.body("fast"), peer.headers,
                                connections=LATENCY_CONNECTIONS, rate=f"{rate:.0f}", spin=1,
                                poisson=bench.dice.randrange(1 << 30), warmup=RELOAD_GAP,
                                seconds=RELOAD_ROUND)
    finally:
        thread.done.set()
        thread.join()
    time.sleep(RELOAD_GAP)      # the last one is over before the next round
    bench.details["reloads"] = bench.details.get("reloads", 0) + thread.count
    changed = revision(peer, bench.rig) != before
    if "@" in before and changed == quiet:
        raise rigs.Trouble(f"a {'quiet' if quiet else 'reloading'} round began with {before}, "
                           f"which {'changed' if changed else 'stayed'}")
    return report


def note_reloads(bench, key, pairs):
    """p99 of pairs of reports, less that by which the generator was late in the quiet
    one: what both have would hide a difference between them. One bound for all, and
    for both of a pair: else those would be dropped that are quick."""
    quiet = median([p["quiet"]["latency_us"]["p99"] for p in pairs])
    for pair in pairs:
        late = max(r["late_us"]["p99"] for r in pair.values())
        why = None
        if late > LATE_SHARE * quiet:
            why = f"generator late: p99 {late:.0f} us where {quiet:.0f} us are usual"
        for kind, report in pair.items():
            own = report["latency_us"]["p99"] - pair["quiet"]["late_us"]["p99"]
            note(bench, key, kind, None if why or report["failed"] else own,
                 why or f"{report['failed']} requests failed")


def reload_rounds(bench, peer, rate):
    pairs = []
    for _ in range(bench.rounds * RELOAD_PAIRS):
        peer.tidy()
        kinds = bench.dice.sample(["quiet", "reloading"], 2)
        pairs.append({kind: reload_round(bench, peer, rate, kind == "quiet")
                      for kind in kinds})
    return pairs


def mean_ratio(bench, key, mine, theirs):
    """Of the means, in which single stalls count."""
    both = paired(bench.samples[key][mine], bench.samples[key][theirs], lambda x, y: (x, y))
    if not both:
        raise Withheld("too few rounds in which both are valid")
    return sum(x for x, _ in both) / sum(y for _, y in both)


def reload(bench):
    """p99 at half load with ten reloads a second over p99 without."""
    what, limits = "p99 at half load with 10 reloads a second / without", \
        {"must": 1.1, "aim": None}
    none_failed = "Requests that failed during reloads"
    try:
        peer = bench.start_leme(bench.rig, "leme_reload")
    except rigs.Trouble as e:
        bench.withhold(what, str(e), **limits)
        bench.withhold(none_failed, str(e), must=0, aim=None)
        return
    try:
        rate = offered(bench, "leme", 0.5)
        bench.rig.set()
        bench.details["reload: requests a second"] = rate
        pairs = reload_rounds(bench, peer, rate)
        note_reloads(bench, "reload p99", pairs)
        judge_pair(bench, what, "reload p99", "reloading", "quiet", **limits)
        bench.judge("The same of the means, in which single stalls count",
                    mean_ratio(bench, "reload p99", "reloading", "quiet"), must=None, aim=None)
        failed = sum(r["failed"] for pair in pairs for r in pair.values())
        bench.judge(none_failed, failed, must=0, aim=None)
    except (Withheld, rigs.Trouble, KeyError) as e:
        bench.withhold(what, str(e), **limits)
        bench.withhold(none_failed, str(e), must=0, aim=None)
    finally:
        peer.stop()


ALL = {"cpu": cpu, "translate": translate, "prompt": prompt, "syscalls": syscalls, "latency": latency,
       "streams": streams, "idle": idle, "reload": reload}
