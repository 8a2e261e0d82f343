-- The frontier: which operations follow which event, in which order, and what
-- misuse is told. Run from the project's root: lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"

local SLOTS = { done = 0, give = 1 } -- beside the word; others are shown with two
local TARGETS = { "a/1", "b/2", "c/3" }

-- Drives step by hand: what the engine would do, one event at a time.
local function engine(source)
  local room = world.room { targets = TARGETS, services = { "facts" } }
  local _, policy = room.load('local leme = require "leme"\n' .. source)
  local host = room.require "leme.host"
  local req, plan = setmetatable({}, { __index = host.methods }), nil
  local hand = { room = room, policy = policy, req = req }
  local function said(used)
    local list = {}
    for i = 1, used, 6 do
      local words = {}
      for k = 0, SLOTS[room.driver.ops[i]] or 2 do
        words[#words + 1] = tostring(room.driver.ops[i + k])
      end
      list[#list + 1] = table.concat(words, " ")
    end
    -- Two short words: a call without limits, edits and flags; relay and be done.
    return (table.concat(list, "; "):gsub("%f[%a]try (%d)", "call %1")
      :gsub("%f[%a]give (%d)", "relay %1 false; done"))
  end
  function hand.step(event, ...) return said((room.driver.events[event](plan, ...))) end
  function hand.begin()
    local used
    used, plan = room.driver.events.begin(req, policy)
    return said(used)
  end
  function hand.ok(id) return hand.step("answered", id, true, "", 200, 0.1, nil, false, false) end
  function hand.fail(id, err, fallback)
    return hand.step("answered", id, false, err or "provider_overloaded", 503, 0.1, nil, true,
      fallback ~= false)
  end
  function hand.ended(id, err)
    return hand.step("ended", id, err or "", 1.5, "stop", 10, 5, nil, nil, 0.01, true, 20)
  end
  return hand
end

local function route(expression, more)
  return ('return leme.policy { name = "p", route = %s, %s }'):format(expression, more or "")
end

describe("step", function()
  it("calls, relays and is done when nobody wants to know the end", function()
    for _, source in ipairs { '"b/2"', 'function(req) return req:try "b/2" end',
      'leme.fallback { "b/2", "a/1" }', '{ "b/2" }' } do
      local hand = engine(route(source))
      assert.equal("call 1 2", hand.begin())
      assert.equal("relay 1 false; done", hand.ok(1))
    end
  end)

  it("runs the same plan objects again without mixing requests up", function()
    local hand = engine(route 'leme.fallback { "a/1", "b/2" }')
    for _ = 1, 5 do
      assert.equal("call 1 1", hand.begin())
      assert.equal("call 2 2", hand.fail(1))
      assert.equal("", hand.ended(1, "provider_overloaded"))
      assert.equal("relay 2 false; done", hand.ok(2))
    end
  end)

  it("relays the failed attempt when the route returns it", function()
    local hand = engine(route '"a/1"')
    hand.begin()
    assert.equal("relay 1 false; done", hand.fail(1, "provider_invalid_request", false))
  end)

  it("waits for the end when a hook wants it, then is done", function()
    local hand = engine('LOG = ""\n' .. route('"a/1"', [[
      attempted = function(t, a) LOG = LOG .. t.name .. (a.ok and "+" or "-") end,
      ended = function(req, a) LOG = LOG .. a.usage.total end]]))
    assert.equal("call 1 1", hand.begin())
    assert.equal("relay 1 false", hand.ok(1))
    assert.equal("done", hand.ended(1))
  end)

  it("fills in the ended answer for req:relay", function()
    local hand = engine(route [[function(req)
      local a = req:relay(req:try "a/1")
      leme.trace("cost", a.cost) leme.trace("finish", a.finish)
      return a
    end]])
    hand.begin()
    assert.equal("relay 1 true", hand.ok(1))
    assert.equal("done", hand.ended(1))
    assert.same({ "cost=0.01", "finish=\"stop\"" }, { hand.room.world.traces[1].key .. "="
      .. hand.room.world.traces[1].json, "finish=" .. hand.room.world.traces[2].json })
  end)

  it("hedges: wait, second call, cancel of the loser before the relay", function()
    local hand = engine(route 'leme.hedge({ "a/1", "b/2" }, { after = 0.5, share = 1 })')
    assert.equal("call 1 1; wait 2 0.5", hand.begin())
    assert.equal("call 3 2", hand.step("timer", 2))
    assert.equal("cancel 1 false; relay 3 false; done", hand.ok(3))
  end)

  it("ignores a timer whose wait is over", function()
    local hand = engine(route [[function(req)
      local h = req:start "a/1"
      req:await(h, 1)
      return req:try "b/2"
    end]])
    assert.equal("call 1 1; wait 2 1", hand.begin())
    assert.equal("call 3 2", hand.fail(1))
    assert.equal("", hand.step("timer", 2))
    assert.equal("relay 3 false; done", hand.ok(3))
  end)

  it("sleeps and fetches", function()
    local hand = engine(route [[function(req)
      leme.sleep(2)
      leme.fetch("facts", { query = "x" })
      return leme.respond("hello")
    end]])
    assert.equal("wait 1 2", hand.begin())
    assert.equal('fetch 2 facts', hand.step("timer", 1))
    assert.equal("reply 200 hello; done", hand.ok(2))
  end)

  it("refuses when a list is empty", function()
    for _, list in ipairs { "{}", "leme.fallback(function() return {} end)",
      "leme.weighted(function() return {} end)" } do
      local hand = engine(route("function(req) return req:try(" .. list .. ") end"))
      assert.matches("^reply 503 no target is left", hand.begin())
    end
  end)

  it("reads answers at the same places in every file", function()
    local places = world.room { targets = TARGETS }.require("leme.answer").PLACES
    local seen = 0
    for _, name in ipairs { "answer", "task", "walk", "request" } do
      local file = assert(io.open(world.ROOT .. "lua/leme/" .. name .. ".lua"))
      for names, numbers in file:read("a"):gmatch("local ([%u_<>const, ]+) = ([%d, ]+)\n") do
        local list = {}
        for number in numbers:gmatch("%d+") do list[#list + 1] = tonumber(number) end
        local i = 0
        for word in names:gmatch("([%u_]+) <const>") do
          i = i + 1
          local place = word:gsub("_OF$", ""):lower()
          if not names:find "BASE" and not names:find "FORCE" then
            assert.equal(place, places[list[i]])
            seen = seen + 1
          end
        end
      end
      file:close()
    end
    assert.is_true(seen > 40, seen)
  end)

  it("replies in the policy's own words", function()
    local hand = engine(route [[function()
      return leme.reject(429, "slow down", { retry_after = 3 }) end]])
    assert.equal("reply 429 slow down; done", hand.begin())
    assert.same({ ["retry-after"] = "3", ["retry-after-ms"] = "3000" }, hand.room.driver.ops[4])
    assert.equal("policy_rate_limited", hand.room.driver.ops[5])
  end)

  it("tells hooks once when the client leaves, and asks for nothing", function()
    local hand = engine(route('function(req) return req:try "a/1" end', [[
      attempted = function(_, a) leme.log(a.error) end,
      ended = function(_, a) leme.log("end " .. a.error) end]]))
    hand.begin()
    assert.equal("", hand.step("gone"))
    assert.same({ "info: caller_cancelled", "info: end caller_cancelled" }, hand.room.world.logs)
  end)

  it("counts an unsettled reservation as used when the client leaves", function()
    local hand = engine(route [[function(req)
      leme.shared.reserve("usd", 3, { limit = 10, window = 60 })
      return req:try "a/1"
    end]])
    hand.begin()
    hand.step("gone")
    assert.equal(3, hand.room.world.board["p/usd"].value)
    assert.equal(0, hand.room.world.board["p/usd"].reserved)
  end)

  it("filters events: keep, drop, replace", function()
    local hand = engine(route [[leme.filter("a/1", function(text)
      if text == "bad" then return "good" end
      if text == "gone" then return false end
    end)]])
    hand.begin()
    assert.is_true(hand.room.driver.ops[6].events)
    assert.equal("relay 1 false", hand.ok(1))
    local event = '{"choices":[{"delta":{"content":"%s"}}]}'
    assert.equal("pass 1 false", hand.step("item", 1, event:format "fine"))
    assert.equal("drop 1 false", hand.step("item", 1, event:format "gone"))
    assert.matches("replace 1 .*good", hand.step("item", 1, event:format "bad"))
    assert.equal("pass 1 false", hand.step("item", 1, "[DONE]"))
    assert.equal("done", hand.ended(1))
  end)

  it("runs routes that are functions side by side and drops the losers", function()
    local hand = engine(route [[leme.race {
      function(req) return req:try "a/1" end,
      function(req) return req:try "b/2" end }]])
    assert.equal("call 1 1; call 2 2", hand.begin())
    assert.equal("cancel 1 false; relay 2 false; done", hand.ok(2))
  end)

  it("keeps a shadow out of the way and out of the answer", function()
    local hand = engine(route 'leme.shadow("a/1", "b/2", { max_usd = 0.01 })')
    assert.equal("call 1 2; call 2 1", hand.begin())
    assert.equal("relay 2 false; done", hand.ok(2))
  end)

  it("passes one attempt's edits as an overlay, and limits as given", function()
    local hand = engine(route [[function(req)
      return req:with { max_tokens = 5 }:try("a/1", { first_token = 2 })
    end]])
    hand.room.world.flows[hand.req] = { overlays = {}, calls = {} }
    hand.begin()
    local ops = hand.room.driver.ops
    assert.same({ first_token = 2 }, ops[4])
    assert.equal(1, ops[5])
    assert.same({ max_tokens = 5 }, hand.room.world.flows[hand.req].overlays[1])
  end)

  it("runs policy.every by its interval", function()
    local hand = engine(route('"a/1"', 'every = { [60] = function() leme.log("b") end,'
      .. ' [10] = function() leme.log("a") end }'))
    local every = hand.room.driver.every(hand.policy)
    assert.equal(10, every[1][1])
    assert.equal(60, every[2][1])
    hand.room.driver.tick(hand.policy, 1)
    assert.same({ "info: a" }, hand.room.world.logs)
  end)
end)

-- Each row: a route, and what its author is told. Line 3 is the route's line.
local MISUSE = {
  { 'function(req) local a = req:try "a/l" return a end',
    'policies/spec.lua:3: unknown target "a/l"; did you mean "a/1"?' },
  { 'function(req) local a = req:try(7) return a end', "policies/spec.lua:3: expected a route" },
  { 'function(req) local a = req:try("a/1", 5) return a end', "policies/spec.lua:3: limits: expected a table" },
  { 'function(req) local a = req:try("a/1", { totl = 5 }) return a end', 'did you mean "total"?' },
  { 'function(req) local a = req:try("a/1", { total = -5 }) return a end', "positive number of seconds" },
  { "function(req) end", 'policies/spec.lua:3: policy_bad_result: policy "p" returned nil, ' },
  { "function(req) return { ok = true } end", "returned a table, expected an answer" },
  { "function(req) error({}) end", "raised a table, expected a message" },
  { "function(req) local x = nil; return x.y end", "policies/spec.lua:3: attempt to index a nil" },
  { 'function(req) local t = leme.target "b/3" return t end', 'unknown target "b/3"' },
  { 'function(req) local t = leme.target("b/2") t.weight = 3 return t end', 'cannot set "weight"' },
  { 'function(req) local t = leme.target("b/2").wieght return t end', 'no field "wieght"; did you mean "weight"' },
  { 'function(req) local x = leme.target("b/2"):ewma("latency", 3) return x end', "metric must be one of" },
  { 'function(req) local f = leme.fetch("fact", {}) return f end', 'unknown service the string "fact" (declared: facts); did you mean "facts"?' },
  { 'function(req) local a = leme.fallback { "a/1", 3 } return a end', "expected a route" },
  { 'function(req) leme.sleep(-1) end', "leme.sleep: expected seconds" },
  { 'function(req) local a = leme.hedge({ "a/1" }, { afer = 1 }) return a end', 'did you mean "after"?' },
  { 'function(req) local c = leme.cache() return c end', "leme.cache does not exist yet" },
  { 'function(req) coroutine.yield() end', "coroutine.yield was called outside" },
  { 'function(req) local c = coroutine.wrap(function() return req:try "a/1" end) c() return leme.respond("x") end',
    "inside a coroutine of the policy's own" },
  { 'function(req) local x = leme.reject(200, "x") return x end', "expected a status of 400 to 599" },
  { 'function(req) leme.shared.set("x", {}) end', "expected a number, boolean or string" },
  -- What a route may not come to.
  { 'function(req) local h = req:start "a/1" return h end',
    "policies/spec.lua:3: policy_bad_result: the route returned what req:start gave" },
  -- Options of what is not a combinator, misspelt.
  { 'function(req) local t = leme.pick.min(leme.targets(), function() return 1 end, { slac = 1 }) return t end',
    'policies/spec.lua:3: leme.pick.min: unknown option "slac" (expected slack); did you mean "slack"?' },
  { 'function(req) local t = leme.pick.min(leme.targets(), function() return 1 end, { slack = "x" }) return t end',
    "slack must be a share of at least 0, got the string" },
  { 'function(req) local t = leme.pick.hash(leme.targets(), nil) return t end', "leme.pick.hash: expected a key" },
  { 'function(req) local t = leme.pick.hash(leme.targets(), "k", { factor = 2 }) return t end',
    "leme.pick.hash: factor bounds the load" },
  { 'function(req) local x = leme.shared.take("x", 1, { rate = 1, brust = 2 }) return x end', 'did you mean "burst"?' },
  { 'function(req) local x = leme.shared.reserve("x", 1, { limit = 1, window = 1, tll = 2 }) return x end',
    'did you mean "ttl"?' },
  { 'function(req) leme.target("a/1"):eject { bas = 1 } end', 't:eject: unknown option "bas"' },
  { 'function(req) local a = req:relay(req:try "a/1", { resum = true }) return a end', 'did you mean "resume"?', "answers" },
  { 'function(req) local a = req:try("a/1", { keyy = "main" }) return a end', 'did you mean "key"?' },
  { 'function(req) local n = leme.target("a/1"):count("requests", 60) return n end',
    "metric must be one of attempt connect" },
  -- Refusals.
  { 'function(req) local a = leme.reject(429, "x", { retry_after = "soon" }) return a end',
    "policies/spec.lua:3: leme.reject: retry_after must be a number of seconds" },
  { 'function(req) local a = leme.reject(429, "x", { retry_after = -3 }) return a end',
    "retry_after must be a number of seconds, got the number -3" },
  { 'function(req) local a = leme.reject(403, "x", { headers = "a: b" }) return a end',
    "leme.reject: expected headers" },
  { 'function(req) local a = leme.respond(200, "x", { ["x-a"] = {} }) return a end',
    "leme.respond: headers are text = text, got x-a = a table" },
  { 'function(req) local a = leme.reject(403, "x", { headers = { ["x-a"] = "a\\r\\nb: c" } }) return a end',
    'policies/spec.lua:3: leme.reject: header "x-a" cannot be sent' },
  { 'function(req) local a = leme.respond(200, "x", { ["Content-Length"] = "9" }) return a end',
    'header "Content-Length" cannot be sent: the engine sends it' },
  -- The line is the policy's, also of what our own files or the engine raise.
  { 'function(req) leme.remove(nil, 1) end', "policies/spec.lua:3: " },
  { 'function(req) error("mine", 2) end', "policies/spec.lua:3: mine" },
  { 'leme.fallback(function(req) end)', "policies/spec.lua:3: expected a list of routes" },
  { 'leme.rewrite("a/1", function(req) end)', "policies/spec.lua:3: req:with: expected a table of fields" },
  { 'function(req) local l = { 2, 1 } table.sort(l, function(a, b) leme.sleep(1) return a < b end) end',
    "policies/spec.lua:3: a suspending call (req:try, leme.sleep, ...) was made where nothing can wait" },
}

-- What a service answers may not become the client's answer, however it comes there.
local FETCHED = 'function(r) return leme.fetch("facts", {}) end'
for _, expression in ipairs { FETCHED, 'leme.fallback { ' .. FETCHED .. ', "a/1" }',
  'function(req) return req:try(' .. FETCHED .. ') end' } do
  MISUSE[#MISUSE + 1] = { expression,
    "returned the answer of a service, expected an answer (req:try ...)", "answers" }
end

describe("misuse in a route", function()
  for i, row in ipairs(MISUSE) do
    it(("row %d: %s"):format(i, row[1]), function()
      local hand = engine('\n' .. route(row[1]))
      local ok, message = pcall(hand.begin)
      if row[3] then ok, message = pcall(hand.ok, 1) end
      assert.is_false(ok)
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end
end)

local BAD_FILES = {
  { "return 3", "policies/spec.lua: returned the number 3, expected leme.policy" },
  { 'return leme.policy { name = "p" }', "route is missing" },
  { 'return leme.policy { name = "p", rout = "a/1" }', 'unknown key "rout"' },
  { 'return leme.policy { name = "a b", route = "a/1" }', "name must be letters" },
  { 'local p = leme.policy { name = "p", route = "a/1", ended = 3 } return p', "ended must be a function" },
  { 'return leme.policy { name = "p", route = "x/9" }', 'unknown target "x/9"' },
  { 'local r = leme.fallback { "a/1", "b/7" } return r', 'policies/spec.lua:2: unknown target "b/7"' },
  { 'local r = leme.fallback {} return r', "the list of routes is empty" },
  { 'local x = leme.sleep(1) return x', "leme.sleep needs a request" },
  { 'local x = leme.shared.get "x" return x', "while a policy is loaded" },
  { 'return leme.policy { name = "p", route = "a/1", every = { [10] = 3 } }', "policy.every: expected" },
  { 'return leme.policy { name = "p", route = "model" }', 'use leme.targets("model")' },
}

-- Combinators: what they take, they say where they are built, not when a request
-- comes there.
for _, row in ipairs {
  { 'leme.retry(pair)', 'policies/spec.lua:2: leme.retry: expected a route (a target name, ' },
  { 'leme.limit(pair, { total = 1 })', "leme.limit: expected a route" },
  { 'leme.filter(pair, function() end)', "leme.filter: expected a route" },
  { 'leme.rewrite(pair, {})', "leme.rewrite: expected a route" },
  { 'leme.when(function() end)', "leme.when: expected a route" },
  { 'leme.shadow(pair, "a/1")', "leme.shadow: expected a route" },
  { 'leme.shadow("a/1", pair)', "leme.shadow: expected a route" },
  { 'leme.split { { 0.5, "a/1" }, { -0.5, "b/2" } }', "share must be from 0 to 1, got the number -0.5" },
  { 'leme.split({ { 1, "a/1" } }, { by = "x-user" })', 'by must be a function(req), got the string "x-user"' },
  { 'leme.hash({ "a/1" }, { by = "x-user" })', "policies/spec.lua:2: leme.hash: by must be a function(req)" },
  { 'leme.hash({ "a/1" }, { factor = "2" })', "factor must be a number of at least 1" },
  { 'leme.retry("a/1", { times = 0 })', "times must be a number of at least 1" },
  { 'leme.retry("a/1", { base = "x" })', "base must be a number of seconds" },
  { 'leme.fallback({ "a/1" }, { rest = "7" })', "rest must be a number of seconds" },
  { 'leme.fastest({ "a/1" }, { metric = "latency" })', "leme.fastest: metric must be one of connect" },
  { 'leme.fastest({ "a/1" }, { tau = 0 })', "tau must be a positive number" },
  { 'leme.cheapest({ "a/1" }, { output = "x" })', "output must be a number of tokens" },
  { 'leme.hedge({ "a/1" }, { share = "5%" })', "share must be between 0 and 1" },
  { 'leme.hedge({ "a/1" }, { after = "p95" })', "after must be a number of seconds or a function(req)" },
  { 'leme.shadow("a/1", "b/2", { max_usd = "1" })', "max_usd must be a number of US dollars" },
} do
  BAD_FILES[#BAD_FILES + 1] = { "local pair local r = " .. row[1] .. " return r, pair", row[2] }
end

describe("a bad policy file", function()
  for i, row in ipairs(BAD_FILES) do
    it(("row %d is refused: %s"):format(i, row[1]), function()
      local ok, message = pcall(engine, row[1])
      assert.is_false(ok)
      assert.truthy(message:find(row[2], 1, true), message)
    end)
  end
end)

describe("knobs", function()
  local SOURCE = [[local leme = require "leme"
    return leme.policy { name = "p", route = "a/1",
      knobs = { share = { default = 0.1, min = 0, max = 1 }, kind = "x" } }]]
  local function load(knobs)
    local room = world.room { targets = TARGETS }
    return select(2, room.load(SOURCE, knobs))
  end
  it("have the declaration's defaults under the configuration's values", function()
    assert.same({ share = 0.5, kind = "x" }, load({ share = 0.5 }).knobs)
  end)
  it("name key, value and remedy when they are wrong", function()
    assert.error_matches(function() load { shar = 1 } end, 'unknown knob "shar".*did you mean "share"')
    assert.error_matches(function() load { share = 2 } end, 'knob "share" is the number 2, expected 0')
    assert.error_matches(function() load { kind = 2 } end, 'knob "kind" is the number 2, expected a string')
  end)
end)

describe("hooks", function()
  it("may not suspend", function()
    local hand = engine(route('"a/1"', 'attempted = function() leme.sleep(1) end'))
    hand.begin() hand.ok(1)
    assert.error_matches(function() hand.ended(1) end, "leme.sleep may suspend and cannot be used in policy.attempted")
  end)
end)
