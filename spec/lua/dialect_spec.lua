-- leme.dialect: what recordings do not show: settings, repairs, round trips.
-- luacheck: read_globals describe it assert

local json = require "dkjson"

local ROOT = debug.getinfo(1, "S").source:sub(2):match "^(.*)spec/lua/[^/]*$" or "./"
local NULL = io.stderr -- any value that is no table, as in the engine
local ARRAY = { __jsontype = "array" }

local host = { null = NULL, wall = function() return 1700000000 end,
  array = function(t) return setmetatable(t, ARRAY) end,
  encode = function(value)
    if type(value) == "table" and next(value) == nil and not getmetatable(value) then return "{}" end
    return (json.encode(value, { exception = function(_, given)
      return given == NULL and "null" or nil
    end }))
  end,
  decode = function(text)
    local value, _, message = json.decode(text, 1, NULL)
    if message then return nil, message end
    return value
  end }

local loaded = {}
local function load_leme(name)
  if loaded[name] then return loaded[name] end
  local env = setmetatable({ host = host, require = load_leme }, { __index = _G })
  local path = ROOT .. "lua/" .. name:gsub("%.", "/") .. ".lua"
  loaded[name] = assert(loadfile(path, "t", env))()
  return loaded[name]
end

local dialect = load_leme "leme.dialect"
local fold = load_leme "leme.dialect.fold"

local function user(text, more)
  local body = { model = "m", messages = { { role = "user", content = text or "hi" } } }
  for key, value in pairs(more or {}) do body[key] = value end
  return body
end

local function request(name, body, facts)
  facts = facts or {}
  facts.model = facts.model or body.model
  return dialect.find(name):request(body, facts)
end

local function notes(result) return table.concat(result.notes, "\n") end

local TOOL = { type = "function", ["function"] = { name = "look", parameters = {
  type = "object", properties = { at = { type = "string" } } } } }

local function loop_body(id, more)
  local call = { id = id, type = "function",
    ["function"] = { name = "look", arguments = '{"at":"x"}' } }
  local body = { model = "m", tools = { TOOL }, messages = {
    { role = "user", content = "look" },
    { role = "assistant", content = NULL, tool_calls = { call } },
    { role = "tool", tool_call_id = id, content = "seen" } } }
  for key, value in pairs(more or {}) do body.messages[2][key] = value end
  return body
end

describe("names", function()
  it("finds every name it lists", function()
    for _, name in ipairs(dialect.names()) do
      local d = dialect.find(name)
      assert.is_function(d.request)
      assert.is_string(d.wire)
      assert.is_string(d.auth.header)
    end
  end)

  it("says what was meant by a name that is nearly right", function()
    for wrong, right in pairs { antropic = "anthropic", mistrl = "mistral", qwn = "qwen" } do
      local ok, message = pcall(dialect.find, wrong)
      assert.is_false(ok)
      assert.is_truthy(message:find('did you mean "' .. right .. '"', 1, true), message)
    end
  end)
end)

describe("what a target cannot do", function()
  local WISH = { seed = 7, n = 2, response_format = { type = "json_object" } }

  it("is left out and noted when it is to be dropped", function()
    local made = request("anthropic", user("hi", WISH), { unsupported = "drop" })
    assert.is_truthy(notes(made):find "dropped seed")
    assert.is_truthy(notes(made):find "dropped response_format json_object")
    assert.is_nil(made.body.system)
  end)

  it("is replaced by the nearest thing when it is to be mapped", function()
    local made = request("anthropic", user("hi", WISH), { unsupported = "map" })
    assert.is_truthy(made.body.system:find "JSON")
    assert.is_truthy(notes(made):find "mapped response_format json_object")
  end)

  it("refuses the request when it is to be refused", function()
    local made, why = request("anthropic", user("hi", WISH), { unsupported = "refuse" })
    assert.is_nil(made)
    assert.equal("provider_invalid_request", why.error)
  end)

  it("is not what is at its default", function()
    local body = user("hi", { n = 1, logprobs = false, presence_penalty = 0, logit_bias = {},
      service_tier = "auto", seed = NULL })
    for _, name in ipairs { "anthropic", "gemini", "mistral", "cohere", "openai" } do
      assert.is_table(request(name, body, { unsupported = "refuse" }), name)
    end
  end)

  it("blames the client for a body that is broken for everyone", function()
    for _, name in ipairs { "anthropic", "gemini", "cohere", "openai" } do
      local _, why = request(name, { model = "m", messages = { "hi" } })
      assert.equal("caller_invalid_request", why.error)
    end
  end)
end)

