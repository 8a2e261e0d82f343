-- Mistral's own clients on OpenAI's paths: what the engine is asked for them, and
-- that answers fit the schema they read with.
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"

local s = room.surface.find "mistral"
local NULL = room.null

local function value(text) return assert(room.decode((text:gsub("'", '"')))) end

local function asked(text, verb)
  local made = assert(s:request(value(text), { model = "", verb = verb or "" }))
  return made.body, made
end

local CTX = { id = "req_1", model = "m", created = 7, request = {}, verb = "" }

-- What a stream of these chunks becomes: the data of its events.
local function streamed(chunks)
  local state = s:stream(CTX)
  local text = state:start()
  for _, chunk in ipairs(chunks) do text = text .. state:event(value(chunk)) end
  text = text .. state:finish()
  local list = {}
  for data in text:gmatch "data: ([^\n]*)\n\n" do list[#list + 1] = data end
  assert.equal("[DONE]", table.remove(list))
  for i, data in ipairs(list) do list[i] = room.decode(data) end
  return list
end

describe("a request of Mistral's clients", function()
  it("has OpenAI's names", function()
    local body, made = asked [[{'random_seed': 5, 'safe_prompt': true, 'stream': true,
      'tool_choice': 'any', 'prompt_mode': 'reasoning', 'response_format': {'type': 'json_schema',
      'json_schema': {'name': 'n', 'schema_definition': {'type': 'object'}}}, 'messages': []}]]
    assert.equal(5, body.seed)
    assert.is_nil(body.random_seed)
    assert.is_true(body.safe_prompt)
    assert.same({}, made.notes)
    assert.equal("required", body.tool_choice)
    assert.equal("high", body.reasoning_effort)
    assert.same({ type = "object" }, body.response_format.json_schema.schema)
    assert.is_true(body.stream_options.include_usage)
    body, made = asked [[{'safe_prompt': false, 'messages': []}]]
    assert.same({}, made.notes)
    assert.is_nil(body.stream_options)
  end)

  it("has its thoughts beside the content, and arguments as text", function()
    local body = asked [[{'messages': [{'role': 'assistant', 'prefix': false, 'content': [
      {'type': 'thinking', 'thinking': [{'type': 'text', 'text': 'hm '}, {'type': 'text',
      'text': 'yes'}]}, {'type': 'text', 'text': 'so'}], 'tool_calls': [{'id': 'a', 'index': 0,
      'function': {'name': 'f', 'arguments': {'x': 1}}}]}, {'role': 'user', 'content': [
      {'type': 'image_url', 'image_url': 'https://a/b.png'}]}]}]]
    local turn, user = body.messages[1], body.messages[2]
    assert.equal("hm yes", turn.reasoning_content)
    assert.same({ { type = "text", text = "so" } }, turn.content)
    assert.is_nil(turn.prefix)
    assert.same({ id = "a", type = "function", ["function"] = { name = "f",
      arguments = '{"x":1}' } }, turn.tool_calls[1])
    assert.same({ url = "https://a/b.png" }, user.content[1].image_url)
  end)

  it("for embeddings names the size as OpenAI does", function()
    local body = asked([[{'input': ['a'], 'output_dimension': 8, 'output_dtype': 'float'}]],
      "embeddings")
    assert.same({ input = { "a" }, dimensions = 8, output_dtype = "float" }, body)
  end)
end)

describe("what only Mistral knows", function()
  it("goes to Mistral, and is left out with a note elsewhere", function()
    local translate = room.require "leme.translate"
    local text = '{"messages":[{"role":"user","content":"x"}],"safe_prompt":true}'
    local function sent(name)
      local body, _, _, notes = translate.request(name, text, { api = "mistral", model = "m" })
      return room.decode(body).safe_prompt, notes
    end
    assert.is_true(sent "mistral")
    local left, notes = sent "qwen"
    assert.is_nil(left)
    assert.matches("safe_prompt: only Mistral's own API", notes)
  end)
end)

describe("an answer for Mistral's clients", function()
  it("has thoughts as parts, calls or null, and always a usage", function()
    local answer = s:answer(value [[{'id': 'c', 'created': 3, 'choices': [{'index': 0,
      'finish_reason': 'stop', 'message': {'role': 'assistant', 'content': 'so',
      'reasoning_content': 'hm', 'tool_calls': []}}]}]], CTX)
    local message = answer.choices[1].message
    assert.same({ { type = "thinking", thinking = { { type = "text", text = "hm" } } },
      { type = "text", text = "so" } }, message.content)
    assert.same({}, message.tool_calls)
    assert.same({}, answer.usage)
    answer = s:answer(value [[{'choices': [{'message': {'content': null, 'refusal': 'no'}}],
      'usage': {'prompt_tokens': 1, 'completion_tokens': 2, 'total_tokens': 3}}]], CTX)
    assert.equal("no", answer.choices[1].message.content)
    assert.equal(NULL, answer.choices[1].message.tool_calls)
    assert.equal(3, answer.usage.total_tokens)
    assert.equal("req_1", answer.id)
  end)

  it("has an id when it is of embeddings", function()
    local answer = s:answer(value [[{'object': 'list', 'data': []}]],
      { id = "req_1", verb = "embeddings" })
    assert.equal("req_1", answer.id)
    assert.same({}, answer.usage)
  end)

  it("streams a call whole, with its name, at the end, beside the usage", function()
    local list = streamed {
      [[{'id': 'c', 'choices': [{'index': 0, 'delta': {'role': 'assistant', 'content': ''}}]}]],
      [[{'choices': [{'index': 0, 'delta': {'reasoning_content': 'hm'}}], 'usage': null}]],
      [[{'choices': [{'index': 0, 'delta': {'content': 'so'}}]}]],
      [[{'choices': [{'index': 0, 'delta': {'tool_calls': [{'index': 0, 'id': 'a',
        'function': {'name': 'f', 'arguments': ''}}]}}]}]],
      [[{'choices': [{'index': 0, 'delta': {'tool_calls': [{'index': 0, 'id': '',
        'function': {'name': '', 'arguments': '{}'}}, {'index': 1, 'id': 'b', 'function': {
        'name': 'g', 'arguments': '{}'}}]}}]}]],
      [[{'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'tool_calls'}]}]],
      [[{'choices': [], 'usage': {'prompt_tokens': 1, 'completion_tokens': 2,
        'total_tokens': 3}}]] }
    assert.equal(3, #list)
    assert.equal("thinking", list[1].choices[1].delta.content[1].type)
    assert.equal("so", list[2].choices[1].delta.content)
    local last = list[3].choices[1]
    assert.same({ "a", "f", "{}", "b", "g" }, { last.delta.tool_calls[1].id,
      last.delta.tool_calls[1]["function"].name, last.delta.tool_calls[1]["function"].arguments,
      last.delta.tool_calls[2].id, last.delta.tool_calls[2]["function"].name })
    assert.equal("tool_calls", last.finish_reason)
    assert.equal(3, list[3].usage.total_tokens)
    for _, chunk in ipairs(list) do
      assert.equal("c", chunk.id)
      assert.not_equal(NULL, chunk.usage)
    end
  end)

  it("fails in Mistral's words", function()
    local body = s.failure("provider_rate_limited", 429, "rate_limit_error", "rate_limit_exceeded",
      "slow down", { id = "req_1" })
    assert.same({ "error", "slow down", "rate_limit_error", "rate_limit_exceeded" },
      { body.object, body.message, body.type, body.code })
    assert.matches('^data: {.*"message":"cut".*}\n\ndata: %[DONE%]\n\n$',
      s:stream(CTX):failure("provider_cut_stream", 502, "cut"))
  end)
end)
