-- The shipped policies: their own tests pass, and what they decide.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"
local path = world.path

local SUPPORT = { "qwen/qwen-plus", "deepseek/deepseek-chat", "google/gemini-flash-latest",
  "mistral/mistral-large-latest", "openai/gpt-4o", "anthropic/claude-sonnet-4-5" }
local NAMES = { "passthrough", "by_model", "fallback", "round_robin", "weighted", "least_busy",
  "fastest", "sticky", "rewrite_system", "support" }
local DOWN = { error = "provider_overloaded", status = 503 }

local function setup(name, knobs)
  local room = world.room { targets = SUPPORT, services = { "facts" },
    models = { model = { SUPPORT[1], SUPPORT[2] } } }
  local w, policy = room.load_file("policies/" .. name .. ".lua", knobs)
  return w, room, policy
end

describe("policy", function()
  for _, name in ipairs(NAMES) do
    it(name .. " passes its own test, opens with its usage and is short", function()
      local _, room, policy = setup(name)
      assert.equal(name, policy.name)
      assert.is_true(room.driver.test(policy))
      local lines, head = 0, ""
      for line in io.lines(world.ROOT .. "policies/" .. name .. ".lua") do
        lines = lines + 1
        if lines < 10 then head = head .. line .. "\n" end
      end
      assert.is_true(lines <= 80)
      assert.matches("^%-%- " .. name .. ":.*%-%- Knobs:.*%-%- Usage:", head)
    end)
  end

  it("passthrough gives the client the failure", function()
    local w = setup "passthrough"
    w:script(SUPPORT[1], DOWN)
    assert.equal("provider_overloaded", w:request().error)
  end)

  it("by_model goes where the name says, and refuses when strict", function()
    local w = setup "by_model"
    assert.equal("openai/gpt-4o", w:request { model = "gpt-4o" }.target)
    assert.equal(404, (setup("by_model", { strict = true })):request { model = "model" }.status)
  end)

  it("fallback rests a target that is rate limited", function()
    local w, room = setup("fallback", { cool = 7 })
    w:script(SUPPORT[1], { error = "provider_rate_limited", status = 429 })
    w:request()
    assert.equal("cooling", room.leme.target(SUPPORT[1]).state)
    assert.equal(SUPPORT[2], path(w:request()))
  end)

  it("sticky leaves a dead target and stays away", function()
    local w = setup "sticky"
    local home = w:request().target
    w:script(home, DOWN)
    local away = w:request().target
    w:script(home, {})
    assert.not_equal(home, away)
    assert.equal(away, w:request().target)
  end)

  it("rewrite_system caps max_tokens", function()
    local w = setup("rewrite_system", { max_tokens = 50 })
    assert.equal(50, w:request { max_tokens = 900 }.req.max_tokens)
    assert.equal(20, w:request { max_tokens = 20 }.req.max_tokens)
  end)
end)

describe("support", function()
  it("takes Qwen and DeepSeek in turn, with fresh facts", function()
    local w = setup "support"
    w:script("facts", { body = '{"text":"Open on Monday."}' })
    local first, second = w:request(), w:request()
    assert.equal("qwen/qwen-plus deepseek/deepseek-chat", first.target .. " " .. second.target)
    assert.equal("Open on Monday.", first.req.system)
    assert.equal(2.5, first.attempts[1].limits.first_token)
  end)
  it("goes on without facts when the service fails", function()
    local w = setup "support"
    w:script("facts", DOWN)
    local r = w:request()
    assert.is_nil(r.req.system)
    assert.is_true(r.ok)
  end)
  it("asks another vendor what one's filter refused", function()
    local w = setup "support"
    for i = 1, 3 do w:script(SUPPORT[i], { error = "provider_content_filtered", status = 400 }) end
    assert.equal("anthropic/claude-sonnet-4-5", w:request().target)
  end)
  it("falls back to Gemini when both of the pair are slow", function()
    local w = setup "support"
    for i = 1, 2 do w:script(SUPPORT[i], { first_token = 9 }) end
    assert.equal("google/gemini-flash-latest", w:request().target)
  end)
end)
