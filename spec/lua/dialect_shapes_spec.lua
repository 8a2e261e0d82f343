-- Google's, Cohere's and Mistral's liberties that recordings do not show: providers and
-- clients. Run from the project's root: lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"
local NULL = room.null
local gemini = room.require "leme.dialect.gemini"
local dialect = room.require "leme.dialect"
local surface = room.surface
local encode, decode = room.encode, room.decode

local function answered(candidate, more)
  local body = { candidates = { candidate } }
  for key, value in pairs(more or {}) do body[key] = value end
  return gemini:answer(encode(body), { model = "m" })
end

local function streamed(name, events)
  local state = dialect.find(name):stream { model = "m" }
  local list = {}
  for _, event in ipairs(events) do
    local chunks, word = state:event(nil, encode(event))
    if not chunks then return nil, word end
    for _, chunk in ipairs(chunks) do list[#list + 1] = chunk end
  end
  local chunks, word = state:finish()
  if not chunks then return nil, word end
  for _, chunk in ipairs(chunks) do list[#list + 1] = chunk end
  return list
end

local function event(text, more, top)
  local candidate = { index = 0, content = { role = "model", parts = { { text = text } } } }
  for key, value in pairs(more or {}) do candidate[key] = value end
  local made = { candidates = { candidate }, responseId = "r" }
  for key, value in pairs(top or {}) do made[key] = value end
  return made
end

local function logged(token)
  return { chosenCandidates = { { token = token, logProbability = -0.5 } } }
end

local function user(text, more)
  local body = { messages = { { role = "user", content = text } } }
  for key, value in pairs(more or {}) do body[key] = value end
  return body
end

local function fn(parameters)
  return { type = "function", ["function"] = { name = "f", parameters = parameters } }
end

describe("Gemini", function()
  it("cites its sources by either name", function()
    local message = answered({ finishReason = "STOP", content = { parts = { { text = "abc" } } },
      citationMetadata = { citationSources = { { endIndex = 3, uri = "https://x" } } } }).choices[1].message
    assert.equal("https://x", message.annotations[1].url_citation.url)
  end)

  it("has the log probabilities of all events of a stream", function()
    local tokens = {}
    for _, chunk in ipairs(streamed("gemini", { event("a", { logprobsResult = logged "a" }),
      event("b", { logprobsResult = logged "b", finishReason = "STOP" }) })) do
      for _, t in ipairs(((chunk.choices[1] or {}).logprobs or {}).content or {}) do
        tokens[#tokens + 1] = t.token
      end
    end
    assert.same({ "a", "b" }, tokens)
  end)

  it("says when its stream was cut", function()
    local list, word = streamed("gemini", { event "a" })
    assert.is_nil(list)
    assert.equal("provider_cut_stream", word)
  end)

  it("keeps the counts that only one event has", function()
    local list = streamed("gemini", {
      event("a", nil, { usageMetadata = { promptTokenCount = 7, candidatesTokenCount = 1 } }),
      event("b", { finishReason = "STOP" }, { usageMetadata = { candidatesTokenCount = 9 } }) })
    assert.same({ 7, 9 }, { list[#list].usage.prompt_tokens, list[#list].usage.completion_tokens })
  end)

  it("means the first candidate when only others have an index", function()
    local a = gemini:answer(encode { candidates = {
      { index = 1, finishReason = "STOP", content = { parts = { { text = "b" } } } },
      { finishReason = "STOP", content = { parts = { { text = "a" } } } } } }, {})
    assert.equal("a", a.choices[1].message.content)
    assert.equal("b", a.choices[2].message.content)
  end)

  it("is sent every function that takes something", function()
    for _, p in ipairs { { type = "object", oneOf = { { properties = { a = { type = "string" } } } } },
      { type = "object", additionalProperties = true },
      { type = "object", patternProperties = { ["^x"] = { type = "string" } } },
      { type = "object", properties = { a = { type = "array" } } },
      { type = "object", properties = { a = { type = "string", enum = { "", "b" } } } } } do
      local made = gemini:request(user("hi", { tools = { fn(p) } }), { model = "gemini-2.5-flash" })
      assert.is_table(made.body.tools[1].functionDeclarations[1].parametersJsonSchema)
    end
  end)

  it("is told that a call failed", function()
    local body = user "hi"
    body.messages[2] = { role = "assistant", content = NULL, tool_calls = { { id = "1",
      type = "function", ["function"] = { name = "f", arguments = "{}" } } } }
    body.messages[3] = { role = "tool", tool_call_id = "1", content = "boom", is_error = true }
    local made = gemini:request(body, { model = "gemini-2.5-flash" }).body
    assert.same({ error = "boom" }, made.contents[3].parts[1].functionResponse.response)
  end)

  it("is not asked for JSON beside functions before version 3", function()
    local body = user("hi", { tools = { fn { type = "object", properties = { a = { type = "string" } } } },
      response_format = { type = "json_object" } })
    local made = gemini:request(body, { model = "gemini-2.5-flash" })
    assert.is_nil((made.body.generationConfig or {}).responseMimeType)
    assert.matches("response_format", made.notes[1])
    made = gemini:request(body, { model = "gemini-3-flash-preview" })
    assert.equal("application/json", made.body.generationConfig.responseMimeType)
  end)

  it("is asked for a seed that fits 32 bits", function()
    local made = gemini:request(user("hi", { seed = 2 ^ 40 // 1 | 0 }), { model = "gemini-2.5-flash" })
    assert.equal(2147483647, made.body.generationConfig.seed)
    assert.matches("seed", made.notes[1])
  end)

  it("at Vertex is asked to predict embeddings", function()
    local made = dialect.find("vertex"):embeddings({ input = { "a", "b" }, dimensions = 3 }, { model = "e" })
    assert.equal("/models/e:predict", made.path)
    assert.equal("b", made.body.instances[2].content)
    assert.equal(3, made.body.parameters.outputDimensionality)
  end)

  it("says in words how long to wait", function()
    local _, _, _, _, wait = gemini:error(429, '{"error":{"code":429,"message":"Quota.\\nPlease retry in 34.5s."}}')
    assert.equal(34.5, wait)
  end)
end)

describe("a client of Gemini's", function()
  local s = surface.find "gemini"
  it("pairs a result by name when its id is not known", function()
    local made = s:request({ contents = { { role = "user", parts = { { text = "x" } } },
      { role = "model", parts = { { functionCall = { name = "f", args = {} } } } },
      { role = "user", parts = { { functionResponse = { id = "zz", name = "f",
        response = { output = "1" } } } } } } }, { model = "m", verb = "generateContent" })
    assert.equal("tool", made.body.messages[3].role)
  end)

  it("has all log probabilities of a stream", function()
    local state = s:stream { id = "r", model = "m", created = 1, request = {},
      verb = "streamGenerateContent" }
    local text = state:start()
    for _, token in ipairs { "a", "b" } do
      text = text .. state:event { choices = { { index = 0, delta = { content = token },
        logprobs = { content = { { token = token, logprob = -1, top_logprobs = {} } } } } } }
    end
    text = text .. state:event { choices = { { index = 0, delta = {}, finish_reason = "stop" } } }
      .. state:finish()
    local last = decode(text)[3].candidates[1]
    assert.equal(2, #last.logprobsResult.chosenCandidates)
  end)

  it("may write Google's words as their numbers", function()
    local made = s:request({ contents = { { parts = { { text = "x" } } } },
      tools = { { functionDeclarations = { { name = "f", parameters = { type = 6, properties = {
        a = { type = 5, items = { type = 1 } } } } } } } },
      toolConfig = { functionCallingConfig = { mode = 2 } },
      generationConfig = { responseModalities = { 1 } } }, { model = "m", verb = "generateContent" })
    local parameters = made.body.tools[1]["function"].parameters
    assert.same({ "object", "array", "string" }, { parameters.type, parameters.properties.a.type,
      parameters.properties.a.items.type })
    assert.equal("required", made.body.tool_choice)
    assert.is_nil(made.body.modalities)
  end)

  it("has whole numbers to choose from", function()
    local made = s:request({ contents = { { parts = { { text = "x" } } } }, generationConfig = {
      responseMimeType = "application/json", responseSchema = { type = "INTEGER", format = "enum",
        enum = { "101", "201" } } } }, { model = "m", verb = "generateContent" })
    assert.same({ 101, 201 }, { table.unpack(made.body.response_format.json_schema.schema.enum) })
  end)
end)

describe("Mistral and Cohere", function()
  it("mistral's clients' documents and sounds are for everyone", function()
    local made = surface.find("mistral"):request({ messages = { { role = "user", content = {
      { type = "document_url", document_url = "https://x/y.pdf" },
      { type = "input_audio", input_audio = "UklGRAAA" } } } } }, { verb = "" })
    local sent = gemini:request(made.body, { model = "gemini-2.5-flash" }).body.contents[1].parts
    assert.equal("https://x/y.pdf", sent[1].fileData.fileUri)
    assert.same({ mimeType = "audio/wav", data = "UklGRAAA" }, sent[2].inlineData)
    sent = dialect.find("mistral"):request(made.body, { model = "m" }).edits.messages[1].content
    assert.same({ type = "document_url", document_url = "https://x/y.pdf" }, sent[1])
  end)

  it("mistral is sent files as documents", function()
    local sent = dialect.find("mistral"):request({ messages = { { role = "user", content = {
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,AA" } } }
    } } }, { model = "m" }).edits.messages[1].content
    assert.same({ type = "document_url", document_url = "data:application/pdf;base64,AA",
      document_name = "a.pdf" }, sent[1])
  end)

  it("mistral's stream has thoughts and text of one chunk", function()
    local s = surface.find "mistral"
    local state = s.stream(s, { id = "r", model = "m", created = 1, verb = "" })
    local text = state:event { choices = { { index = 0,
      delta = { reasoning_content = "hm", content = "42" } } } }
    assert.matches('"text":"hm"', text)
    assert.matches('"text":"42"', text)
  end)

  it("cohere's log probabilities arrive", function()
    local a = dialect.find("cohere"):answer(encode { finish_reason = "COMPLETE", message = { content = {
      { type = "text", text = "Hi" } } }, logprobs = { { text = "Hi", logprobs = { -0.5 } } } }, {})
    assert.equal("Hi", a.choices[1].logprobs.content[1].token)
  end)
end)
