-- leme.mock: the mock provider's answers have the shapes SDKs expect, and the same
-- request gets the same answer.
package.path = "./spec/lua/?.lua;" .. package.path
local json = require "dkjson"
local world = require "world"
local mock = world.room { targets = { "a/1" } }.require "leme.mock_answers"

local CHAT = "/v1/chat/completions"
local function dice() return 0.5 end
local function ask(request, options, path)
  local plan = mock.answer(request, path or CHAT, options, dice)
  return plan, plan.body and json.decode(plan.body)
end
local function user(content, more)
  local request = more or {}
  request.model, request.messages = "m", { { role = "user", content = content } }
  return request
end
local TOOL = { type = "function", ["function"] = { name = "weather", parameters = { type = "object",
  properties = { city = { type = "string" }, days = { type = "integer" } } } } }

describe("the mock", function()
  it("echoes, with usage, the same every time", function()
    local plan, body = ask(user "Hello there")
    assert.equal(200, plan.status)
    assert.matches("Hello there", body.choices[1].message.content)
    assert.equal("stop", body.choices[1].finish_reason)
    assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + body.usage.completion_tokens)
    assert.equal(plan.body, (ask(user "Hello there")).body)
  end)

  it("streams events with times, a finish reason, usage if asked, and an end", function()
    local plan = ask(user("Hi", { stream = true, stream_options = { include_usage = true } }),
      { latency = 0.3, pace = 0.01 })
    assert.equal(0.3, plan.stream[1].delay)
    assert.equal(0.01, plan.stream[2].delay)
    assert.equal("data: [DONE]\n\n", plan.stream[#plan.stream].data)
    local usage = json.decode(plan.stream[#plan.stream - 1].data:sub(7))
    assert.equal(0, #usage.choices)
    assert.is_number(usage.usage.total_tokens)
    assert.is_false(plan.cut)
  end)

  it("breaks off where told", function()
    local plan = ask(user("Hi", { stream = true }), { cut_after = 3 })
    assert.equal(3, #plan.stream)
    assert.is_true(plan.cut)
  end)

  it("fails as told", function()
    local plan, body = ask(user "Hi", { status = 429, retry_after = 7 })
    assert.equal(429, plan.status)
    assert.equal("7", plan.headers["retry-after"])
    assert.equal("rate_limit_exceeded", body.error.code)
    assert.equal(200, (ask(user "Hi", { error_rate = 0.4 })).status)
    assert.equal(500, (ask(user "Hi", { error_rate = 0.6 })).status)
  end)

  it("calls a tool when one is demanded or named, not after it answered", function()
    for _, request in ipairs { user("x", { tools = { TOOL }, tool_choice = "required" }),
      user("What is the weather?", { tools = { TOOL } }) } do
      local _, body = ask(request)
      local call = body.choices[1].message.tool_calls[1]
      assert.equal("tool_calls", body.choices[1].finish_reason)
      assert.equal("weather", call["function"].name)
      assert.same({ city = "example", days = 1 }, json.decode(call["function"].arguments))
    end
    local request = user("weather", { tools = { TOOL } })
    request.messages[2] = { role = "assistant", tool_calls = { { id = "x", type = "function",
      ["function"] = { name = "weather", arguments = "{}" } } } }
    request.messages[3] = { role = "tool", content = "sunny", tool_call_id = "x" }
    assert.equal("stop", select(2, ask(request)).choices[1].finish_reason)
  end)

  it("fits a JSON schema", function()
    local schema = { type = "object", properties = { kind = { enum = { "a", "b" } },
      tags = { type = "array", items = { ["$ref"] = "#/$defs/tag" } } },
      ["$defs"] = { tag = { type = "string" } } }
    local _, body = ask(user("x", { response_format = { type = "json_schema",
      json_schema = { name = "s", schema = schema } } }))
    assert.same({ kind = "a", tags = { "example" } }, json.decode(body.choices[1].message.content))
  end)

  it("gives unit vectors, as numbers and as base64", function()
    local _, body = ask({ model = "m", input = { "a", "b" }, dimensions = 8 }, nil, "/v1/embeddings")
    local sum = 0
    for _, x in ipairs(body.data[1].embedding) do sum = sum + x * x end
    assert.is_true(math.abs(sum - 1) < 1e-9)
    assert.not_same(body.data[1].embedding, body.data[2].embedding)
    local _, packed = ask({ model = "m", input = "a", dimensions = 8, encoding_format = "base64" },
      nil, "/v1/embeddings")
    assert.equal(44, #packed.data[1].embedding)
  end)

  it("refuses what it cannot read", function()
    for _, request in ipairs { {}, { messages = {} }, { messages = { 3 } } } do
      assert.equal(400, (ask(request)).status)
    end
    assert.equal(400, (ask(nil)).status)
    assert.equal(404, (ask({}, nil, "/v1/images")).status)
    assert.equal(200, (ask(nil, { models = { "x" } }, "/v1/models")).status)
  end)

  it("answers legacy completions and the facts service", function()
    local _, body = ask({ model = "m", prompt = "Once", max_tokens = 3 }, nil, "/v1/completions")
    assert.equal("length", body.choices[1].finish_reason)
    assert.is_string(body.choices[1].text)
    assert.matches("^A rudder", mock.service("facts", { query = "What is a rudder?", top = 1 }).text)
  end)
end)
