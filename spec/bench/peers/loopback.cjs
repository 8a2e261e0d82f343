// SPDX-License-Identifier: Apache-2.0
// Loaded before Portkey's gateway, which has no option for it: servers listen
// on the loopback address only.
"use strict";
const net = require("net");
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== "number") return listen.call(this, port, ...rest);
  return listen.call(this, { port, host: "127.0.0.1", backlog: 511 },
    ...rest.filter((each) => typeof each === "function"));
};
