// SPDX-License-Identifier: Apache-2.0
// upstream: a provider on loopback that does as it is told. A behaviour is a
// function of one call; it answers, streams, cuts or stays silent.
import http from "node:http";
import { once } from "node:events";

// One request that leme made.
export class Call {
  constructor(request, response, raw) {
    this.path = request.url;
    this.method = request.method;
    this.headers = request.headers;
    this.raw = raw;
    this.body = raw.length > 0 ? JSON.parse(raw.toString("utf8")) : null;
    this.response = response;
    // Settled when the connection has gone before the answer was complete.
    this.left = new Promise((done) => {
      response.on("close", () => { if (!response.writableFinished) done(); });
    });
  }

  json(status, value, headers = {}) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const type = typeof value === "string" ? "text/html" : "application/json";
    this.response.writeHead(status, { "content-type": type, ...headers });
    this.response.end(text);
  }

  begin(headers = {}) {
    this.response.writeHead(200, { "content-type": "text/event-stream", ...headers });
  }

  event(value) {
    this.bytes(`data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`);
  }

  bytes(data) {
    this.response.write(data);
  }

  end() {
    this.response.end();
  }

  // Everything written so far has been handed to the kernel.
  async flushed() {
    await new Promise((done) => this.response.write("", done));
  }

  cut() {
    this.response.destroy();
  }
}

export class Upstream {
  constructor(behaviour) {
    this.behaviour = behaviour;
    this.calls = [];
    this.faults = [];
    this.watchers = [];
    this.server = http.createServer((request, response) => this.#take(request, response));
  }

  static async start(behaviour) {
    const up = new Upstream(behaviour);
    up.server.listen(0, "127.0.0.1");
    await once(up.server, "listening");
    up.port = up.server.address().port;
    return up;
  }

  async #take(request, response) {
    response.on("error", () => {});     // a client that has left
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const call = new Call(request, response, Buffer.concat(parts));
      this.calls.push(call);
      this.watchers = this.watchers.filter((w) => this.calls.length < w.n || w.done());
      await this.behaviour(call, this.calls.length);
    } catch (e) {
      if (e.code !== "ECONNRESET") this.faults.push(e);
      response.destroy();
    }
  }

  // Settled with the ${n}th call once it is here.
  async called(n = 1) {
    if (this.calls.length < n)
      await new Promise((done) => this.watchers.push({ n, done }));
    return this.calls[n - 1];
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
    return this.faults;
  }
}
