-- Clients of Anthropic's Messages: what the engine is asked for them, and what they
-- are told. Run from the project's root: lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"

local s = room.surface.find "messages"
local NULL = room.null

local function value(text) return assert(room.decode(text)) end

-- The chat request a body becomes; ${text} is JSON with single quotes.
local function asked(text)
  local body = value((text:gsub("'", '"')))
  body.model = body.model or "m"
  local made, word, message = s:request(body)
  assert(made, word and word .. ": " .. message)
  return made.body, made
end

local function refused(text)
  local made, word, message = s:request(value((text:gsub("'", '"'))))
  assert.is_nil(made)
  assert.equal("caller_invalid_request", word)
  return message
end

local function ctx(request)
  return { id = "req_1", model = "claude", created = 1, request = request or {} }
end

-- Events of a text as { name, value }.
local function events(text)
  local list = {}
  for name, data in text:gmatch "event: (%S+)\ndata: ([^\n]*)\n\n" do
    list[#list + 1] = { name, value(data) }
  end
  return list
end

local function streamed(deltas, finish, usage)
  local state = s:stream(ctx())
  local text = state:start()
  for _, delta in ipairs(deltas) do
    text = text .. state:event { choices = { { index = 0, delta = delta } } }
  end
  text = text .. state:event { choices = { { index = 0, delta = {}, finish_reason = finish } },
    usage = usage }
  return events(text .. state:finish())
end

-- A stream as one line: what happens, with its text.
local function outline(list)
  local words = {}
  for _, event in ipairs(list) do
    local name, said = event[1], event[2]
    local delta = said.delta or {}
    if name == "content_block_start" then
      words[#words + 1] = ("<%d:%s"):format(said.index, said.content_block.name or said.content_block.type)
    elseif name == "content_block_delta" then
      words[#words + 1] = delta.text or delta.partial_json or delta.thinking or delta.signature
    elseif name == "content_block_stop" then
      words[#words + 1] = ">"
    end
  end
  return table.concat(words, " ")
end

describe("a request to /v1/messages", function()
  it("puts the system text first and keeps texts plain", function()
    local body = asked [[{'system': [{'type': 'text', 'text': 'be brief'}], 'max_tokens': 5,
      'messages': [{'role': 'user', 'content': 'hi'}]}]]
    assert.same({ { role = "system", content = "be brief" }, { role = "user", content = "hi" } },
      { body.messages[1], body.messages[2] })
    assert.equal(5, body.max_completion_tokens)
    assert.is_nil(body.stream)
  end)

  it("asks for usage when it streams", function()
    local body, made = asked [[{'stream': true, 'messages': [{'role': 'user', 'content': 'hi'}]}]]
    assert.is_true(made.stream)
    assert.is_true(body.stream_options.include_usage)
  end)

  it("keeps calls, results and their ids", function()
    local body = asked [[{'messages': [
      {'role': 'assistant', 'content': [{'type': 'text', 'text': 'wait'},
        {'type': 'tool_use', 'id': 'toolu_1', 'name': 'f', 'input': {}}]},
      {'role': 'user', 'content': [
        {'type': 'tool_result', 'tool_use_id': 'toolu_1', 'content': 'no', 'is_error': true},
        {'type': 'text', 'text': 'go on'}]}]}]]
    local call = body.messages[1].tool_calls[1]
    assert.equal("wait", body.messages[1].content)
    assert.same({ "toolu_1", "f", "{}" }, { call.id, call["function"].name, call["function"].arguments })
    assert.same({ role = "tool", tool_call_id = "toolu_1", content = "no", is_error = true },
      body.messages[2])
    assert.equal("go on", body.messages[3].content)
  end)

  it("moves pictures of a result behind it", function()
    local body, made = asked [[{'messages': [{'role': 'user', 'content': [
      {'type': 'tool_result', 'tool_use_id': 'a', 'content': [{'type': 'image',
        'source': {'type': 'base64', 'media_type': 'image/png', 'data': 'AA'}}]}]}]}]]
    assert.equal("tool", body.messages[1].role)
    assert.equal("data:image/png;base64,AA", body.messages[2].content[2].image_url.url)
    assert.equal(1, #made.notes)
  end)

  it("sends signed thoughts along and unsigned ones as text only", function()
    local body = asked [[{'messages': [{'role': 'assistant', 'content': [
      {'type': 'thinking', 'thinking': 'a', 'signature': 'S'},
      {'type': 'thinking', 'thinking': 'b', 'signature': ''}, {'type': 'text', 'text': 'c'}]}]}]]
    assert.equal("ab", body.messages[1].reasoning_content)
    assert.equal(1, #body.messages[1].thinking_blocks)
    assert.equal("S", body.messages[1].thinking_blocks[1].signature)
    assert.is_nil(body.messages[1].extra_content)
  end)

  it("keeps a turn that only Anthropic can read beside its portable form", function()
    local body, made = asked [[{'messages': [{'role': 'assistant', 'content': [
      {'type': 'server_tool_use', 'id': 'x', 'name': 'web_search', 'input': {}},
      {'type': 'text', 'text': 'found'}]}]}]]
    assert.equal("found", body.messages[1].content)
    assert.equal(2, #body.messages[1].extra_content.anthropic.content)
    assert.equal(1, #made.notes)
  end)

  it("keeps cache marks where they stood", function()
    local mark = "'cache_control': {'type': 'ephemeral'}"
    local body = asked(("{'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': 'a', %s}]}],"
      .. "'tools': [{'name': 'f', 'input_schema': {}, %s}]}"):format(mark, mark))
    assert.equal("ephemeral", body.messages[1].content[1].cache_control.type)
    assert.equal("ephemeral", body.tools[1].cache_control.type)
  end)

  local choices = { { "{'type': 'auto'}", "auto" }, { "{'type': 'any'}", "required" },
    { "{'type': 'none'}", "none" },
    { "{'type': 'tool', 'name': 'f'}", { type = "function", ["function"] = { name = "f" } } } }
  for i, row in ipairs(choices) do
    it("turns tool_choice " .. row[1] .. " into OpenAI's", function()
      local body = asked(([[{'messages': [{'role': 'user', 'content': 'x'}],
        'tools': [{'name': 'f', 'input_schema': {'type': 'object'}}], 'tool_choice': %s}]]):format(row[1]))
      assert.same(row[2], body.tool_choice, "row " .. i)
    end)
  end

  it("says how hard to think in both vocabularies", function()
    local body = asked [[{'messages': [{'role': 'user', 'content': 'x'}],
      'thinking': {'type': 'enabled', 'budget_tokens': 8000}}]]
    assert.equal("medium", body.reasoning_effort)
    assert.equal(8000, body.thinking.budget_tokens)
    body = asked [[{'messages': [{'role': 'user', 'content': 'x'}], 'output_config': {'effort': 'max',
      'format': {'type': 'json_schema', 'schema': {'type': 'object'}}}}]]
    assert.equal("max", body.reasoning_effort)
    assert.equal("object", body.response_format.json_schema.schema.type)
    assert.is_nil(body.output_config.format)
  end)

  local faults = {
    { "{'model': 'm'}", "messages: expected at least one message" },
    { "{'messages': [{'role': 'user', 'content': 'x'}]}", "model: " },
    { "{'model': 'm', 'messages': ['x']}", "messages[0]: expected an object" },
    { "{'model': 'm', 'messages': [{'role': 'user', 'content': [{'type': 'smell'}]}]}",
      'messages[0].content[0]: unknown content type "smell"' },
    { "{'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}], 'max_tokens': 'many'}",
      "max_tokens: expected a whole number" },
  }
  for i, row in ipairs(faults) do
    it("is told where it is wrong, fault " .. i, function()
      assert.equal(1, refused(row[1]):find(row[2], 1, true))
    end)
  end
end)

describe("a request to /v1/messages for another vendor", function()
  local translate = room.require "leme.translate"

  local function sent(name, text)
    text = translate.surface_request("messages", (text:gsub("'", '"')), "")
    local made, _, why = translate.request(name, text, { api = "messages", model = "m" })
    return value(assert(made, why))
  end

  it("leaves out marks on tools that Anthropic alone knows", function()
    local text = [[{'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}], 'tools': [{'name': 'f',
      'input_schema': {'type': 'object'}, 'defer_loading': true, 'eager_input_streaming': true,
      'input_examples': [{}], 'allowed_callers': ['direct']}]}]]
    for _, name in ipairs { "openai", "mistral", "qwen" } do
      assert.same({ type = "function", ["function"] = { name = "f", parameters = { type = "object" } } },
        sent(name, text).tools[1])
    end
    assert.is_true(sent("anthropic", text).tools[1].eager_input_streaming)
  end)

  it("names tools in 64 characters, and the client is told its own names", function()
    local long = "mcp__" .. ("x"):rep(70)
    local text = ([[{'model': 'm', 'messages': [{'role': 'assistant', 'content': [{'type': 'tool_use', 'id': 'a',
      'name': 'L', 'input': {}}]}, {'role': 'user', 'content': [{'type': 'tool_result', 'tool_use_id': 'a'}]}],
      'tools': [{'name': 'L', 'input_schema': {'type': 'object'}}],
      'tool_choice': {'type': 'tool', 'name': 'L'}}]]):gsub("L", long)
    local made = sent("openai", text)
    local short = made.tools[1]["function"].name
    assert.equal(64, #short)
    assert.same({ short, short }, { made.tool_choice["function"].name,
      made.messages[1].tool_calls[1]["function"].name })
    assert.equal(long, sent("anthropic", text).tools[1].name)
    local request, call = value((text:gsub("'", '"'))), { index = 0, id = "b",
      ["function"] = { name = short, arguments = "{}" } }
    assert.equal(long, s:answer({ choices = { { message = { tool_calls = { call } },
      finish_reason = "tool_calls" } } }, ctx(request)).content[1].name)
    local state = s:stream(ctx(request))
    local told = state:start() .. state:event { choices = { { index = 0, delta = { tool_calls = { call } } } } }
    assert.is_truthy(told:find('"name":"' .. long .. '"', 1, true))
  end)

  it("is strict in OpenAI's sense only where the schema is", function()
    local text = [[{'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}], 'output_config': {'format':
      {'type': 'json_schema', 'schema': %s}}, 'tools': [{'name': 'f', 'strict': true, 'input_schema': %s}]}]]
    local closed = "{'type': 'object', 'properties': {'a': {'type': 'string'}}, 'required': ['a'],"
      .. " 'additionalProperties': false}"
    local loose = closed:gsub("%['a'%]", "[]")
    local made = sent("openai", text:format(closed, closed))
    assert.is_true(made.response_format.json_schema.strict)
    assert.is_true(made.tools[1]["function"].strict)
    made = sent("openai", text:format(loose, loose))
    assert.is_false(made.response_format.json_schema.strict)
    assert.is_nil(made.tools[1]["function"].strict)
    assert.is_true(sent("anthropic", text:format(loose, loose):gsub("'m'", "'claude-sonnet-4-5'")).tools ~= nil)
  end)

  it("names the user in 64 characters, and turns thinking off", function()
    local made = sent("qwen", ([[{'model': 'm', 'messages': [{'role': 'user', 'content': 'x'}],
      'thinking': {'type': 'disabled'}, 'metadata': {'user_id': '%s'}}]]):format(("u"):rep(150)))
    assert.equal(64, #made.user)
    assert.is_false(made.enable_thinking)
  end)

  it("brings the summary of turns that are gone, and pictures in documents", function()
    local made = sent("openai", [[{'model': 'm', 'messages': [{'role': 'assistant', 'content': [
      {'type': 'compaction', 'content': 'so far'}]}, {'role': 'user', 'content': [{'type': 'document',
      'source': {'type': 'content', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'image', 'source':
      {'type': 'base64', 'media_type': 'image/png', 'data': 'AA'}}]}}]}]}]]).messages
    assert.equal("so far", made[1].content)
    assert.equal("image_url", made[2].content[2].type)
  end)

  it("holds what Anthropic would refuse where a call has another vendor's id", function()
    local _, made = asked [[{'messages': [{'role': 'assistant', 'content': [{'type': 'tool_use',
      'id': 'functions.f:0', 'name': 'f', 'input': {}}]}]}]]
    assert.is_true(made.ours)
  end)
end)

describe("an answer of /v1/messages", function()
  local function answered(message, finish, usage, request)
    return s:answer({ choices = { { message = message, finish_reason = finish } }, usage = usage },
      ctx(request))
  end

  it("shows thoughts, text and calls as blocks", function()
    local body = answered({ reasoning_content = "hm", content = "hi", tool_calls = { { id = "c",
      ["function"] = { name = "f", arguments = '{"a":1}' } } } }, "tool_calls")
    assert.same({ "thinking", "text", "tool_use" },
      { body.content[1].type, body.content[2].type, body.content[3].type })
    assert.same({ a = 1 }, body.content[3].input)
    assert.equal("", body.content[1].signature)
    assert.equal("tool_use", body.stop_reason)
  end)

  it("counts cached tokens apart", function()
    local usage = answered({ content = "x" }, "stop", { prompt_tokens = 100, completion_tokens = 7,
      prompt_tokens_details = { cached_tokens = 60, cache_write_tokens = 10 } }).usage
    assert.same({ 30, 60, 10, 7 }, { usage.input_tokens, usage.cache_read_input_tokens,
      usage.cache_creation_input_tokens, usage.output_tokens })
  end)

  it("counts thoughts", function()
    local usage = answered({ content = "x" }, "stop", { prompt_tokens = 1, completion_tokens = 50,
      completion_tokens_details = { reasoning_tokens = 40 } }).usage
    assert.equal(40, usage.output_tokens_details.thinking_tokens)
  end)

  local stops = { { "stop", "end_turn" }, { "length", "max_tokens" }, { "content_filter", "refusal" },
    { "tool_calls", "end_turn" } }
  for _, row in ipairs(stops) do
    it("ends with " .. row[2] .. " for " .. row[1] .. " without calls", function()
      assert.equal(row[2], answered({ content = "x" }, row[1]).stop_reason)
    end)
  end

  it("names the stop sequence when the server told it", function()
    local body = s:answer({ choices = { { message = { content = "x" }, finish_reason = "stop",
      stop_reason = "END" } } }, ctx { stop_sequences = { "END" } })
    assert.same({ "stop_sequence", "END" }, { body.stop_reason, body.stop_sequence })
  end)

  it("names the stop sequence that Anthropic named", function()
    local body = s:answer({ choices = { { message = { content = "x" }, finish_reason = "stop",
      native_finish_reason = "stop_sequence", stop_reason = "END" } } }, ctx {})
    assert.same({ "stop_sequence", "END" }, { body.stop_reason, body.stop_sequence })
  end)

  it("shows a refusal as text", function()
    local body = answered({ content = NULL, refusal = "no" }, "stop")
    assert.same({ "no", "refusal" }, { body.content[1].text, body.stop_reason })
  end)
end)

describe("a stream of /v1/messages", function()
  it("opens, fills and closes one block after the other", function()
    local list = streamed({ { role = "assistant", content = "" }, { reasoning_content = "hm" },
      { thinking_blocks = { { type = "thinking", thinking = "hm", signature = "S" } } },
      { content = "a" }, { content = "b" } }, "stop")
    assert.equal("<0:thinking hm S > <1:text a b >", outline(list))
    assert.equal("message_start", list[1][1])
    assert.equal("message_stop", list[#list][1])
    assert.equal("end_turn", list[#list - 1][2].delta.stop_reason)
  end)

  it("sorts calls whose pieces come mixed", function()
    local function piece(index, name, text)
      return { tool_calls = { { index = index, id = name and "c" .. index,
        ["function"] = { name = name, arguments = text } } } }
    end
    local list = streamed({ piece(0, "f", ""), piece(1, "g", '{"b"'), piece(0, nil, '{"a":1}'),
      piece(1, nil, ":2}"), piece(2, "h", "") }, "tool_calls")
    assert.equal('<0:f {"a":1} > <1:g {"b" :2} > <2:h >', outline(list))
    assert.equal("tool_use", list[#list - 1][2].delta.stop_reason)
  end)

  it("takes a new id under an old index for a new call", function()
    local function whole(id)
      return { tool_calls = { { index = 0, id = id, ["function"] = { name = id, arguments = "{}" } } } }
    end
    assert.equal("<0:a {} > <1:b {} >", outline(streamed({ whole "a", whole "b" }, "tool_calls")))
  end)

  local MIXED = {
    { "no index, no id", { name = "a", arguments = '{"x":1}' }, { name = "b", arguments = "{}" },
      '<0:a {"x":1} > <1:b {} >' },
    { "one name, no ids", { name = "a", arguments = '{"x":1}' }, { name = "a", arguments = "{}" },
      '<0:a {"x":1} > <1:a {} >' },
    { "a name again and again", { name = "a", arguments = '{"x":' },
      { name = "a", arguments = "{}}" }, '<0:a {"x": {}} >' } }
  for _, row in ipairs(MIXED) do
    it("takes another name, or a new object, for a new call: " .. row[1], function()
      local list = streamed({ { tool_calls = { { ["function"] = row[2] } } },
        { tool_calls = { { ["function"] = row[3] } } } }, "tool_calls")
      assert.equal(row[4], outline(list))
    end)
  end

  it("tells the usage at the end", function()
    local list = streamed({ { content = "a" } }, "stop", { prompt_tokens = 9, completion_tokens = 2 })
    assert.same({ 9, 2 }, { list[#list - 1][2].usage.input_tokens, list[#list - 1][2].usage.output_tokens })
  end)

  it("ends with an error event when the provider fails", function()
    local state = s:stream(ctx())
    state:start()
    local list = events(state:failure("provider_overloaded", 503, "busy"))
    assert.same({ "error", "overloaded_error", "busy" },
      { list[1][1], list[1][2].error.type, list[1][2].error.message })
  end)
end)

describe("an error of /v1/messages", function()
  local rows = { { "caller_invalid_request", 400, "invalid_request_error" },
    { "caller_unauthenticated", 401, "authentication_error" },
    { "provider_model_gone", 404, "not_found_error" }, { "caller_too_large", 413, "request_too_large" },
    { "provider_rate_limited", 429, "rate_limit_error" }, { "gateway_shed", 503, "overloaded_error" },
    { "provider_timeout_idle", 504, "timeout_error" }, { "provider_server_error", 502, "api_error" } }
  for _, row in ipairs(rows) do
    it("is of the type " .. row[3] .. " for " .. row[1], function()
      local body, headers = s.failure(row[1], row[2], "x", "y", "why", ctx())
      assert.same({ "error", row[3], "why", "req_1" },
        { body.type, body.error.type, body.error.message, body.request_id })
      assert.equal("req_1", headers["request-id"])
    end)
  end

  it("tells clients that leave the conversation here to send it whole", function()
    local made, word, message = s:request(value [[{"model":"m","max_tokens":9,
      "thread":{"type":"continue","previous_message_id":"msg_1"},
      "messages":[{"role":"user","content":"and then?"}]}]])
    assert.is_nil(made)
    assert.equal("caller_invalid_request", word)
    local body, _, status = s.failure(word, 400, "", "invalid_request", message, ctx())
    assert.equal(404, status)
    assert.same({ error_code = "thread_not_found" }, body.error.details)
    assert.equal("not_found_error", body.error.type)
    assert.is_nil(s.failure("provider_invalid_request", 400, "", "other", "x", ctx()).error.details)
  end)

  it("takes a conversation that a client would have kept here", function()
    local made = s:request(value [[{"model":"m","max_tokens":9,"thread":{"type":"create"},
      "messages":[{"role":"user","content":"hi"}]}]])
    assert.is_nil(made.body.thread)
    assert.same({ "dropped thread: conversations are not kept here" }, made.notes)
  end)

  it("says that a prompt is too long in the words clients look for", function()
    local body = s.failure("provider_context_too_long", 400, "", "", "9 over 8", ctx())
    assert.equal("prompt is too long: 9 over 8", body.error.message)
  end)
end)

describe("count_tokens", function()
  it("grows with text and never is less than one", function()
    local small = room.surface.count_tokens {}.input_tokens
    local large = room.surface.count_tokens { system = ("word "):rep(100) }.input_tokens
    assert.is_true(small >= 1 and large > small + 100)
  end)
end)

describe("surface.find", function()
  it("names what is known when a name is not", function()
    assert.has_error(function() room.surface.find "mesages" end,
      'unknown surface "mesages"; known are gemini, messages, mistral and responses')
  end)
end)
