-- Clients of Gemini's generateContent: what the engine is asked for them, and what
-- they are told. Run from the project's root: lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"

local s = room.surface.find "gemini"
local dialect = room.require "leme.dialect.gemini"
local carried = room.require "leme.surface.gemini_carried"
local common = room.require "leme.dialect.common"
local base64 = room.require "leme.base64"
local translate = room.require "leme.translate"
local NULL = room.null

local STREAM = "streamGenerateContent?alt=sse"

local function value(text) return assert(room.decode((text:gsub("'", '"')))) end

local function made_of(body, verb)
  return s:request(body, { model = "m", verb = verb or "generateContent" })
end

-- The chat request a body becomes; ${text} is JSON with single quotes.
local function asked(text, verb)
  local made, word, message = made_of(value(text), verb)
  assert(made, word and word .. ": " .. message)
  return made.body, made
end

local function refused(text, verb)
  local made, word, message = made_of(value(text), verb)
  assert.is_nil(made)
  assert.equal("caller_invalid_request", word)
  return message
end

local HI = "'contents': [{'role': 'user', 'parts': [{'text': 'hi'}]}]"

local function ctx(request, verb)
  return { id = "req_1", model = "route", created = 1, request = request or {},
    verb = verb or "generateContent" }
end

local THINKS = { generationConfig = { thinkingConfig = { includeThoughts = true } } }

local function answered(message, finish, request)
  return s:answer({ choices = { { index = 0, message = message,
    finish_reason = finish or "stop" } } }, ctx(request))
end

local function parts_of(message, finish, request)
  return answered(message, finish, request).candidates[1].content.parts
end

