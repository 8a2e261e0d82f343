-- The 18 strategies of the field, each a short script (spec/lua/strategies) and
-- what it decides. A script may not be longer than 30 lines.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"
local path = world.path

local TARGETS, MODELS = {}, {}
local GROUPS = { "model", "gpt", "claude", "local", "auto", "small", "big", "long", "other-vendor",
  "backup", "cheap", "stable", "canary", "candidate", "safe", "qwen", "code", "onprem", "batch-night" }
for g, group in ipairs(GROUPS) do
  MODELS[group] = {}
  for i = 1, group == "model" and 3 or 2 do
    local name = group .. "/" .. i
    TARGETS[#TARGETS + 1] = { name = name, price_in = g * i, price_out = 2 * g * i,
      priority = i, context = group == "long" and 1e6 or 4000 }
    MODELS[group][i] = name
  end
end

local DOWN = { error = "provider_overloaded", status = 503 }

local function setup(name, seed, targets)
  local room = world.room { targets = targets or TARGETS, models = not targets and MODELS or nil,
    services = { "moderation" }, seed = seed }
  local w = room.load_file("spec/lua/strategies/" .. name .. ".lua")
  w.model = "model"
  return w, room
end

local function all_down(w, group, behaviour)
  for _, name in ipairs(MODELS[group]) do w:script(name, behaviour or DOWN) end
end

