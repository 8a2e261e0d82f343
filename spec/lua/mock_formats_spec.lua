-- leme.mock: each provider's wire format as its own clients expect it, and the same
-- strictness about what is asked. The shapes stand here as the vendors document them;
-- leme's dialects are not asked.
package.path = "./spec/lua/?.lua;" .. package.path
local json = require "dkjson"
local world = require "world"
local room = world.room { targets = { "a/1" } }
local mock = room.require "leme.mock_answers"

local function dice() return 0.5 end

local function ask(path, request, options, headers)
  local plan = mock.answer(request, path, options, dice, headers)
  return plan, plan.body and json.decode(plan.body)
end

-- The data of a stream's events.
local function events(plan)
  local list = {}
  for _, event in ipairs(plan.stream) do
    for data in event.data:gmatch "data: ([^\r\n]+)" do list[#list + 1] = json.decode(data) or data end
  end
  return list
end

local function chat(content, more)
  local request = more or {}
  request.model = request.model or "m"
  request.messages = { { role = "user", content = content } }
  return request
end

local function gemini(text, more)
  local request = more or {}
  request.contents = { { role = "user", parts = { { text = text } } } }
  return request
end

local SCHEMA = { type = "object", properties = { city = { type = "string" } } }
local TOOL = { type = "function", ["function"] = { name = "weather", parameters = SCHEMA } }
local DECLARED = { { functionDeclarations = { { name = "weather", parameters = SCHEMA } } } }
local GENERATE = "/v1beta/models/%s:generateContent"
local STREAM = "/v1beta/models/%s:streamGenerateContent?alt=sse"

local function call(id, arguments)
  return { role = "assistant", tool_calls = { { id = id, type = "function",
    ["function"] = { name = "weather", arguments = arguments or "{}" } } } }
end

describe("the mock of Anthropic", function()
  local function message(more)
    local request = chat("hello", more)
    request.max_tokens = request.max_tokens or 100
    return request
  end

  it("answers with blocks, a stop reason and its usage", function()
    local _, body = ask("/v1/messages", message())
    assert.equal("message", body.type)
    assert.equal("text", body.content[1].type)
    assert.equal("end_turn", body.stop_reason)
    assert.is_true(body.usage.input_tokens > 0)
    assert.equal("max_tokens", select(2, ask("/v1/messages", message { max_tokens = 1 })).stop_reason)
  end)

  it("streams its events in order, each with its name", function()
    local plan = ask("/v1/messages", message { stream = true, tools = { { name = "hello",
      input_schema = SCHEMA } }, thinking = { type = "adaptive" } })
    local kinds, seen = {}, {}
    for _, event in ipairs(plan.stream) do
      local name, data = event.data:match "^event: (%S+)\ndata: (.+)\n\n$"
      assert.equal(name, json.decode(data).type)
      if not seen[name] then kinds[#kinds + 1] = name end
      seen[name] = true
    end
    assert.same({ "message_start", "content_block_start", "ping", "content_block_delta",
      "content_block_stop", "message_delta", "message_stop" }, kinds)
    local text = ""
    for _, event in ipairs(events(plan)) do
      if event.delta and event.delta.partial_json then text = text .. event.delta.partial_json end
    end
    assert.same({ city = "example" }, json.decode(text))
  end)

  it("refuses what Anthropic refuses", function()
    local used = { role = "assistant", content = { { type = "tool_use", id = "a:1",
      name = "weather", input = {} } } }
    local rows = {
      { "max_tokens: Field required", { messages = { { role = "user", content = "x" } } } },
      { "seed: Extra inputs", message { seed = 1 } },
      { "temperature: range", message { temperature = 1.5 } },
      { "role 'system'", { max_tokens = 1, messages = { { role = "system", content = "x" } } } },
      { "non%-empty", { max_tokens = 1, messages = { { role = "user", content = "" } } } },
      { "should match pattern", { max_tokens = 1, messages = { { role = "user", content = "x" },
        used } } },
      { "must be greater than", message { thinking = { type = "enabled", budget_tokens = 50 } } },
      { "additionalProperties", message { output_config = { format = { type = "json_schema",
        schema = SCHEMA } } } },
    }
    for i, row in ipairs(rows) do
      row[2].model = "m"
      local plan, body = ask("/v1/messages", row[2])
      assert.equal(400, plan.status, "row " .. i)
      assert.equal("invalid_request_error", body.error.type)
      assert.matches(row[1], body.error.message, 1, false, "row " .. i)
    end
  end)

  it("keeps no conversation: one that begins is a request, none goes on", function()
    local plan = ask("/v1/messages", message { thread = { type = "create" } })
    assert.equal(200, plan.status)
    local lost, body = ask("/v1/messages", message { thread = { type = "continue",
      previous_message_id = "msg_1" } })
    assert.same({ 404, "thread_not_found" }, { lost.status, body.error.details.error_code })
  end)

  it("wants its signed thoughts back in a tool loop", function()
    local tools = { { name = "weather", input_schema = SCHEMA } }
    local thinking = { type = "enabled", budget_tokens = 1024 }
    local request = chat("the weather", { max_tokens = 2000, tools = tools, thinking = thinking })
    local _, body = ask("/v1/messages", request)
    request.messages[2] = { role = "assistant", content = body.content }
    request.messages[3] = { role = "user", content = { { type = "tool_result", content = "rain",
      tool_use_id = body.content[2].id } } }
    assert.equal(200, (ask("/v1/messages", request)).status)
    body.content[1].thinking = "other words"
    assert.equal(400, (ask("/v1/messages", request)).status)
    table.remove(body.content, 1)
    assert.equal(400, (ask("/v1/messages", request)).status)
  end)

  it("counts tokens and lists models", function()
    assert.is_number(select(2, ask("/v1/messages/count_tokens", message())).input_tokens)
    local _, list = ask("/v1/models", nil, { models = { "a" } }, { ["anthropic-version"] = "x" })
    assert.same({ "a", "a", "model" }, { list.first_id, list.data[1].id, list.data[1].type })
  end)
end)

describe("the mock of Google", function()
  it("answers with candidates, and thoughts when they are asked for", function()
    local _, body = ask(GENERATE:format "gemini-2.5-flash", gemini("hello",
      { generationConfig = { thinkingConfig = { includeThoughts = true } } }))
    local parts = body.candidates[1].content.parts
    assert.is_true(parts[1].thought)
    assert.matches("hello", parts[2].text)
    local usage = body.usageMetadata
    assert.equal(usage.totalTokenCount,
      usage.promptTokenCount + usage.candidatesTokenCount + usage.thoughtsTokenCount)
  end)

  it("streams events that end in CRLF without an end mark, or one JSON array", function()
    local plan = ask(STREAM:format "gemini-2.5-flash", gemini "hello")
    for _, event in ipairs(plan.stream) do assert.matches("\r\n\r\n$", event.data) end
    assert.equal("STOP", events(plan)[#plan.stream].candidates[1].finishReason)
    local whole = ask("/v1beta/models/m:streamGenerateContent", gemini "hello")
    local text = ""
    for _, piece in ipairs(whole.stream) do text = text .. piece.data end
    assert.equal("application/json", whole.headers["content-type"])
    assert.is_true(#json.decode(text) > 3)
  end)

  it("signs calls of newer models, and wants the signature back", function()
    local path = "/v1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent"
    local request = gemini("the weather", { tools = DECLARED })
    local _, body = ask(path, request)
    local part = body.candidates[1].content.parts[1]
    assert.is_string(part.thoughtSignature)
    assert.is_string(body.createTime)
    request.contents[2] = { role = "model", parts = { part } }
    request.contents[3] = { role = "user", parts = { { functionResponse = { name = "weather",
      response = { result = "rain" } } } } }
    local _, last = ask(path, request)
    assert.matches("rain", last.candidates[1].content.parts[1].text)
    part.thoughtSignature = nil
    assert.equal(400, (ask(path, request)).status)
  end)

  it("refuses what Google refuses", function()
    local closed = { type = "object", additionalProperties = false }
    local rows = {
      { "not specified", {} },
      { 'Unknown name "max_tokens"', gemini("x", { max_tokens = 1 }) },
      { 'Unknown name "seeds"', gemini("x", { generationConfig = { seeds = 1 } }) },
      { 'Unknown name "additionalProperties"', gemini("x", { tools = { {
        functionDeclarations = { { name = "f", parameters = closed } } } } }) },
      { "valid role", { contents = { { role = "assistant", parts = { { text = "x" } } } } } },
      { "Name cannot be empty", { contents = { { role = "user", parts = { {
        functionResponse = { response = {} } } } } } } },
      { "number of function response", { contents = { { role = "user", parts = { {
        functionResponse = { name = "f", response = {} } } } } } } },
    }
    for i, row in ipairs(rows) do
      local plan, body = ask(GENERATE:format "m", row[2])
      assert.equal(400, plan.status, "row " .. i)
      assert.equal("INVALID_ARGUMENT", body.error.status)
      assert.matches(row[1], body.error.message, 1, false, "row " .. i)
    end
  end)

  it("takes a schema for one of several words", function()
    local plan = ask(GENERATE:format "m", gemini("hi", { generationConfig = {
      responseMimeType = "text/x.enum", responseSchema = { type = "STRING", enum = { "a" } } } }))
    assert.equal(200, plan.status)
  end)

  it("blocks a prompt without an error, and says when to come back", function()
    local plan, body = ask(GENERATE:format "error-filter", gemini "x")
    assert.equal(200, plan.status)
    assert.is_nil(body.candidates)
    assert.equal("PROHIBITED_CONTENT", body.promptFeedback.blockReason)
    plan, body = ask(GENERATE:format "error-429", gemini "x")
    assert.same({ 429, "2s" }, { plan.status, body.error.details[1].retryDelay })
  end)

  it("embeds one text or several, counts and lists", function()
    local content = { parts = { { text = "a" } } }
    local _, one = ask("/v1beta/models/e:embedContent", { content = content,
      outputDimensionality = 8 })
    assert.equal(8, #one.embedding.values)
    local _, more = ask("/v1beta/models/e:batchEmbedContents", { requests = { { content = content },
      { content = content } } })
    assert.equal(2, #more.embeddings)
    assert.is_number(select(2, ask("/v1beta/models/e:countTokens", gemini "a")).totalTokens)
    assert.equal("models/mock", select(2, ask "/v1beta/models").models[1].name)
  end)
end)

describe("the mock of Cohere", function()
  it("answers, streams and calls in its own words", function()
    local _, body = ask("/v2/chat", chat("hello"))
    assert.equal("COMPLETE", body.finish_reason)
    assert.equal("text", body.message.content[1].type)
    local list = events(ask("/v2/chat", chat("the weather", { stream = true, tools = { TOOL } })))
    local kinds = {}
    for _, event in ipairs(list) do kinds[event.type] = true end
    for _, kind in ipairs { "message-start", "tool-plan-delta", "tool-call-start",
      "tool-call-delta", "tool-call-end", "message-end" } do
      assert.is_true(kinds[kind], kind)
    end
    assert.equal("TOOL_CALL", list[#list].delta.finish_reason)
    assert.equal(2, #select(2, ask("/v2/embed", { model = "e", texts = { "a", "b" },
      input_type = "search_document" })).embeddings.float)
  end)
end)

describe("the mock of a vendor of OpenAI's format", function()
  local function at(vendor) return "/" .. vendor .. "/v1/chat/completions" end

  it("has its thoughts, ids and empty calls", function()
    local function said(vendor, request) return select(2, ask(at(vendor), request)).choices[1].message end
    assert.is_string(said("deepseek", chat("x", { thinking = { type = "enabled" } })).reasoning_content)
    assert.equal("thinking", said("mistral", chat("x", { model = "magistral" })).content[1].type)
    local open = said("openrouter", chat("x", { reasoning = { effort = "low" } }))
    assert.equal("reasoning.text", open.reasoning_details[1].type)
    local id = said("mistral", chat("weather", { tools = { TOOL } })).tool_calls[1].id
    assert.matches("^%w%w%w%w%w%w%w%w%w$", id)
    assert.equal("", said("gemini-openai", chat("weather", { tools = { TOOL } })).tool_calls[1].id)
    assert.equal("functions.weather:0",
      said("moonshot", chat("weather", { tools = { TOOL } })).tool_calls[1].id)
    assert.matches('"tool_calls":%[%]', (ask(at "vllm", chat "x")).body)
    assert.matches('"tool_calls":null', (ask(at "mistral", chat "x")).body)
  end)

  it("has its comments, its usage and its end", function()
    local function stream(vendor, more)
      more = more or {}
      more.stream = true
      return ask(at(vendor), chat("x", more))
    end
    assert.matches("^: OPENROUTER PROCESSING\n\n", stream("openrouter").stream[1].data)
    local list = events(stream "openrouter")
    assert.is_nil(list[#list - 1].choices[1].finish_reason)
    assert.is_number(list[#list - 1].usage.cost)
    list = events(stream "mistral")
    assert.equal("stop", list[#list - 1].choices[1].finish_reason)
    assert.is_number(list[#list - 1].usage.total_tokens)
    list = events(stream "perplexity")
    assert.equal("stop", list[#list].choices[1].finish_reason)
    assert.is_number(list[1].usage.total_tokens)
    assert.equal(0, #events(stream "azure")[1].choices)
    assert.matches("^%s+{", (ask(at "deepseek", chat "x")).body)
  end)

  it("repeats empty ids in the pieces of a call, as Qwen does", function()
    local list = events((ask(at "qwen", chat("weather", { stream = true, tools = { TOOL } }))))
    local first, second = list[2].choices[1].delta, list[3].choices[1].delta
    assert.matches("^call_", first.tool_calls[1].id)
    assert.equal("", second.tool_calls[1].id)
    assert.equal("", second.tool_calls[1]["function"].name)
  end)

  it("refuses what the vendor refuses", function()
    local function loop(id, arguments, more)
      local request = chat("x", more)
      request.messages[2] = call(id, arguments)
      request.messages[3] = { role = "tool", tool_call_id = id, content = "rain" }
      return request
    end
    local rows = {
      { "mistral", 422, "Extra inputs", chat("x", { seed = 1 }) },
      { "mistral", 400, "length of 9", loop("call_1234567890") },
      { "mistral", 400, "too short", chat("x", { tools = {} }) },
      { "qwen", 400, "Range of max_tokens", chat("x", { model = "qwen-max", max_tokens = 9000 }) },
      { "qwen", 400, "JSON format", loop("a", '"{}"') },
      { "qwen", 400, "only support stream", chat("x", { model = "qwq-plus" }) },
      { "deepseek", 400, "reasoning_content", loop("a", "{}", { thinking = { type = "enabled" } }) },
      { "deepseek", 400, "unavailable", chat("x", { response_format = { type = "json_schema" } }) },
      { "openai", 400, "max_completion_tokens", chat("x", { model = "o3", max_tokens = 5 }) },
      { "openai", 400, "stream_options", chat("x", { stream_options = {} }) },
      { "openai", 400, "must be a response", { model = "m", messages = {
        { role = "tool", tool_call_id = "a", content = "x" } } } },
    }
    for i, row in ipairs(rows) do
      local plan = ask(at(row[1]), row[4])
      assert.equal(row[2], plan.status, "row " .. i)
      assert.matches(row[3], plan.body, 1, false, "row " .. i)
    end
  end)

  it("fails in the vendor's words", function()
    local function failed(vendor, model)
      return ask("/" .. vendor .. "/v1/chat/completions", chat("x", { model = model }))
    end
    local rows = {
      { "mistral", "error-401", 401, '"detail":"Invalid API Key"' },
      { "mistral", "error-429", 429, '"raw_status_code":429' },
      { "qwen", "error-filter", 400, "data_inspection_failed" },
      { "qwen", "error-402", 400, "Arrearage" },
      { "deepseek", "error-402", 402, "Insufficient Balance" },
      { "openrouter", "error-503", 503, '"code":503' },
      { "openrouter", "error-filter", 403, '"reasons"' },
      { "xai", "error-401", 400, '"error":"Incorrect API key' },
      { "vllm", "error-context", 400, '"object":"error"' },
      { "azure", "error-404", 404, "DeploymentNotFound" },
      { "gemini-openai", "error-429", 429, '^%[{"error"' },
    }
    for i, row in ipairs(rows) do
      local plan = failed(row[1], row[2])
      assert.equal(row[3], plan.status, "row " .. i)
      assert.matches(row[4], plan.body, 1, false, "row " .. i)
    end
    local plan = ask("/v1/messages", chat("x", { model = "error-503", max_tokens = 1 }))
    assert.equal(529, plan.status)
  end)

  it("breaks within a stream, with an error event or without", function()
    local function stream(vendor, model)
      return ask(at(vendor), chat("x", { model = model, stream = true }))
    end
    local plan = stream("openai", "error-midway")
    assert.matches('"error"', plan.stream[#plan.stream].data)
    assert.is_false(plan.cut)
    plan = stream("openrouter", "error-midway")
    assert.matches('"finish_reason":"error"', plan.stream[#plan.stream].data)
    assert.is_true(stream("openai", "error-cut").cut)
    assert.equal(1, #stream("openai", "error-inside").stream)
    assert.equal(200, (ask(at "openai", chat("x", { model = "error-inside" }))).status)
  end)
end)

describe("the mock's paths", function()
  it("name the vendor, or the option does", function()
    local _, body = ask("/v1/chat/completions", chat "x", { format = "deepseek" })
    assert.is_number(body.usage.prompt_cache_hit_tokens)
    _, body = ask("/openai/deployments/d/chat/completions?api-version=1", chat "x")
    assert.is_table(body.choices[1].content_filter_results)
    _, body = ask("/dashscope/compatible-mode/v1/chat/completions",
      chat("x", { model = "error-401" }))
    assert.equal("invalid_api_key", body.error.code)
  end)

  it("know the Responses API", function()
    room.require("leme.host").wall = function() return 1800000000 end
    local _, body = ask("/v1/responses", { model = "m", input = "hello" })
    assert.equal("response", body.object)
    local list = events((ask("/v1/responses", { model = "m", input = "hello", stream = true })))
    assert.equal("response.created", list[1].type)
    assert.equal("response.completed", list[#list].type)
  end)

  it("refuse options that there are not", function()
    assert.has_error(function() mock.check { latencey = 1 } end,
      'the mock has no option "latencey"; did you mean "latency"?')
    assert.has_error(function() mock.check { format = "deepsek" } end,
      'format: there is no dialect "deepsek"; did you mean "deepseek"?')
  end)
end)

describe("the mock's recordings", function()
  local FILES = {
    ["a/hello.resp.sse"] = "data: one\n\ndata: two\r\n\r\ndata: [DONE]\n\n",
    ["a/hello.meta.json"] = json.encode { status = 200, response_headers = {
      ["Content-Type"] = "text/event-stream; charset=utf-8", ["retry-after"] = "3",
      ["content-length"] = "5", ["set-cookie"] = "no" } },
    ["deepseek/hello.resp.json"] = '{"b": 1}', ["deepseek/busy.resp.txt"] = "busy",
    ["deepseek/busy.meta.json"] = '{"status": 503}', ["deepseek/packed.resp.json.gz"] = "x",
  }

  local function player()
    local own = world.room { targets = { "a/1" } }
    local host = own.require "leme.host"
    host.recorded = function()
      local list = {}
      for name in pairs(FILES) do list[#list + 1] = name end
      return list
    end
    host.recording = function(name) return FILES[name] end
    local made = own.require "leme.mock_answers"
    made.check { recordings = "anywhere" }
    return function(path, model)
      return made.answer(chat("x", { model = model, stream = true }), path,
        { recordings = "anywhere" }, dice)
    end
  end

  it("are played byte by byte, with the headers that clients go by", function()
    local plan, bytes = player()("/v1/chat/completions", "hello"), ""
    for _, event in ipairs(plan.stream) do bytes = bytes .. event.data end
    assert.equal(FILES["a/hello.resp.sse"], bytes)
    assert.equal(3, #plan.stream)
    assert.same({ ["content-type"] = "text/event-stream; charset=utf-8", ["retry-after"] = "3",
      ["x-mock-recording"] = "a/hello" }, plan.headers)
  end)

  it("are found by name, the vendor's folder first, or by folder and name", function()
    local play = player()
    assert.equal('{"b": 1}', play("/v1/chat/completions", "deepseek/hello").body)
    assert.equal('{"b": 1}', play("/deepseek/v1/chat/completions", "hello").body)
    local busy = play("/v1/chat/completions", "busy")
    assert.same({ 503, "busy" }, { busy.status, busy.body })
    assert.is_nil(play("/v1/chat/completions", "packed").headers["x-mock-recording"])
  end)
end)
