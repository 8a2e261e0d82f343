-- leme.mock.gemini: a mock in Google's generateContent, at Gemini's own address or
-- at Vertex, as strict about requests as the real one. Its functions are those of
-- leme.mock.openai. Pure.

local host = require "leme.host"
local words = require "leme.mock.words"
local faults = require "leme.mock.faults"
local vectors = require "leme.mock.vectors"
local rules = require "leme.mock.gemini_rules"

local gemini = {}

local given = words.given

-- --- questions ---------------------------------------------------------------------------

local function read_tools(body)
  local list = {}
  for _, tool in ipairs(given(body.tools) or {}) do
    for _, fn in ipairs(given(tool.functionDeclarations) or {}) do
      list[#list + 1] = { name = fn.name,
        parameters = given(fn.parameters) or given(fn.parametersJsonSchema) }
    end
  end
  return list
end

local function read_choice(body)
  local config = given(body.toolConfig)
  local calling = config and given(config.functionCallingConfig)
  if not calling then return nil end
  if calling.mode == "NONE" then return "none" end
  local only = given(calling.allowedFunctionNames)
  if calling.mode == "ANY" and only and #only == 1 then return { name = only[1] } end
  return calling.mode == "ANY" and "required" or nil
end

local function read_turn(turn)
  local texts, answered = {}, false
  for _, part in ipairs(turn.parts) do
    if part.functionResponse then
      answered = true
      local response = part.functionResponse.response
      local said = response.result or response.output or response.content
      texts[#texts + 1] = type(said) == "string" and said or host.encode(response)
    elseif type(part.text) == "string" then
      texts[#texts + 1] = part.text
    end
  end
  return table.concat(texts, " "), answered
end

-- Does the model think, and does it show it?
local function thinking_of(config, model)
  local thinking = given(config.thinkingConfig)
  if not thinking then return model:find "think" ~= nil end
  return thinking.includeThoughts == true and thinking.thinkingBudget ~= 0
end

function gemini.read(body, ctx)
  local fault = rules.check(body, ctx.model)
  if fault then return nil, fault end
  local config = given(body.generationConfig) or {}
  local question = { said = "", tools = read_tools(body), choice = read_choice(body),
    input = words.tokens(words.text_of((given(body.systemInstruction) or {}).parts)),
    max = given(config.maxOutputTokens), stops = given(config.stopSequences),
    thinks = thinking_of(config, ctx.model) }
  for _, turn in ipairs(body.contents) do
    local text, answered = read_turn(turn)
    question.input = question.input + words.tokens(text) + 3
    if turn.role ~= "model" then question.said, question.answered = text, answered end
  end
  if config.responseMimeType == "application/json" then
    question.json = true
    question.schema = given(config.responseJsonSchema) or given(config.responseSchema)
  end
  return question
end

-- --- answers -----------------------------------------------------------------------------

local FINISH = { stop = "STOP", length = "MAX_TOKENS", tool_calls = "STOP" }

local function usage_of(reply, output, ctx)
  local usage = { promptTokenCount = reply.input, candidatesTokenCount = output,
    totalTokenCount = reply.input + output + reply.reasoning,
    promptTokensDetails = host.array { { modality = "TEXT", tokenCount = reply.input } } }
  if reply.reasoning > 0 then usage.thoughtsTokenCount = reply.reasoning end
  if ctx.vertex then usage.trafficType = "ON_DEMAND" end
  return usage
end

local function response_of(reply, ctx, parts, finish, output)
  local candidate = { index = 0, finishReason = finish,
    content = { role = "model", parts = host.array(parts) } }
  local response = { candidates = host.array { candidate }, modelVersion = ctx.model,
    responseId = words.name(ctx.id, 22), usageMetadata = usage_of(reply, output, ctx) }
  if ctx.vertex then response.createTime = "2026-01-01T00:00:00.000000Z" end
  return response
end

local function calls_of(reply, ctx)
  local list = {}
  for i, call in ipairs(reply.calls) do
    list[i] = { functionCall = { name = call.name, args = call.arguments } }
    if next(call.arguments) == nil then list[i].functionCall.args = nil end
    -- The first call of a turn carries the signature for all of them.
    if i == 1 and rules.signs(ctx.model) then
      list[i].thoughtSignature = rules.signature(call.name)
    end
  end
  return list
end

function gemini.whole(reply, ctx)
  local parts = {}
  if #reply.thoughts > 0 then
    parts[1] = { text = table.concat(reply.thoughts), thought = true }
  end
  if #reply.pieces > 0 then parts[#parts + 1] = { text = table.concat(reply.pieces) } end
  for _, part in ipairs(calls_of(reply, ctx)) do parts[#parts + 1] = part end
  return host.encode(response_of(reply, ctx, parts, FINISH[reply.finish], reply.output))
end

-- One piece of a JSON array when no events were asked for, else an event.
local function piece(list, value, ctx)
  local text = host.encode(value)
  if ctx.events then
    list[#list + 1] = "data: " .. text .. "\r\n\r\n"
  else
    list[#list + 1] = (#list == 0 and "[" or ",\r\n") .. text
  end
end

function gemini.stream(reply, ctx)
  local list, said = {}, 0
  for _, text in ipairs(reply.thoughts) do
    piece(list, response_of(reply, ctx, { { text = text, thought = true } }, nil, 0), ctx)
  end
  for _, text in ipairs(reply.pieces) do
    said = said + 1
    piece(list, response_of(reply, ctx, { { text = text } }, nil, said), ctx)
  end
  for _, part in ipairs(calls_of(reply, ctx)) do
    piece(list, response_of(reply, ctx, { part }, nil, reply.output), ctx)
  end
  piece(list, response_of(reply, ctx, { { text = "" } }, FINISH[reply.finish], reply.output), ctx)
  if not ctx.events then list[#list + 1] = "]" end
  return list
end

-- --- failures ----------------------------------------------------------------------------

local KINDS = { invalid = { 400, "INVALID_ARGUMENT" }, key = { 400, "INVALID_ARGUMENT" },
  billing = { 400, "FAILED_PRECONDITION" }, forbidden = { 403, "PERMISSION_DENIED" },
  model = { 404, "NOT_FOUND" }, timeout = { 504, "DEADLINE_EXCEEDED" },
  large = { 400, "INVALID_ARGUMENT" }, rate = { 429, "RESOURCE_EXHAUSTED" },
  quota = { 429, "RESOURCE_EXHAUSTED" }, server = { 500, "INTERNAL" },
  overload = { 503, "UNAVAILABLE" }, context = { 400, "INVALID_ARGUMENT" },
  filter = { 400, "INVALID_ARGUMENT" } }

local function details_of(fault)
  if fault.kind == "key" then
    return host.array { { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo",
      reason = "API_KEY_INVALID", domain = "googleapis.com" } }
  elseif fault.kind == "rate" then
    return host.array { { ["@type"] = "type.googleapis.com/google.rpc.RetryInfo",
      retryDelay = (fault.retry_after or 2) .. "s" } }
  elseif fault.kind == "quota" then
    return host.array { { ["@type"] = "type.googleapis.com/google.rpc.QuotaFailure",
      violations = host.array { { quotaId = "GenerateRequestsPerDayPerProject" } } } }
  end
end

-- A prompt that is blocked is no error there: an answer without candidates.
local function blocked(ctx)
  return { promptFeedback = { blockReason = "PROHIBITED_CONTENT" },
    usageMetadata = { promptTokenCount = 3, totalTokenCount = 3 }, modelVersion = ctx.model }
end

function gemini.failure(fault, ctx)
  if fault.kind == "filter" and ctx then return 200, blocked(ctx) end
  local row = KINDS[fault.kind]
  local message = fault.message
  if fault.kind == "key" then message = "API key not valid. Please pass a valid API key." end
  if fault.kind == "context" then
    message = "The input token count (1048577) exceeds the maximum number of tokens allowed"
      .. " (1048576)."
  end
  return row[1], { error = { code = row[1], message = message, status = row[2],
    details = details_of(fault) } }
end

function gemini.midway(fault, ctx)
  local _, body = gemini.failure(fault, ctx)
  local list = {}
  piece(list, body, ctx)
  return list[1]
end

-- --- tokens, embeddings, models ----------------------------------------------------------

function gemini.count(question)
  return { totalTokens = question.input,
    promptTokensDetails = host.array { { modality = "TEXT", tokenCount = question.input } } }
end

local function embedding(request)
  local content = given(request.content)
  local size = vectors.size(request.outputDimensionality)
  if not content or not size then return nil end
  return { values = vectors.of(words.text_of(content.parts), size) }
end

-- Vertex's predict.
local function predictions(body)
  local list = host.array {}
  local size = vectors.size((given(body.parameters) or {}).outputDimensionality)
  for i, said in ipairs(body.instances) do
    if type(said.content) ~= "string" or not size then
      return nil, faults.invalid "instances: expected texts"
    end
    list[i] = { embeddings = { values = vectors.of(said.content, size),
      statistics = { token_count = #said.content // 4 + 1, truncated = false } } }
  end
  return { predictions = list }
end

-- embedContent and batchEmbedContents.
function gemini.embeddings(body)
  if body.instances then return predictions(body) end
  if not body.requests then
    local made = embedding(body)
    if made then return { embedding = made } end
    return nil, faults.invalid "content: expected parts with text"
  end
  local list = host.array {}
  for i, request in ipairs(body.requests) do
    list[i] = embedding(request)
    if not list[i] then return nil, faults.invalid "requests: expected parts with text" end
  end
  if #list == 0 then return nil, faults.invalid "requests: at least one is required" end
  return { embeddings = list }
end

local function model_of(name)
  return { name = "models/" .. name, displayName = name, version = "001",
    inputTokenLimit = 1048576, outputTokenLimit = 65536,
    supportedGenerationMethods = host.array { "generateContent", "countTokens" } }
end

function gemini.models(names, name)
  if name then return model_of(name) end
  local list = host.array {}
  for i, each in ipairs(names) do list[i] = model_of(each) end
  return { models = list }
end

return gemini