describe("limits", function()
  local ROWS = {
    { "qwen", "qwen-max", 20000, 8192 }, { "qwen", "qwen-turbo", 20000, 16384 },
    { "qwen", "qwen3-max", 20000, 20000 }, { "mistral", "mistral-large", 99, 99 } }

  it("clamps the output to what the model gives", function()
    for _, row in ipairs(ROWS) do
      local made = request(row[1], user("hi", { max_completion_tokens = row[3] }), { model = row[2] })
      assert.equal(row[4], made.edits.max_tokens, row[2])
      assert.equal(NULL, made.edits.max_completion_tokens)
      assert.equal(row[3] ~= row[4], notes(made):find "clamped max_tokens" ~= nil)
    end
  end)

  it("takes the configured limit before its own", function()
    local made = request("anthropic", user("hi", { max_tokens = 900 }), { max_output = 500 })
    assert.equal(500, made.body.max_tokens)
  end)

  it("gives Anthropic the model's limit when the client named none", function()
    local made = request("anthropic", user(), { model = "claude-3-haiku-20240307" })
    assert.equal(4096, made.body.max_tokens)
  end)

  it("renames the limit for models that reason", function()
    local made = request("openai", user("hi", { max_tokens = 50, temperature = 0.3 }),
      { model = "gpt-5.2" })
    assert.equal(50, made.edits.max_completion_tokens)
    assert.equal(NULL, made.edits.max_tokens)
    assert.equal(NULL, made.edits.temperature)
    assert.same({}, request("openai", user("hi", { max_tokens = 50 }), { model = "gpt-4o" }).edits)
  end)
end)

describe("vendors of OpenAI's format", function()
  it("leave a body alone that needs nothing", function()
    for _, name in ipairs { "openai", "deepseek", "qwen", "groq", "mistral", "vllm", "xai" } do
      assert.same({}, request(name, user("hi", { temperature = 0.5 })).edits, name)
    end
  end)

  it("get tool ids of nine letters at Mistral, the same for call and result", function()
    local list = request("mistral", loop_body "call_abc-123").edits.messages
    local id = list[2].tool_calls[1].id
    assert.is_truthy(id:find "^%w%w%w%w%w%w%w%w%w$")
    assert.equal(id, list[3].tool_call_id)
    assert.equal(id, request("mistral", loop_body "call_abc-123").edits.messages[3].tool_call_id)
  end)

  it("send DeepSeek's thoughts back inside a tool loop, and nobody else's", function()
    local body = loop_body("c1", { reasoning_content = "hm" })
    assert.same({}, request("deepseek", body, { model = "deepseek-reasoner" }).edits)
    assert.is_nil(request("deepseek", body, { model = "deepseek-chat" })
      .edits.messages[2].reasoning_content)
    assert.is_nil(request("mistral", body).edits.messages[2].reasoning_content)
    assert.equal("", request("deepseek", loop_body "c1", { model = "deepseek-reasoner" })
      .edits.messages[2].reasoning_content)
  end)

  it("mend arguments in the history", function()
    for _, said in ipairs { '"{\\"at\\":\\"x\\"}"', { at = "x" } } do
      local body = loop_body "c1"
      body.messages[2].tool_calls[1]["function"].arguments = said
      local call = request("qwen", body).edits.messages[2].tool_calls[1]
      assert.same({ at = "x" }, host.decode(call["function"].arguments))
    end
  end)

  it("tell Qwen to think and not to", function()
    local on = request("qwen", user("hi", { reasoning_effort = "low" })).edits
    assert.is_true(on.enable_thinking)
    local off = request("qwen", user(), { model = "qwen3-32b" }).edits
    assert.is_false(off.enable_thinking)
    assert.is_true(request("qwen", user(), { model = "qwq-plus" }).stream_only)
  end)

  it("get functions as tools, and answer with function_call", function()
    local facts = {}
    local body = user("hi", { functions = { { name = "look" } }, function_call = { name = "look" } })
    local made = request("mistral", body, facts)
    assert.equal("look", made.edits.tools[1]["function"].name)
    local answer = dialect.find("mistral"):answer(host.encode { choices = { { index = 0,
      finish_reason = "tool_calls", message = { tool_calls = { { id = "a",
        ["function"] = { name = "look", arguments = "{}" } } } } } } }, facts)
    assert.equal("look", answer.choices[1].message.function_call.name)
    assert.equal("function_call", answer.choices[1].finish_reason)
  end)
end)