-- The responses of a stream of ${deltas}.
local function streamed(deltas, finish, request, usage)
  local state = s:stream(ctx(request, STREAM))
  local text = state:start()
  for _, delta in ipairs(deltas) do
    text = text .. state:event { choices = { { index = 0, delta = delta } } }
  end
  text = text .. state:event { choices = { { index = 0, delta = {}, finish_reason = finish } },
    usage = usage } .. state:finish()
  local list = {}
  for data in text:gmatch "data: ([^\r]*)\r\n\r\n" do list[#list + 1] = assert(room.decode(data)) end
  return list
end

-- All parts of a stream, as a client keeps them: a turn for each event.
local function turns_of(list)
  local turns = {}
  for i, response in ipairs(list) do turns[i] = response.candidates[1].content end
  return turns
end

-- What the assistant's message is when ${turns} come back after a user's.
local function come_back(turns)
  local contents = { { role = "user", parts = { { text = "hi" } } } }
  for _, turn in ipairs(turns) do contents[#contents + 1] = turn end
  local made, _, message = made_of { contents = contents }
  assert(made, message)
  return made.body.messages[2], made.body.messages
end

local function call(id, name, arguments, extra)
  return { id = id, type = "function", extra_content = extra,
    ["function"] = { name = name, arguments = arguments } }
end

describe("a request to generateContent", function()
  it("is a chat with the model of the path, the system text first", function()
    local body, made = asked("{'systemInstruction': {'parts': [{'text': 'be brief'}]}, "
      .. HI .. "}")
    assert.equal("m", body.model)
    assert.same({ { role = "system", content = "be brief" }, { role = "user", content = "hi" } },
      { body.messages[1], body.messages[2] })
    assert.is_false(made.stream)
    assert.is_nil(body.stream)
  end)

  it("streams, and asks for usage, when the verb says so", function()
    for _, verb in ipairs { STREAM, "streamGenerateContent" } do
      local body, made = asked("{" .. HI .. "}", verb)
      assert.is_true(made.stream)
      assert.is_true(body.stream)
      assert.is_true(body.stream_options.include_usage)
    end
  end)

  it("reads both spellings of names, and an object for a list of one", function()
    local body = asked [[{'system_instruction': {'parts': {'text': 'be'}},
      'contents': {'parts': {'inline_data': {'mime_type': 'image/png', 'data': 'AA=='}}},
      'generation_config': {'max_output_tokens': 7, 'stop_sequences': ['x']},
      'tools': [{'function_declarations': [{'name': 'f'}]}]}]]
    assert.equal("be", body.messages[1].content)
    assert.equal("data:image/png;base64,AA==", body.messages[2].content[1].image_url.url)
    assert.equal(7, body.max_completion_tokens)
    assert.same({ "x" }, { body.stop[1] })
    assert.equal("f", body.tools[1]["function"].name)
  end)

  it("keeps pictures, sounds and files apart", function()
    local parts = asked([[{'contents': [{'parts': [{'text': 'see'},
      {'inlineData': {'mimeType': 'audio/wav', 'data': 'BB=='}},
      {'inlineData': {'mimeType': 'application/pdf', 'data': 'CC=='}},
      {'fileData': {'mimeType': 'image/png', 'fileUri': 'https://x.example/a.png'}},
      {'fileData': {'mimeType': 'video/mp4', 'fileUri': 'https://youtu.be/x'}}]}]}]])
      .messages[1].content
    assert.same({ type = "input_audio", input_audio = { data = "BB==", format = "wav" } }, parts[2])
    assert.equal("data:application/pdf;base64,CC==", parts[3].file.file_data)
    assert.equal("https://x.example/a.png", parts[4].image_url.url)
    assert.equal("https://youtu.be/x", parts[5].fileData.fileUri)
  end)

  it("pairs results with calls by id, by name and by order", function()
    local messages = asked([[{'contents': [{'parts': [{'text': 'go'}]},
      {'role': 'model', 'parts': [{'functionCall': {'name': 'f', 'args': {'a': 1}}},
        {'functionCall': {'name': 'g', 'id': 'c2'}},
        {'functionCall': {'name': 'f', 'args': {'a': 2}}}]},
      {'role': 'user', 'parts': [{'functionResponse': {'name': 'f', 'response': {'r': 1}}},
        {'functionResponse': {'name': 'g', 'id': 'c2', 'response': {'error': 'no'}}},
        {'functionResponse': {'name': 'f', 'response': {'r': 2}}}, {'text': 'well?'}]}]}]]).messages
    local calls = messages[2].tool_calls
    assert.equal(NULL, messages[2].content)
    assert.same({ calls[1].id, "c2", calls[3].id },
      { messages[3].tool_call_id, messages[4].tool_call_id, messages[5].tool_call_id })
    assert.not_equal(calls[1].id, calls[3].id)
    assert.same({ '{"r":1}', '{"error":"no"}', '{"r":2}' },
      { messages[3].content, messages[4].content, messages[5].content })
    assert.is_true(messages[4].is_error)
    assert.is_nil(messages[3].is_error)
    assert.equal("well?", messages[6].content)
  end)

  it("takes consecutive turns of the model as one", function()
    local message, all = come_back { { role = "model", parts = { { text = "a" } } },
      { role = "model", parts = { { text = "b" } } },
      { role = "model", parts = { { functionCall = { name = "f", id = "c1" } } } } }
    assert.equal(2, #all)
    assert.equal("ab", message.content)
    assert.equal("c1", message.tool_calls[1].id)
  end)

  it("a result without its call becomes the user's text, and says so", function()
    local body, made = asked [[{'contents': [{'parts':
      [{'functionResponse': {'name': 'f', 'response': {'r': 1}}}]}]}]]
    assert.equal('Result of f: {"r":1}', body.messages[1].content)
    assert.matches("without its call", made.notes[1])
  end)

  it("turns Google's schemas into JSON Schema", function()
    local body = asked("{" .. HI .. [[, 'tools': [{'functionDeclarations': [{'name': 'f',
      'description': 'd', 'parameters': {'type': 'OBJECT', 'required': ['a'], 'properties': {
        'a': {'type': 'STRING', 'nullable': true, 'format': 'enum', 'enum': ['x']},
        'type': {'type': 'ARRAY', 'minItems': '2', 'items': {'type': 'NUMBER'}}}}},
      {'name': 'g', 'parametersJsonSchema': {'type': 'object'}}]}]}]])
    local f, g = body.tools[1]["function"], body.tools[2]["function"]
    assert.equal("object", f.parameters.type)
    local a = f.parameters.properties.a
    assert.same({ "string", "null" }, { a.type[1], a.type[2] })
    assert.same({ "x", NULL }, { a.enum[1], a.enum[2] })
    assert.is_nil(a.format)
    assert.is_nil(a.nullable)
    local list = f.parameters.properties.type
    assert.same({ "array", 2, "number" }, { list.type, list.minItems, list.items.type })
    assert.same({ type = "object" }, g.parameters)
  end)

  it("maps every choice of tools", function()
    local function choice(text)
      return asked("{" .. HI .. [[, 'tools': [{'functionDeclarations': [{'name': 'f'}, {'name':
        'g'}]}], 'toolConfig': {'functionCallingConfig': ]] .. text .. "}}").tool_choice
    end
    assert.equal("auto", choice "{'mode': 'AUTO'}")
    assert.equal("none", choice "{'mode': 'NONE', 'allowedFunctionNames': ['f']}")
    assert.equal("required", choice "{'mode': 'any'}")
    assert.equal("f", choice("{'mode': 'ANY', 'allowedFunctionNames': ['f']}")["function"].name)
    local two = choice("{'mode': 'ANY', 'allowedFunctionNames': ['f', 'g']}").allowed_tools
    assert.same({ "required", "g" }, { two.mode, two.tools[2]["function"].name })
  end)

  it("maps every setting that OpenAI has a word for", function()
    local body = asked("{" .. HI .. [[, 'generationConfig': {'temperature': 0.5, 'topP': 0.9,
      'topK': 4, 'candidateCount': 2, 'seed': 3, 'presencePenalty': 1, 'frequencyPenalty': -1,
      'responseLogprobs': true, 'logprobs': 2, 'maxOutputTokens': 9, 'stopSequences': ['a', 'b'],
      'responseModalities': ['TEXT', 'IMAGE'], 'thinkingConfig': {'thinkingBudget': 4096}}}]])
    assert.same({ 0.5, 0.9, 4, 2, 3, 1, -1, true, 2, 9, "b", "image", "medium" },
      { body.temperature, body.top_p, body.top_k, body.n, body.seed, body.presence_penalty,
        body.frequency_penalty, body.logprobs, body.top_logprobs, body.max_completion_tokens,
        body.stop[2], body.modalities[2], body.reasoning_effort })
  end)

  it("asks for structured output in either form of a schema", function()
    local function format(text)
      return asked("{" .. HI .. ", 'generationConfig': " .. text .. "}").response_format
    end
    assert.is_nil(format "{'responseMimeType': 'text/plain'}")
    assert.same({ type = "json_object" }, format "{'responseMimeType': 'application/json'}")
    for _, text in ipairs { "'responseSchema': {'type': 'OBJECT'}",
      "'responseJsonSchema': {'type': 'object'}" } do
      local made = format("{'responseMimeType': 'application/json', " .. text .. "}")
      assert.equal("object", made.json_schema.schema.type)
    end
  end)

  it("refuses what it cannot read, saying where", function()
    assert.matches("^contents: expected at least one turn", refused "{'contents': []}")
    assert.matches("^contents: expected a list", refused "{'contents': 'hi'}")
    assert.matches("^contents%[0%].role: expected user or model",
      refused "{'contents': [{'role': 'bot', 'parts': [{'text': 'x'}]}]}")
    assert.matches("^contents%[0%].parts%[1%]: expected text",
      refused "{'contents': [{'parts': [{'text': 'x'}, {'foo': 1}]}]}")
    assert.matches("^generationConfig.topP: expected a number",
      refused("{" .. HI .. ", 'generationConfig': {'topP': 'x'}}"))
    assert.matches("^tools%[0%].functionDeclarations%[0%]: expected a name",
      refused("{" .. HI .. ", 'tools': [{'functionDeclarations': [{}]}]}"))
    assert.matches("mode: expected AUTO",
      refused("{" .. HI .. ", 'toolConfig': {'functionCallingConfig': {'mode': 'MAYBE'}}}"))
  end)
end)

describe("what only Google understands", function()
  local TEXT = "{" .. HI .. [[, 'safetySettings': [{'category': 'C', 'threshold': 'BLOCK_NONE'}],
    'cachedContent': 'cachedContents/1', 'tools': [{'googleSearch': {}}, {'functionDeclarations':
    [{'name': 'f'}]}], 'toolConfig': {'retrievalConfig': {'languageCode': 'pt'}},
    'generationConfig': {'topK': 3, 'speechConfig': {'voice': 'v'},
    'thinkingConfig': {'thinkingBudget': -1}}}]]

  it("reaches Google as it came", function()
    local made = assert(dialect:request(asked(TEXT), { model = "gemini-2.5-flash" })).body
    assert.equal("BLOCK_NONE", made.safetySettings[1].threshold)
    assert.equal("cachedContents/1", made.cachedContent)
    assert.same({}, made.tools[2].googleSearch)
    assert.equal("f", made.tools[1].functionDeclarations[1].name)
    assert.equal("pt", made.toolConfig.retrievalConfig.languageCode)
    assert.equal("v", made.generationConfig.speechConfig.voice)
    assert.same({ thinkingBudget = -1 }, made.generationConfig.thinkingConfig)
    assert.equal(3, made.generationConfig.topK)
  end)

  local function told(mode)
    local text = room.encode(asked(TEXT))
    return translate.request("openai", text, { model = "x", api = "gemini", unsupported = mode })
  end

  it("is left out for others, each with a note", function()
    local body, _, _, notes = told "map"
    for _, word in ipairs { "safety", "cached", "googleSearch", "retrieval", "speech", "top_k",
      "extra_body" } do
      assert.is_nil(body:find(word, 1, true), word)
    end
    assert.truthy(body:find('"f"', 1, true))
    for _, word in ipairs { "safetySettings", "cachedContent", "tool googleSearch",
      "toolConfig.retrievalConfig", "generationConfig.speechConfig", "topK" } do
      assert.truthy(notes:find("dropped " .. word .. ": ", 1, true), word)
    end
  end)

  it("is a tool of another provider's own, where that has one", function()
    local body, _, _, notes = translate.request("anthropic", room.encode(asked(TEXT)),
      { model = "claude", api = "gemini" })
    assert.truthy(body:find("web_search_20250305", 1, true))
    assert.truthy(notes:find("mapped tool googleSearch", 1, true))
  end)

  it("is a budget of no thoughts only where that can be said", function()
    local text = room.encode(asked("{" .. HI
      .. ", 'generationConfig': {'thinkingConfig': {'thinkingBudget': 0}}}"))
    local body, _, _, notes = translate.request("openai", text, { model = "x", api = "gemini" })
    assert.is_nil(body:find("reasoning_effort", 1, true))
    assert.truthy(notes:find("dropped thinkingBudget 0", 1, true))
    body = translate.request("deepseek", text, { model = "deepseek-v4", api = "gemini" })
    assert.truthy(body:find('"disabled"', 1, true))
  end)

  it("is a refusal where the target refuses what it cannot do", function()
    local body, word, message = told "refuse"
    assert.is_nil(body)
    assert.equal("provider_invalid_request", word)
    assert.matches("only Google has it", message)
  end)
end)

describe("an answer of generateContent", function()
  it("keeps the input of a custom tool, and never is without a part", function()
    local custom = { id = "c1", type = "custom", custom = { name = "f", input = "4 + 4" } }
    assert.same({ input = "4 + 4" }, parts_of({ tool_calls = { custom } })[1].functionCall.args)
    assert.same({ { text = "" } }, parts_of({ content = "" }, "length"))
  end)

  it("says text, why it ended and what it cost", function()
    local answer = s:answer({ choices = { { message = { content = "hello" },
      finish_reason = "length" } }, usage = { prompt_tokens = 9, completion_tokens = 5,
      total_tokens = 14, prompt_tokens_details = { cached_tokens = 3 },
      completion_tokens_details = { reasoning_tokens = 2 } } }, ctx())
    assert.same({ index = 0, content = { role = "model", parts = { { text = "hello" } } },
      finishReason = "MAX_TOKENS" }, answer.candidates[1])
    assert.same({ promptTokenCount = 9, candidatesTokenCount = 3, thoughtsTokenCount = 2,
      cachedContentTokenCount = 3, totalTokenCount = 14 }, answer.usageMetadata)
    assert.same({ "route", "req_1" }, { answer.modelVersion, answer.responseId })
  end)

  it("tells no usage that nobody told", function()
    assert.is_nil(answered({ content = "x" }).usageMetadata)
  end)

  it("maps the reasons to finish, and keeps Google's own", function()
    local function reason(finish, native)
      return s:answer({ choices = { { message = { content = "x" }, finish_reason = finish,
        native_finish_reason = native } } }, ctx()).candidates[1].finishReason
    end
    assert.same({ "STOP", "MAX_TOKENS", "SAFETY", "STOP", "RECITATION", "SAFETY", "STOP" },
      { reason "stop", reason "length", reason "content_filter", reason "tool_calls",
        reason("content_filter", "RECITATION"), reason("content_filter", "refusal"),
        reason("tool_calls", "STOP") })
    assert.equal("SAFETY", answered({ refusal = "no" }).candidates[1].finishReason)
  end)

  it("shows thoughts only to those who asked for them", function()
    local message = { content = "yes", reasoning_content = "hm" }
    assert.same({ { text = "yes" } }, parts_of(message))
    assert.same({ { text = "hm", thought = true }, { text = "yes" } },
      parts_of(message, "stop", THINKS))
  end)

  it("gives calls with their ids and arguments as objects", function()
    assert.same({ { functionCall = { id = "c1", name = "f", args = { a = 1 } } },
      { functionCall = { id = "c2", name = "g", args = {} } } },
      parts_of({ content = NULL, tool_calls = { call("c1", "f", '{"a":1}'), call("c2", "g", "") } },
        "tool_calls"))
  end)

  it("shows pictures, log probabilities and citations in Google's places", function()
    local answer = s:answer({ choices = { { finish_reason = "stop", message = { content = "é yes",
      images = { { type = "image_url", image_url = { url = "data:image/png;base64,AA==" } } },
      annotations = { { type = "url_citation", url_citation = { url = "https://x.example",
        title = "X", start_index = 2, end_index = 5 } } } },
      logprobs = { content = { { token = "é", logprob = -1, top_logprobs = {
        { token = "e", logprob = -2 } } }, { token = " yes", logprob = -3 } } } } } }, ctx())
    local candidate = answer.candidates[1]
    assert.same({ inlineData = { mimeType = "image/png", data = "AA==" } },
      candidate.content.parts[2])
    assert.equal(-2, candidate.avgLogprobs)
    assert.same({ token = "e", logProbability = -2 },
      candidate.logprobsResult.topCandidates[1].candidates[1])
    local grounds = candidate.groundingMetadata
    assert.equal("https://x.example", grounds.groundingChunks[1].web.uri)
    assert.same({ startIndex = 3, endIndex = 6, text = "yes" }, grounds.groundingSupports[1].segment)
  end)
end)

describe("a stream of generateContent", function()
  it("gives each piece as a response and ends with reason and usage", function()
    local list = streamed({ { role = "assistant", content = "" }, { content = "Hel" },
      { content = "lo" } }, "stop", nil, { prompt_tokens = 1, completion_tokens = 2 })
    local said = {}
    for i, response in ipairs(list) do said[i] = response.candidates[1].content.parts[1].text end
    assert.same({ "Hel", "lo", "" }, said)
    assert.is_nil(list[1].candidates[1].finishReason)
    assert.is_nil(list[1].usageMetadata)
    assert.equal("STOP", list[3].candidates[1].finishReason)
    assert.equal(2, list[3].usageMetadata.candidatesTokenCount)
  end)

  it("keeps a call together, whatever pieces it came in", function()
    local list = streamed({
      { tool_calls = { { index = 0, id = "c1", ["function"] = { name = "f", arguments = '{"a"' } } } },
      { tool_calls = { { index = 1, id = "c2", ["function"] = { name = "g", arguments = "{}" } } } },
      { tool_calls = { { index = 0, ["function"] = { arguments = ":1}" } } } } }, "tool_calls")
    local calls = {}
    for _, turn in ipairs(turns_of(list)) do
      for _, part in ipairs(turn.parts) do calls[#calls + 1] = part.functionCall end
    end
    assert.same({ { id = "c1", name = "f", args = { a = 1 } }, { id = "c2", name = "g", args = {} } },
      calls)
  end)

  it("without alt=sse is one JSON array, also when it breaks", function()
    local function array(broken)
      local state = s:stream(ctx(nil, "streamGenerateContent"))
      local text = state:start() .. state:event { choices = { { delta = { content = "a" } } } }
      return assert(room.decode(text .. (broken
        and state:failure("provider_cut_stream", 502, "cut") or state:finish())))
    end
    local whole, broken = array(false), array(true)
    assert.equal("a", whole[1].candidates[1].content.parts[1].text)
    assert.equal("STOP", whole[2].candidates[1].finishReason)
    assert.same({ 502, "UNAVAILABLE", "cut" },
      { broken[2].error.code, broken[2].error.status, broken[2].error.message })
    local nothing = s:stream(ctx(nil, "streamGenerateContent"))
    assert.equal(503, room.decode(nothing:start()
      .. nothing:failure("gateway_shed", 503, "x"))[1].error.code)
  end)

  it("keeps candidates apart", function()
    local state = s:stream(ctx(nil, STREAM))
    state:event { choices = { { index = 1, delta = { content = "b" } } } }
    state:event { choices = { { index = 0, delta = { content = "a" } } } }
    local last = room.decode(state:finish():match "data: ([^\r]*)")
    assert.same({ 0, 1 }, { last.candidates[1].index, last.candidates[2].index })
  end)

  it("ends with an event that tells of an error", function()
    local state = s:stream(ctx(nil, STREAM))
    local text = state:failure("provider_rate_limited", 429, "slow down")
    local body = room.decode(text:match "^data: ([^\r]*)\r\n\r\n$").error
    assert.same({ 429, "RESOURCE_EXHAUSTED", "slow down", "provider_rate_limited" },
      { body.code, body.status, body.message, body.details[1].metadata.error_type })
  end)
end)

describe("what must come back", function()
  local SIGNED = { type = "thinking", thinking = "hm", signature = "s" }
  local GOOGLE = { google = { thought_signature = "sig" } }

  -- Both ways to answer, as turns that a client would keep.
  local function ways(message, finish)
    local delta = common.with(message, { content = common.given(message.content) })
    if delta.tool_calls then
      local list = {}
      for i, one in ipairs(delta.tool_calls) do list[i] = common.with(one, { index = i - 1 }) end
      delta.tool_calls = list
    end
    return { { answered(message, finish).candidates[1].content },
      turns_of(streamed({ delta }, finish)) }
  end

  it("is Google's own signature of a call, on that call", function()
    for _, turns in ipairs(ways({ tool_calls = { call("c1", "f", "{}", GOOGLE) } }, "tool_calls")) do
      local part = turns[1].parts[1]
      assert.equal("sig", part.thoughtSignature)
      assert.same(GOOGLE, come_back(turns).tool_calls[1].extra_content)
    end
  end)

  it("is Google's own signature of a text", function()
    for _, turns in ipairs(ways({ content = "yes", extra_content = GOOGLE }, "stop")) do
      local message = come_back(turns)
      assert.equal("yes", message.content)
      assert.same(GOOGLE, message.extra_content)
    end
  end)

  it("is Anthropic's signed thoughts, though the client sees none", function()
    for _, turns in ipairs(ways({ content = "so", thinking_blocks = { SIGNED },
      tool_calls = { call("c1", "f", "{}") } }, "tool_calls")) do
      local message = come_back(turns)
      assert.same({ SIGNED }, { message.thinking_blocks[1] })
      assert.equal("so", message.content)
      assert.equal("c1", message.tool_calls[1].id)
      assert.is_nil(message.extra_content)
    end
  end)

  it("is the reasoning of a tool loop", function()
    for _, turns in ipairs(ways({ reasoning_content = "hm", tool_calls = { call("c1", "f", "{}"),
      call("c2", "f", "{}") } }, "tool_calls")) do
      local message = come_back(turns)
      assert.equal("hm", message.reasoning_content)
      assert.equal(2, #message.tool_calls)
    end
  end)

  it("is a vendor's mark on a call and on a message", function()
    local extra = { openai = { reasoning = { { type = "reasoning", id = "rs_1" } } } }
    for _, turns in ipairs(ways({ extra_content = extra,
      tool_calls = { call("c1", "f", "{}", { vendor = { mark = 1 } }) } }, "tool_calls")) do
      local message = come_back(turns)
      assert.same(extra, message.extra_content)
      assert.same({ vendor = { mark = 1 } }, message.tool_calls[1].extra_content)
    end
  end)

  it("is a turn of Google's that no message can say", function()
    local kept = { { text = "run" }, { executableCode = { code = "1+1" }, thoughtSignature = "a" },
      { codeExecutionResult = { output = "2" } }, { text = " it is 2" } }
    for i, turns in ipairs(ways({ content = "run it is 2",
      extra_content = { google = { parts = kept } } }, "stop")) do
      local shown = 0
      for _, turn in ipairs(turns) do
        for _, part in ipairs(turn.parts) do if part.executableCode then shown = shown + 1 end end
      end
      assert.equal(1, shown)
      local message = come_back(turns)
      assert.equal("run it is 2", message.content)
      assert.same(kept, { table.unpack(message.extra_content.google.parts) }, "way " .. i)
    end
  end)

  it("is every signature in its place, where a turn has several", function()
    for _, parts in ipairs {
      { { text = "a", thoughtSignature = "1" }, { text = "b", thoughtSignature = "2" } },
      { { functionCall = { name = "f", id = "c" }, thoughtSignature = "1" },
        { text = "b", thoughtSignature = "2" } } } do
      assert.same(parts, { table.unpack(
        come_back({ { role = "model", parts = parts } }).extra_content.google.parts) })
    end
  end)

  it("survives clients that decode and encode signatures with the other alphabet", function()
    local signature = carried.sign { reasoning = "thé ~~~ ???" }
    local other = signature:gsub("+", "-"):gsub("/", "_"):gsub("=", "")
    assert.equal("thé ~~~ ???", carried.unsign(other).reasoning)
    assert.is_nil(carried.unsign "CiQBjz1rX2")
  end)
end)

describe("embeddings for Gemini's clients", function()
  it("are one request for a batch, and come back in its order", function()
    local body = asked([[{'requests': [
      {'model': 'models/m', 'content': {'parts': [{'text': 'a'}]}, 'outputDimensionality': 2,
        'taskType': 'RETRIEVAL_QUERY'},
      {'model': 'models/m', 'content': {'parts': [{'text': 'b'}]}, 'outputDimensionality': 2,
        'taskType': 'RETRIEVAL_QUERY'}]}]], "batchEmbedContents")
    assert.same({ "a", "b" }, { body.input[1], body.input[2] })
    assert.same({ 2, "float", "RETRIEVAL_QUERY" },
      { body.dimensions, body.encoding_format, body.extra_body.google.taskType })
    local answer = s:answer({ data = { { embedding = { 1 } }, { embedding = { 2 } } } },
      ctx(nil, "batchEmbedContents"))
    assert.same({ { values = { 1 } }, { values = { 2 } } },
      { answer.embeddings[1], answer.embeddings[2] })
  end)

  it("are one list for one text", function()
    assert.same({ "ab" }, { asked("{'content': {'parts': [{'text': 'a'}, {'text': 'b'}]}}",
      "embedContent").input[1] })
    assert.same({ 1, 2 }, s:answer({ data = { { embedding = { 1, 2 } } } },
      ctx(nil, "embedContent")).embedding.values)
  end)

  it("carry what only Google knows to Google", function()
    local body = asked("{'content': {'parts': [{'text': 'a'}]}, 'taskType': 'X'}", "embedContent")
    local made = dialect:embeddings(body, { model = "e" }).body
    assert.equal("X", made.requests[1].taskType)
  end)

  it("are refused where items differ in what is asked once, and for pictures", function()
    assert.matches("must be the same", refused([[{'requests': [
      {'content': {'parts': [{'text': 'a'}]}, 'outputDimensionality': 2},
      {'content': {'parts': [{'text': 'b'}]}}]}]], "batchEmbedContents"))
    assert.matches("only texts", refused("{'content': {'parts': [{'inlineData': {}}]}}",
      "embedContent"))
    assert.matches("at least one", refused("{'requests': []}", "batchEmbedContents"))
  end)
end)

describe("an error for Gemini's clients", function()
  it("has Google's shape", function()
    local body = s.failure("provider_auth", 502, "", "", "why", ctx()).error
    assert.same({ 502, "UNAVAILABLE", "why" }, { body.code, body.status, body.message })
    assert.equal("PROVIDER_AUTH", body.details[1].reason)
    local list = s.failure("caller_unknown_model", 404, "", "", "why",
      ctx(nil, "streamGenerateContent"))
    assert.equal("NOT_FOUND", list[1].error.status)
  end)

  it("is feedback on the prompt when that was blocked", function()
    local body, _, status = s.failure("provider_content_filtered", 400, "", "", "no", ctx())
    assert.same({ 200, "SAFETY", "no" },
      { status, body.promptFeedback.blockReason, body.promptFeedback.blockReasonMessage })
    local text, headers, code = s.failure("provider_content_filtered", 400, "", "", "no",
      ctx(nil, STREAM))
    assert.same({ 200, "text/event-stream" }, { code, headers["content-type"] })
    assert.equal("SAFETY", room.decode(text:match "^data: (.*)\r\n\r\n$").promptFeedback.blockReason)
  end)
end)

describe("countTokens", function()
  it("weighs texts, tools and pictures", function()
    local function count(text) return room.surface.count_tokens(value(text), "gemini").totalTokens end
    local small = count("{" .. HI .. "}")
    assert.is_true(small > count "{}")
    assert.equal(small, count("{'generateContentRequest': {" .. HI .. "}}"))
    assert.is_true(count("{" .. HI .. ", 'systemInstruction': {'parts': [{'text': '"
      .. ("word "):rep(100) .. "'}]}}") > small + 80)
    assert.is_true(count("{'contents': [{'parts': [{'inlineData': {'mimeType': 'image/png', "
      .. "'data': 'AAAA'}}]}]}") >= 258)
    assert.equal(2, count "{}")
  end)
end)

describe("base64", function()
  it("brings every byte back, whatever the length", function()
    for n = 0, 9 do
      local bytes = {}
      for i = 1, n do bytes[i] = string.char((i * 97 + 250) % 256) end
      local text = table.concat(bytes)
      assert.equal(text, base64.decode(base64.encode(text)))
    end
    assert.equal("TWE=", base64.encode "Ma")
    assert.is_nil(base64.decode "no base64!")
  end)
end)
