-- A target whose provider has several keys: who takes turns, which key rests for
-- what, and what a policy sees of it.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"
local path = world.path

local TARGETS = { { name = "a/1", keys = { "main", "spare" } },
  { name = "a/2", keys = { "main", "spare" } }, { name = "b/1" } }

local DOWN = { error = "provider_overloaded", status = 503 }
local REFUSED = { error = "provider_auth", status = 401 }
local LIMITED = { error = "provider_rate_limited", status = 429, retry_after = 20 }

local function setup(expression, seed)
  local room = world.room { targets = TARGETS, seed = seed }
  return room.route(expression), room
end

local function state(room, name) return room.leme.target(name).state end

describe("several keys", function()
  it("take turns", function()
    local w = setup '"a/1"'
    assert.equal("a/1#main", path(w:request()))
    assert.equal("a/1#spare", path(w:request()))
    assert.equal("a/1#main", path(w:request()))
  end)

  it("go on to the next when one is refused, in the same attempt of the route", function()
    for _, expression in ipairs { '"a/1"', '{ "a/1" }', 'leme.fallback { "a/1", "b/1" }',
      'function(req) return req:try "a/1" end',
      'function(req) return req:try("a/1", { total = 5 }) end',
      'function(req) return (req:await(req:start "a/1")) end',
      'leme.hedge { "a/1", "b/1" }', 'leme.race { "a/1" }' } do
      local w = setup(expression)
      w:script("a/1#main", REFUSED)
      local r = w:request()
      assert.equal("a/1#main a/1#spare", path(r), expression)
      assert.is_true(r.ok, expression)
    end
  end)

  it("rest everywhere when refused or out of credit, and only they", function()
    for _, err in ipairs { "provider_auth", "provider_billing", "provider_quota_exhausted" } do
      local w, room = setup '"a/1"'
      w:script("a/1#main", { error = err, status = 402 })
      w:request()
      assert.equal("cooling", state(room, "a/1#main"))
      assert.equal(err, room.leme.target("a/1#main").why)
      assert.equal("cooling", state(room, "a/2#main"))
      assert.equal("ready", state(room, "a/1#spare"))
      assert.equal("ready", state(room, "a/1"))
      assert.equal("a/1#spare", path(w:request()))
      w:script("a/1#main", {})
      w:advance(301)
      assert.equal("ready", state(room, "a/1#main"))
    end
  end)

  it("rest for one model when that is forbidden to them", function()
    local w, room = setup '"a/1"'
    w:script("a/1#main", { error = "provider_auth", status = 403 })
    assert.equal("a/1#main a/1#spare", path(w:request()))
    assert.equal("cooling", state(room, "a/1#main"))
    assert.equal("ready", state(room, "a/2#main"))
  end)

  it("rest for one model when limited, as long as the provider says", function()
    local w, room = setup '"a/1"'
    w:script("a/1#main", LIMITED)
    assert.equal("a/1#main a/1#spare", path(w:request()))
    assert.equal("cooling", state(room, "a/1#main"))
    assert.equal("ready", state(room, "a/2#main"))
    w:advance(21)
    assert.equal("ready", state(room, "a/1#main"))
  end)

  it("do not rest for what our own limit refused", function()
    local w, room = setup '"a/1"'
    w:script("a/1#main", { error = "provider_rate_limited", status = 0 })
    assert.equal("a/1#main a/1#spare", path(w:request()))
    assert.equal("ready", state(room, "a/1#main"))
  end)

  it("are not to blame for what the target does: the next target is asked", function()
    local w, room = setup 'leme.fallback { "a/1", "b/1" }'
    w:script("a/1", DOWN)
    assert.equal("a/1#main b/1", path(w:request()))
    assert.equal("ready", state(room, "a/1#main"))
  end)

  it("all refused: the next target is asked, and then passed over at once", function()
    local w, room = setup 'leme.fallback { "a/1", "b/1" }'
    w:script("a/1", REFUSED)
    assert.equal("a/1#main a/1#spare b/1", path(w:request()))
    assert.equal("cooling", state(room, "a/1"))
    assert.equal("provider_auth", room.leme.target("a/1").why)
    assert.equal("b/1", path(w:request()))
  end)

  it("all resting: one is asked anyway when nothing else is left", function()
    local w = setup '"a/1"'
    w:script("a/1", REFUSED)
    w:request()
    local r = w:request()
    assert.equal(1, #r.attempts)
    assert.equal("provider_auth", r.error)
  end)

  it("pass over one at its own limit", function()
    local w = setup '"a/1"'
    w:set("a/1#main", { max_in_flight = 0 })
    for _ = 1, 4 do assert.equal("a/1#spare", path(w:request())) end
  end)

  it("give a half open key one probe, and close it when it answers", function()
    local w, room = setup '"a/1"'
    room.leme.target("a/1#main"):eject { base = 5, max = 5 }
    assert.equal("a/1#spare", path(w:request()))
    w:advance(6)
    assert.equal("half_open", state(room, "a/1#main"))
    w:request() w:request()
    assert.equal("ready", state(room, "a/1#main"))
  end)
end)

describe("every combinator", function()
  for _, expression in ipairs { 'leme.round_robin { "a/1" }', 'leme.weighted { "a/1" }',
    'leme.weighted { ["a/1"] = 2 }', 'leme.least_busy { "a/1" }', 'leme.fastest { "a/1" }',
    'leme.cheapest { "a/1" }', 'leme.retry("a/1", { times = 2 })',
    'leme.hash({ "a/1" }, { by = function(req) return req.client end })',
    'leme.limit("a/1", { total = 9 })', 'leme.rewrite("a/1", function(req) return req end)',
    'leme.when(function() return true end, "a/1")', 'leme.split { { 1, "a/1" } }',
    'leme.filter("a/1", function(event) return event end)',
    'leme.fallback { leme.fallback { "a/1" }, "b/1" }' } do
    it("rotates the keys of a target: " .. expression, function()
      local ok, w, room = pcall(setup, expression)
      assert.is_true(ok, tostring(w))
      w:script("a/1#main", REFUSED)
      local r = w:request()
      assert.equal("a/1#main a/1#spare", path(r))
      assert.is_true(r.ok)
      assert.equal("ready", state(room, "a/1"))
    end)
  end

  it("rotates the keys of what it only shadows", function()
    local w = setup 'leme.shadow("b/1", "a/1")'
    w:script("a/1#main", REFUSED)
    local r = w:request()
    w:finish()
    assert.equal("b/1", r.target)
    assert.truthy(path(r):find("a/1#main", 1, true) and path(r):find("a/1#spare", 1, true))
  end)
end)

describe("a policy and several keys", function()
  it("names one, which is used and no other", function()
    for _, call in ipairs { 'req:try("a/1", { key = "spare" })', 'req:try "a/1#spare"',
      'req:try(leme.target("a/1").keys.spare)', 'req:try(leme.target("a/1").keys[2])',
      'req:await(req:start("a/1", { key = "spare", total = 9 }))',
      'req:with({ max_tokens = 5 }):try("a/1", { key = "spare" })' } do
      local w, room = setup("function(req) return (" .. call .. ") end")
      w:script("a/1#spare", REFUSED)
      local r = w:request()
      assert.equal("a/1#spare", path(r), call)
      assert.equal("provider_auth", r.error)
      assert.equal("ready", state(room, "a/1#spare"))
    end
  end)

  it("builds a route of all of them, as of any targets", function()
    local w = setup 'function(req) return req:try(leme.least_busy(leme.target("a/1").keys)) end'
    w:script("a/1#main", REFUSED)
    for _ = 1, 9 do assert.equal("a/1#spare", w:request().target) end
  end)

  it("is told what a key is called when it names none", function()
    local rows = { { 'req:try("a/1", { key = "spar" })', 'did you mean "spare"?' },
      { 'req:try("a/1", { key = 5 })', "its keys: main, spare" },
      { 'req:try("b/1", { key = "main" })', "b/1 has none" },
      { 'req:try({ "a/1" }, { key = "main" })', "this route has none" } }
    for _, row in ipairs(rows) do
      local w = setup("function(req) return " .. row[1] .. " end")
      local ok, message = pcall(w.request, w)
      assert.is_false(ok)
      assert.truthy(tostring(message):find(row[2], 1, true), tostring(message))
    end
  end)

  it("sees the target and the key's name in answers and hooks", function()
    local room = world.room { targets = TARGETS }
    local w = room.load [[
      local leme = require "leme"
      local seen = {}
      return leme.policy { name = "p", route = function(req)
        local a = req:try "a/1"
        return leme.respond(tostring(a.target) .. " by " .. a.key .. seen[1])
      end, attempted = function(t, a) seen[1] = ", hook: " .. t .. " by " .. a.key end }]]
    w:script("a/1#main", REFUSED)
    assert.equal("a/1 by spare, hook: a/1 by main", w:request().text)
  end)

  it("sees no pools among the targets, and totals on the target", function()
    local w, room = setup '"a/1"'
    assert.equal(3, #room.leme.targets())
    assert.equal(2, #room.leme.target("a/1").keys)
    assert.equal(0, #room.leme.target("b/1").keys)
    assert.equal("main", room.leme.target("a/1").keys.main.key)
    assert.is_nil(room.leme.target("a/1").key)
    for _ = 1, 3 do w:request() end
    w:finish()
    assert.equal(3, room.leme.target("a/1"):count("attempt", 60))
    assert.equal(2, room.leme.target("a/1").keys.main:count("attempt", 60))
    w:set("a/1#main", { remaining_requests = 7 })
    w:set("a/1#spare", { remaining_requests = 5 })
    assert.equal(12, room.leme.target("a/1").remaining_requests)
    assert.equal(5, room.leme.target("a/1#spare").remaining_requests)
  end)

  it("tries a target once, by whatever key", function()
    local w = setup [[function(req)
      req:try("a/1", { key = "main" })
      return req:try(leme.fallback { "a/1", "b/1" })
    end]]
    w:script("a/1", DOWN)
    assert.equal("a/1#main b/1", path(w:request()))
  end)
end)