describe("Anthropic", function()
  it("gets ids it can read, paired as they were", function()
    local made = request("anthropic", loop_body "functions.look:0").body
    local id = made.messages[2].content[1].id
    assert.is_nil(id:find "[^%w_-]")
    assert.equal(id, made.messages[3].content[1].tool_use_id)
  end)

  it("gets a result for a call that has none", function()
    local body = loop_body "c1"
    body.messages[3] = { role = "user", content = "never mind" }
    local turn = request("anthropic", body).body.messages[3]
    assert.equal("tool_result", turn.content[1].type)
    assert.is_true(turn.content[1].is_error)
    assert.equal("never mind", turn.content[2].text)
  end)

  it("gets its signed thoughts back", function()
    local blocks = { { type = "thinking", thinking = "hm", signature = "s" } }
    local made = request("anthropic", loop_body("c1", { thinking_blocks = blocks })).body
    assert.same(blocks[1], made.messages[2].content[1])
  end)

  it("gets a whole turn back that OpenAI has no words for, unless it was edited", function()
    local d = dialect.find "anthropic"
    local content = { { type = "server_tool_use", id = "s1", name = "web_search", input = { q = "x" } },
      { type = "web_search_tool_result", tool_use_id = "s1", content = { { url = "u" } } },
      { type = "text", text = "found" } }
    local answer = d:answer(host.encode { id = "m", type = "message", content = content,
      stop_reason = "end_turn", usage = { input_tokens = 1, output_tokens = 2 } }, {})
    local said = answer.choices[1].message
    local body = user()
    body.messages[2], body.messages[3] = said, { role = "user", content = "go on" }
    assert.equal("web_search", d:request(body, {}).body.messages[2].content[1].name)
    said.content = "edited"
    assert.equal("edited", d:request(body, {}).body.messages[2].content)
  end)

  it("stops thinking in a loop whose thoughts were lost", function()
    local body = loop_body "c1"
    body.reasoning_effort = "low"
    local made = request("anthropic", body, { model = "claude-sonnet-4-5" })
    assert.is_nil(made.body.thinking)
    assert.is_truthy(notes(made):find "thinking_blocks")
    -- Also when the client has said it in Anthropic's own words.
    body = loop_body "c1"
    body.model, body.thinking = "claude-sonnet-4-5", { type = "enabled", budget_tokens = 2000 }
    made = request("anthropic", body)
    assert.is_nil(made.body.thinking)
    assert.is_truthy(notes(made):find "thinking_blocks")
  end)

  it("is made to call a tool where it has no structured output, and is read back", function()
    local facts = { model = "claude-3-haiku-20240307" }
    local made = request("anthropic", user("hi", { response_format = { type = "json_schema",
      json_schema = { name = "city", schema = { type = "object" } } } }), facts)
    assert.same({ type = "tool", name = "city" }, made.body.tool_choice)
    local answer = dialect.find("anthropic"):answer(host.encode { type = "message",
      content = { { type = "tool_use", id = "t", name = "city", input = { a = 1 } } },
      stop_reason = "tool_use" }, facts)
    assert.equal('{"a":1}', answer.choices[1].message.content)
    assert.equal("stop", answer.choices[1].finish_reason)
  end)

  -- Each of these is a 400 of Anthropic's.
  it("gets no message of white space alone", function()
    local body = loop_body("c1", { content = "\n\n" })
    table.insert(body.messages, 1, { role = "system", content = " " })
    local made = request("anthropic", body).body
    assert.is_nil(made.system)
    assert.equal("tool_use", made.messages[2].content[1].type)
    -- Beside other text it may stand.
    made = request("anthropic", user { { type = "text", text = "a" }, { type = "text", text = "\n" } }).body
    assert.equal("\n", made.messages[1].content[2].text)
  end)

  it("gets files as what they are", function()
    local function block(part)
      return request("anthropic", user { part, { type = "text", text = "?" } }).body.messages[1].content[1]
    end
    assert.same({ type = "document", title = "a.txt", source = { type = "text", media_type = "text/plain",
      data = "hello" } }, block { type = "file", file = { filename = "a.txt",
      file_data = "data:text/plain;base64,aGVsbG8=" } })
    assert.equal("text", block { type = "file", file = { filename = "a.json",
      file_data = "data:application/json;base64,e30=" } }.source.type)
    assert.equal("image/jpeg", block { type = "image_url",
      image_url = { url = "data:image/jpg;base64,AA" } }.source.media_type)
    assert.equal("document", block { type = "image_url",
      image_url = { url = "data:application/pdf;base64,AA" } }.type)
  end)

  it("gets schemas in the words it knows, of strict tools too", function()
    local schema = { type = "object", additionalProperties = false, required = { "n" }, properties = {
      n = { oneOf = { { type = "integer", minimum = 1 }, { type = "string", format = "uri-reference" } } },
      o = { type = { "object", "null" }, properties = {} } } }
    local want = { anyOf = { { type = "integer" }, { type = "string" } } }
    local body = user("hi", { tools = { { type = "function", ["function"] = { name = "f", strict = true,
      parameters = schema } } }, response_format = { type = "json_schema", json_schema = { name = "a",
      schema = schema } } })
    local made = request("anthropic", body, { model = "claude-sonnet-4-5" }).body
    for _, got in ipairs { made.tools[1].input_schema, made.output_config.format.schema } do
      assert.same(want, got.properties.n)
      assert.is_false(got.properties.o.additionalProperties)
    end
    assert.is_true(made.tools[1].strict)
  end)

  it("gets an effort that the model has, whoever named it", function()
    local function effort(model, level)
      return (request("anthropic", user("hi", { output_config = { effort = level } }),
        { model = model }).body.output_config or {}).effort
    end
    assert.is_nil(effort("claude-haiku-4-5", "high"))
    assert.equal("high", effort("claude-opus-4-6", "xhigh"))
    assert.equal("xhigh", effort("claude-opus-4-8", "xhigh"))
  end)

  it("gets an opaque user", function()
    local function id(name) return request("anthropic", user("hi", { user = name })).body.metadata.user_id end
    assert.is_nil(id "ann@example.com":find "@")
    assert.equal(32, #id(("x"):rep(300)))
    assert.equal("u-1", id "u-1")
  end)

  it("gets results only for calls of the turn before", function()
    local function call(id) return { role = "assistant", content = NULL, tool_calls = {
      { id = id, type = "function", ["function"] = { name = "look", arguments = "{}" } } } } end
    local function result(id) return { role = "tool", tool_call_id = id, content = id } end
    local made = request("anthropic", { model = "m", tools = { TOOL }, messages = {
      { role = "user", content = "q" }, call "a", call "b", result "a", result "b" } }).body.messages
    assert.equal(3, #made)
    assert.same({ "a", "b" }, { made[2].content[1].id, made[2].content[2].id })
    assert.same({ "a", "b" }, { made[3].content[1].content, made[3].content[2].content })
    made = request("anthropic", { model = "m", tools = { TOOL }, messages = { { role = "user", content = "q" },
      call "a", { role = "user", content = "x" }, { role = "assistant", content = "y" },
      result "a" } }).body.messages
    for _, block in ipairs(made[5].content) do assert.equal("text", block.type) end
  end)

  it("says by which stop sequence it was stopped, and reads arguments that are text", function()
    local answer = dialect.find("anthropic"):answer(host.encode { type = "message", content = {
      { type = "tool_use", id = "t", name = "f", input = '{"a":1}' } }, stop_reason = "stop_sequence",
      stop_sequence = "END" }, {})
    assert.equal("END", answer.choices[1].stop_reason)
    assert.equal('{"a":1}', answer.choices[1].message.tool_calls[1]["function"].arguments)
  end)

  it("is out of credit when its limit of spending is reached", function()
    local word = dialect.find("anthropic"):error(400, host.encode { type = "error", error = {
      type = "invalid_request_error", message = "You have reached your specified API usage limits."
      .. " You will regain access on 2026-04-01 at 00:00 UTC." } })
    assert.equal("provider_billing", word)
  end)

  local function stream(events)
    local state = dialect.find("anthropic"):stream {}
    for _, event in ipairs(events) do
      local chunks, word, message = state:event("", host.encode(event))
      if not chunks then return nil, word, message end
    end
    return state:finish()
  end

  it("reports an error in a stream, and a stream that was cut", function()
    local start = { type = "message_start", message = { id = "m", usage = {} } }
    local _, word = stream { start, { type = "error",
      error = { type = "overloaded_error", message = "Overloaded" } } }
    assert.equal("provider_overloaded", word)
    _, word = stream { start }
    assert.equal("provider_cut_stream", word)
  end)
end)

describe("OpenAI's models that reason", function()
  for model, taken in pairs { ["gpt-4o"] = true, ["gpt-5-mini"] = false, o3 = false, ["o3-mini"] = true,
      ["gpt-5.5"] = true } do
    it(model .. (taken and " take" or " get no") .. " stop sequences", function()
      local made = request("openai", user("hi", { stop = { "END" } }), { model = model })
      assert.equal(taken, made.edits.stop == nil)
    end)
  end
end)

describe("Gemini", function()
  it("gets the thought signature of a call back", function()
    local d = dialect.find "gemini"
    local answer = d:answer(host.encode { candidates = { { finishReason = "STOP", content = {
      parts = { { functionCall = { name = "look", args = {} }, thoughtSignature = "sig" } } } } } }, {})
    local call = answer.choices[1].message.tool_calls[1]
    local body = loop_body(call.id)
    body.messages[2] = answer.choices[1].message
    local made = d:request(body, { model = "gemini-3-pro" }).body
    assert.equal("sig", made.contents[2].parts[1].thoughtSignature)
    assert.equal("look", made.contents[3].parts[1].functionResponse.name)
    assert.same({ result = "seen" }, made.contents[3].parts[1].functionResponse.response)
  end)

  it("calls a function by a name it takes, and gives the client its own back", function()
    local facts = { model = "gemini-2.5-flash" }
    local tool = { type = "function", ["function"] = { name = "2look" } }
    local made = request("gemini", user("hi", { tools = { tool } }), facts)
    assert.equal("_2look", made.body.tools[1].functionDeclarations[1].name)
    local answer = dialect.find("gemini"):answer(host.encode { candidates = { { finishReason = "STOP",
      content = { parts = { { functionCall = { name = "_2look" } } } } } } }, facts)
    assert.equal("2look", answer.choices[1].message.tool_calls[1]["function"].name)
  end)

  it("streams and asks once in different places", function()
    assert.equal("/models/m:generateContent", request("gemini", user()).path)
    assert.equal("/models/m:streamGenerateContent?alt=sse",
      request("gemini", user("hi", { stream = true })).path)
  end)
end)

describe("answers in OpenAI's format", function()
  local d = dialect.find "compatible"

  local function pieces(list)
    local state, whole = d:stream {}, fold.new()
    local function take(chunks)
      for _, chunk in ipairs(assert(chunks)) do whole:add(chunk) end
    end
    for _, delta in ipairs(list) do
      take(state:event("", host.encode { id = "c", choices = { { index = 0, delta = delta } } }))
    end
    take(state:event("", host.encode { choices = { { index = 0, delta = {}, finish_reason = "stop" } } }))
    take(state:event("", "[DONE]"))
    take(state:finish())
    return whole:answer().choices[1]
  end

  local function call(index, id, name, arguments)
    return { tool_calls = { { index = index, id = id,
      ["function"] = { name = name, arguments = arguments } } } }
  end

  it("keep the first id and name of a call", function()
    local choice = pieces { call(0, "a", "look", ""), call(0, "", "", '{"x":'), call(0, "", nil, "1}") }
    local made = choice.message.tool_calls[1]
    assert.equal("a", made.id)
    assert.equal("look", made["function"].name)
    assert.equal('{"x":1}', made["function"].arguments)
    assert.equal("tool_calls", choice.finish_reason)
  end)

  it("tell calls apart that share an index", function()
    local calls = pieces { call(0, "a", "look", "{}"), call(0, "b", "see", "{}") }.message.tool_calls
    assert.equal(2, #calls)
    assert.equal("see", calls[2]["function"].name)
  end)

  it("give calls without ids, or with the same one, ids of their own", function()
    local calls = pieces { call(0, nil, "look", "{}"), call(1, "a", "see", "{}"),
      call(2, "a", "go", "{}") }.message.tool_calls
    assert.is_truthy(calls[1].id:find "^call_")
    assert.are_not.equal(calls[2].id, calls[3].id)
  end)

  it("give arguments as JSON text, whatever their spelling", function()
    for said, want in pairs { [""] = "{}", ["null"] = "{}", ['"{\\"x\\":1}"'] = '{"x":1}' } do
      local made = pieces { call(0, "a", "look", said) }.message.tool_calls[1]
      assert.equal(want, made["function"].arguments)
    end
  end)

  it("say an error that came with 200", function()
    local _, word = d:answer('{"error":{"message":"no","code":429}}', {})
    assert.equal("provider_rate_limited", word)
    _, word = d:answer("<html>", {})
    assert.equal("provider_bad_response", word)
  end)
end)

describe("errors", function()
  local ROWS = {
    { 400, '{"error":{"message":"prompt is too long: 9 > 8"}}', "provider_context_too_long" },
    { 400, '[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]',
      "provider_auth" },
    { 429, '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q","details":'
      .. '[{"retryDelay":"34.4s"}]}}', "provider_rate_limited", 34.4 },
    { 529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
      "provider_overloaded" },
    { 400, '{"code":"invalid-argument","error":"bad"}', "provider_invalid_request" },
    { 502, "<html><title>Bad Gateway</title></html>", "provider_server_error" },
    { 422, '{"object":"Error","message":[{"loc":["a"],"msg":"Extra"}]}', "provider_invalid_request" },
    { 400, '{"error":{"message":"{\\"error\\":{\\"message\\":\\"inner\\"}}"}}',
      "provider_invalid_request" },
    { 402, "", "provider_billing" }, { 413, "", "provider_context_too_long" },
    { 408, "", "provider_timeout_total" },
    { 504, '{"type":"error","error":{"type":"timeout_error","message":"late"}}',
      "provider_timeout_total" },
    { 403, '{"error":{"message":"Input was flagged","code":403,"metadata":{"reasons":["violence"],'
      .. '"provider_name":"x"}}}', "provider_content_filtered" },
    { 400, '{"error":{"code":"1301","message":"unsafe"}}', "provider_content_filtered" },
    { 429, '{"error":{"code":"1113","message":"recharge"}}', "provider_billing" },
    { 400, '{"error":{"code":"1211","message":"no"}}', "provider_model_gone" },
    { 403, '{"error":{"message":"no","code":403,"metadata":{"reasons":[]}}}', "provider_auth" },
    { 400, '{"type":"error","error":{"type":"invalid_request_error",'
      .. '"message":"Output blocked by content filtering policy"}}', "provider_content_filtered" },
    { 400, '{"error":{"message":"Content Exists Risk","type":"invalid_request_error"}}',
      "provider_content_filtered" },
    { 400, '{"code":"x","error":"This model\'s maximum prompt length is 131072."}',
      "provider_context_too_long" } }

  it("have one word, a sentence and a wait", function()
    local sentences = { [6] = "Bad Gateway", [7] = "Extra", [8] = "inner" }
    for i, row in ipairs(ROWS) do
      local word, message, _, _, wait = dialect.find("openai"):error(row[1], row[2])
      assert.equal(row[3], word, "row " .. i)
      assert.equal(row[4], wait)
      if sentences[i] then assert.equal(sentences[i], message) end
    end
  end)
end)

describe("liberties that recordings do not show", function()
  local function chunk(delta, finish)
    return { nil, host.encode { id = "1", created = 1, model = "m", choices = {
      { index = 0, delta = delta, finish_reason = finish or NULL } } } }
  end

  local function said(name, chunks)
    local d = dialect.find(name)
    local state, folded = d:stream { model = "m" }, fold.new()
    local function take(list, err)
      if not list then return err end
      for _, one in ipairs(list) do folded:add(one) end
    end
    for _, one in ipairs(chunks) do
      local err = take(state:event(one[1], one[2]))
      if err then return nil, err end
    end
    local err = take(state:finish())
    if err then return nil, err end
    return folded:answer().choices[1]
  end

  local function call(index, id, name, arguments)
    return { tool_calls = { { index = index, id = id, type = "function",
      ["function"] = { name = name, arguments = arguments } } } }
  end

  local CALLS = {
    { "no index, no id", call(nil, "", "a", '{"x":1}'), call(nil, "", "b", '{"y":2}') },
    { "one index, no id", call(0, "", "a", '{"x":1}'), call(0, "", "b", '{"y":2}') },
    { "one index, one name", call(0, nil, "a", '{"x":1}'), call(0, nil, "a", '{"y":2}') },
    { "no index", call(nil, "c", "a", '{"x":1}'), call(nil, "d", "a", '{"y":2}') },
    { "one id, two names", call(0, "c", "a", '{"x":1}'), call(0, "c", "b", '{"y":2}') } }
  for _, row in ipairs(CALLS) do
    it("keeps calls apart: " .. row[1], function()
      local made = said("compatible", { chunk(row[2]), chunk(row[3]), chunk({}, "tool_calls"),
        { nil, "[DONE]" } })
      local calls = made.message.tool_calls
      assert.same({ 2, '{"x":1}', '{"y":2}' }, { #calls, calls[1]["function"].arguments,
        calls[2]["function"].arguments })
    end)
  end

  it("keeps one call together whose name is said again", function()
    local made = said("compatible", { chunk(call(0, "c", "a", '{"x":{"y":1}')),
      chunk(call(0, "c", "a", "}")), chunk({}, "tool_calls") })
    assert.same({ 1, '{"x":{"y":1}}' }, { #made.message.tool_calls,
      made.message.tool_calls[1]["function"].arguments })
  end)

  it("tells calls that Google's compatible face could not make from empty answers", function()
    local _, err = said("gemini-openai", { chunk({}, "function_call_filter: MALFORMED_FUNCTION_CALL") })
    assert.equal("provider_bad_response", err)
    local _, whole = dialect.find "gemini-openai":answer(host.encode { choices = { { index = 0,
      message = { role = "assistant" },
      finish_reason = "function_call_filter: MALFORMED_FUNCTION_CALL" } } }, {})
    assert.equal("provider_bad_response", whole)
  end)

  it("does not let a count of nothing replace what was counted", function()
    local d = dialect.find "compatible"
    local state = d:stream { model = "m" }
    for _, usage in ipairs { { prompt_tokens = 7, completion_tokens = 2, total_tokens = 9 },
      { prompt_tokens = 0, completion_tokens = 0, total_tokens = 0 } } do
      assert(state:event(nil, host.encode { choices = { { index = 0, delta = { content = "x" },
        finish_reason = "stop" } }, usage = usage }))
    end
    local list = assert(state:finish())
    assert.equal(9, list[#list].usage.total_tokens)
  end)

  local REASONS = { { "zai", "sensitive", "content_filter" },
    { "zai", "model_context_window_exceeded", "length" },
    { "gemini-openai", "content_filter: SAFETY", "content_filter" } }
  for _, row in ipairs(REASONS) do
    it("reads the reason " .. row[2], function()
      assert.equal(row[3], said(row[1], { chunk { content = "x" }, chunk({}, row[2]) }).finish_reason)
    end)
  end

  it("fails when Z.ai's own network did", function()
    local _, err = said("zai", { chunk { content = "x" }, chunk({}, "network_error") })
    assert.equal("provider_server_error", err)
  end)

  it("reads thoughts beside an empty reasoning_content", function()
    assert.equal("hm", said("compatible", { chunk { reasoning_content = "", reasoning = "hm" },
      chunk { content = "x" }, chunk({}, "stop") }).message.reasoning_content)
  end)

  it("reads DashScope's own errors under status 200", function()
    local text = '{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded"}'
    local _, err = dialect.find "qwen":answer(text, {})
    assert.equal("provider_rate_limited", err)
    _, err = said("qwen", { { nil, text } })
    assert.equal("provider_rate_limited", err)
  end)

  it("reads MiniMax's errors under status 200", function()
    local text = '{"choices":null,"base_resp":{"status_code":1008,"status_msg":"no balance"}}'
    local _, err, message = dialect.find "compatible":answer(text, {})
    assert.same({ "provider_billing", "no balance" }, { err, message })
    _, err = said("compatible", { { nil, text } })
    assert.equal("provider_billing", err)
    assert(dialect.find "compatible":answer('{"choices":[{"message":{"content":"x"}}],'
      .. '"base_resp":{"status_code":0,"status_msg":""}}', {}))
  end)

  it("counts embeddings that only have a total", function()
    local made = dialect.find "compatible":embedded(
      '{"data":[{"embedding":[1]}],"usage":{"total_tokens":9}}', {})
    assert.same({ prompt_tokens = 9, total_tokens = 9 }, made.usage)
  end)
end)

describe("what strict vendors refuse", function()
  it("is not sent to Groq", function()
    local made = request("groq", user("hi", { verbosity = "low", prompt_cache_key = "k" }))
    assert.same({ NULL, NULL }, { made.edits.verbosity, made.edits.prompt_cache_key })
    local body = user()
    body.messages[2] = { role = "assistant", content = "a", annotations = {}, refusal = NULL }
    assert.same({ role = "assistant", content = "a" }, request("groq", body).edits.messages[2])
  end)

  it("is a name of anyone but a tool at Mistral", function()
    local body = user()
    body.messages[1].name = "bob"
    assert.is_nil(request("mistral", body).edits.messages[1].name)
  end)

  it("is a custom tool where there are only functions", function()
    local custom = { type = "custom", custom = { name = "p" } }
    local body = user("hi", { tools = { custom, TOOL }, tool_choice = { type = "custom",
      custom = { name = "p" } } })
    body.messages[2] = { role = "assistant", tool_calls = { { id = "c", type = "custom",
      custom = { name = "p", input = "in" } } } }
    body.messages[3] = { role = "tool", tool_call_id = "c", content = "out" }
    body.messages[4] = { role = "user", content = "so?" }
    for _, name in ipairs { "qwen", "mistral" } do
      local made = request(name, body)
      assert.same({ { TOOL }, NULL, "dropped custom tools: not supported by " .. name },
        { made.edits.tools, made.edits.tool_choice, made.notes[1] })
      local call, result = made.edits.messages[2].tool_calls[1], made.edits.messages[3]
      assert.same({ "p", '{"input":"in"}', call.id }, { call["function"].name,
        call["function"].arguments, result.tool_call_id })
    end
    assert.is_nil(request("azure", body).edits.tools)
    assert.equal(NULL, request("qwen", user("x", { tools = { custom } })).edits.tools)
  end)

  it("is nothing of sampling for Grok when it does not think", function()
    assert.is_nil(request("xai", user("x", { stop = "a" }), { model = "grok-4-1-fast-non-reasoning" })
      .edits.stop)
    assert.equal(NULL, request("xai", user("x", { stop = "a" }), { model = "grok-4" }).edits.stop)
  end)

  it("is a choice among some of the tools", function()
    local other = { type = "function", ["function"] = { name = "g" } }
    local body = user("hi", { tools = { TOOL, other }, tool_choice = { type = "allowed_tools",
      allowed_tools = { mode = "required", tools = { { type = "function",
        ["function"] = { name = "g" } } } } } })
    for name, word in pairs { deepseek = "required", mistral = "any", qwen = "auto" } do
      local made = request(name, body)
      assert.same({ word, { other } }, { made.edits.tool_choice, made.edits.tools }, name)
    end
    assert.is_nil(request("openai", body).edits.tool_choice)
  end)
end)

describe("text completions by models that chat", function()
  local translate = load_leme "leme.translate"
  local FACTS = { api = "completions", model = "m" }

  it("are asked for as chats, without what only a continued text has", function()
    local text, path, _, left = translate.request("gemini", host.encode { model = "m",
      prompt = "tell", suffix = "!", echo = true, best_of = 1, logprobs = 2 }, FACTS)
    local body = host.decode(text)
    assert.equal("tell", body.contents[1].parts[1].text)
    assert.same({ true, 2 }, { body.generationConfig.responseLogprobs, body.generationConfig.logprobs })
    assert.matches("generateContent$", path)
    assert.matches("dropped suffix", left)
    assert.matches("dropped echo", left)
    assert.is_nil(left:find("best_of", 1, true))
  end)

  it("are refused for several prompts, and for tokens", function()
    for _, prompt in ipairs { { "a", "b" }, { 1, 2 }, {} } do
      local body, word = translate.request("anthropic", host.encode { model = "m", prompt = prompt },
        FACTS)
      assert.same({ nil, "caller_invalid_request" }, { body, word })
    end
  end)

  it("tell log probabilities as texts do", function()
    local answer = host.decode((translate.answer("gemini", host.encode { candidates = { {
      finishReason = "STOP", content = { parts = { { text = "ab" } } }, logprobsResult = {
        chosenCandidates = { { token = "a", logProbability = -1 }, { token = "b",
          logProbability = -2 } } } } } }, FACTS)))
    local logprobs = answer.choices[1].logprobs
    assert.same({ "a", "b" }, { table.unpack(logprobs.tokens) })
    assert.same({ -1, -2 }, { table.unpack(logprobs.token_logprobs) })
    assert.same({ 0, 1 }, { table.unpack(logprobs.text_offset) })
  end)
end)