describe("strategy", function()
  it("shuffle: the next group for a failure, cool at 429", function()
    local w, room = setup "shuffle"
    all_down(w, "gpt", { error = "provider_rate_limited", status = 429 })
    local r = w:request()
    assert.matches("^gpt/%d gpt/%d claude/%d$", path(r))
    assert.equal("cooling", room.leme.target("gpt/1").state)
    assert.matches("^claude/%d$", path(w:request()))
    assert.matches("^claude/%d$", path(w:request()))
  end)

  it("invsq: cheap ones often, others by price after a failure", function()
    local w = setup "invsq"
    local first = 0
    for _ = 1, 300 do if w:request().target == "model/1" then first = first + 1 end end
    assert.is_true(first > 190 and first < 250, tostring(first)) -- 36/49
    w:script("model/1", DOWN)
    for _ = 1, 20 do w:request() end
    assert.not_equal("model/1", w:request().attempts[1].target)
  end)

  it("lat: the unmeasured first, then the quickest", function()
    local w = setup "lat"
    w:script("model/1", { first_token = 0.5 }) w:script("model/2", { first_token = 0.1 })
    w:script("model/3", { first_token = 0.9 })
    for _ = 1, 3 do w:request() end
    for _ = 1, 5 do assert.equal("model/2", w:request().target) end
  end)

  it("p2c: tier after tier, ejecting what fails", function()
    local w, room = setup "p2c"
    w:script("model/1", DOWN)
    assert.equal("model/1 model/2", path(w:request()))
    assert.equal("cooling", room.leme.target("model/1").state)
    all_down(w, "model")
    w:request() w:request()
    assert.equal(503, w:request().status)
  end)

  it("breaker: opens at half, probes once, closes", function()
    local w, room = setup "breaker"
    w:script("model/1", DOWN)
    for _ = 1, 40 do w:request() end
    assert.equal("cooling", room.leme.target("model/1").state)
    w:script("model/1", {})
    w:advance(31)
    assert.equal("half_open", room.leme.target("model/1").state)
    for _ = 1, 3 do w:request() end
    w:finish()
    assert.equal("ready", room.leme.target("model/1").state)
  end)

  it("keys: drops dead keys, rests limited ones, repeats the rest", function()
    local w, room = setup "keys"
    w:script("model/1", { error = "provider_auth", status = 401 })
    w:script("model/2", { error = "provider_rate_limited", status = 429, retry_after = 7 })
    w:script("model/3", DOWN, {})
    for _ = 1, 6 do w:request() end
    assert.equal("provider_auth", room.leme.target("model/1").why)
    assert.equal("model/3", w:request().target)
  end)

  it("keys: does the same among the keys of one target", function()
    local w, room = setup("keys", 1, { { name = "model/1", keys = { "a", "b", "c" } } })
    w:script("model/1#a", { error = "provider_auth", status = 401 })
    w:script("model/1#b", { error = "provider_rate_limited", status = 429, retry_after = 7 })
    w:script("model/1#c", DOWN, {})
    for _ = 1, 6 do w:request() end
    assert.equal("provider_auth", room.leme.target("model/1#a").why)
    assert.equal("model/1#c", w:request().target)
  end)

  it("hedge: starts a second after the first one's 95th percentile", function()
    local w = setup "hedge"
    for _, name in ipairs(MODELS.model) do w:sample(name, "first_token", 0.2, 50) end
    for _ = 1, 25 do w:request() end
    for _, name in ipairs(MODELS.model) do w:script(name, { first_token = 3 }, { first_token = 0.1 }) end
    w:script("model/2", { first_token = 0.1 })
    local r = w:request()
    assert.equal(2, #r.attempts)
    assert.is_true(r.first_token < 1)
  end)

  it("midstream: continues a broken stream on another target", function()
    local w = setup "midstream"
    w:script("model/1", { text = "one two", cut = 0.5 })
    w:script("model/2", { text = "three" })
    local r = w:request { stream = true }
    assert.equal("model/1 model/2", path(r))
    assert.equal("model/2", r.target)
    assert.is_true(r.ok)
  end)

  it("slow: leaves a crawling stream and lets it rest", function()
    local w, room = setup "slow"
    w:script("model/1", { speed = 3 })
    assert.equal("model/1 model/2", path(w:request()))
    assert.equal("slow", room.leme.target("model/1").why)
  end)

  it("sticky: stays, and moves when its target dies", function()
    local w = setup "sticky"
    local ann = { headers = { ["x-session-id"] = "ann" } }
    local home = w:request(ann).target
    assert.equal(home, w:request(ann).target)
    w:script(home, DOWN)
    local away = w:request(ann).target
    assert.not_equal(home, away)
    w:script(home, {})
    assert.equal(away, w:request(ann).target)
  end)

  it("score: the best by weights, kept until another is better by a margin", function()
    local w = setup "score"
    assert.equal("model/1", w:request().target)
    w:sample("model/1", "error", 1, 200)
    assert.equal("model/2", w:request().target)
  end)

  it("bandit: learns who answers well", function()
    local w = setup "bandit"
    w:script("auto/1", DOWN)
    for _ = 1, 60 do w:request() end
    local good = 0
    for _ = 1, 20 do if w:request().target == "auto/2" then good = good + 1 end end
    assert.is_true(good >= 16, tostring(good))
  end)

  it("cascade: escalates what was not finished", function()
    local w = setup "cascade"
    assert.equal("small/1", path(w:request()))
    w:script("small/1", { finish = "length" })
    assert.equal("small/1 big/1", path(w:request()))
    assert.equal("big/1", path(w:request { tools = {} }))
  end)

  it("errors: each failure to its own group", function()
    for err, group in pairs { provider_context_too_long = "long",
      provider_content_filtered = "other-vendor", provider_overloaded = "backup" } do
      local w = setup "errors"
      all_down(w, "model", { error = err, status = 400 })
      local target = w:request().target
      assert.equal(group, target:match "^[^/]+")
    end
  end)

  it("budget: settles what was used, degrades, refuses", function()
    local w = setup "budget"
    local spend = { cost = 9.5, usage = { input = 100, output = 50 } }
    w:script("model/1", spend)
    w:request()
    assert.equal(9.5, w.board["budget/usd:test"].value)
    assert.equal(0, w.board["budget/usd:test"].reserved)
    assert.equal(150, w.board["budget/tpm:test"].value)
    assert.equal("cheap/1", w:request().target)
    assert.equal(429, w:request { max_tokens = 6000 }.status)
  end)

  it("canary: 5 % of the clients, rolled back when it fails", function()
    local w = setup "canary"
    w:script("canary/1", DOWN) w:script("canary/2", DOWN)
    local tried, failed = 0, 0
    for i = 1, 1500 do
      local r = w:request { client = "c" .. i }
      tried = tried + (path(r):find "canary" and 1 or 0)
      failed = failed + (r.ok and 0 or 1)
      w.clock = w.clock - (w.clock - 1000) * 0.5
    end
    assert.is_true(tried > 50 and tried < 110, tostring(tried))
    assert.equal(0, failed)
    w:tick(1)
    for i = 1, 200 do assert.falsy(path(w:request { client = "c" .. i }):find "canary/") end
  end)

  it("rules: the first condition that holds", function()
    local w = setup "rules"
    local rows = { { { question = "你好，请问" }, "qwen" }, { { question = "SQL: select 1" }, "code" },
      { { headers = { ["x-tier"] = "free" } }, "cheap" }, { {}, "model" },
      { { tokens = 200000 }, "long" }, { { headers = { ["x-data-class"] = "restricted" } }, "onprem" } }
    for _, row in ipairs(rows) do
      local r = w:request(row[1])
      assert.equal(row[2], r.target:match "^[^/]+")
      assert.equal(0.2, r.req.temperature)
    end
  end)

  it("guard: asks first, redacts, falls back to the safe model", function()
    local w = setup "guard"
    w:script("moderation", { body = '{"flagged":true}' })
    assert.equal("I can't help with that.", w:request().text)
    w:script("moderation", { body = '{"flagged":false}' })
    local r = w:send()
    w:after(0.05, function()
      local item = w:item(r, '{"choices":[{"delta":{"content":"4111 1111 1111 1111"}}]}', 2)
      assert.matches("%[card%]", item.data)
    end)
    w:finish()
    assert.is_true(r.ok)
    assert.equal(1, #r.items)
    all_down(w, "model", { error = "provider_content_filtered", status = 400 })
    assert.equal("safe/1", w:request().target)
  end)

  it("none is longer than 30 lines", function()
    for _, name in ipairs { "shuffle", "invsq", "lat", "p2c", "breaker", "keys", "hedge",
      "midstream", "slow", "sticky", "score", "bandit", "cascade", "errors", "budget", "canary",
      "rules", "guard" } do
      local lines = 0
      for _ in io.lines(world.ROOT .. "spec/lua/strategies/" .. name .. ".lua") do lines = lines + 1 end
      assert.is_true(lines <= 30, name .. ": " .. lines)
      setup(name)
    end
  end)
end)
