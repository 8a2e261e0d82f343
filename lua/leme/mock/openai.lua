-- leme.mock.openai: a mock in OpenAI's chat completions, old completions, embeddings
-- and lists of models, with the particulars of leme.mock.vendors. Pure.
--
-- Every format of the mock has these:
--   read(body, ctx) -> question, or nil and a fault
--   whole(reply, ctx) -> the body of an answer, as text
--   stream(reply, ctx) -> list of texts, an event each; the first of them before
--                         anything is said
--   failure(fault, ctx) -> status, body (a table), headers or nil
--   midway(fault, ctx) -> the text of an error event
-- ctx = { model, vendor = its row, id, body, question, kind = what is asked for }

local host = require "leme.host"
local words = require "leme.mock.words"
local faults = require "leme.mock.faults"
local vectors = require "leme.mock.vectors"
local rules = require "leme.mock.openai_rules"
local errors = require "leme.mock.openai_errors"
local google = require "leme.mock.gemini_rules"

local openai = {}

local NULL = host.null
local CREATED = 1767225600
local given = words.given

-- --- questions ---------------------------------------------------------------------------

local function read_tools(body)
  local list = {}
  for _, tool in ipairs(given(body.tools) or {}) do
    local fn = type(tool) == "table" and tool["function"]
    if type(fn) == "table" and type(fn.name) == "string" then
      list[#list + 1] = { name = fn.name, parameters = given(fn.parameters) }
    end
  end
  return list
end

local function read_choice(body)
  local choice = given(body.tool_choice)
  if type(choice) == "table" then
    return type(choice["function"]) == "table" and { name = choice["function"].name } or nil
  end
  return choice == "any" and "required" or choice
end

local function read_format(body, question)
  local format = given(body.response_format)
  if type(format) ~= "table" then return end
  if format.type == "json_schema" then question.schema = format.json_schema.schema or {} end
  if format.type ~= "json_object" then return end
  question.json = true
  -- A model follows a schema that its instructions hold.
  for _, message in ipairs(body.messages) do
    local schema = words.text_of(message.content):sub(1, 65536):match "JSON Schema[^{]*(%b{})"
    if schema then question.schema = host.decode(schema) end
  end
end

local function read_stops(stop)
  stop = given(stop)
  return type(stop) == "string" and { stop } or stop
end

local function thinks_of(body, ctx)
  local think = ctx.vendor.think
  return think and think(body, ctx.model) and ctx.vendor.thoughts ~= nil
end

local function read_chat(body, ctx)
  local thinks = thinks_of(body, ctx)
  local fault = rules.check(body, ctx.model, thinks, ctx.vendor)
  if fault then return nil, fault end
  local question = { said = "", input = 0, thinks = thinks, tools = read_tools(body),
    choice = read_choice(body), stops = read_stops(body.stop),
    max = given(body.max_completion_tokens) or given(body.max_tokens) }
  for _, message in ipairs(body.messages) do
    local text = words.text_of(message.content)
    question.input = question.input + words.tokens(text) + 3
    question.answered = message.role == "tool"
    if message.role == "user" or message.role == "tool" then question.said = text end
  end
  read_format(body, question)
  return question
end

function openai.read(body, ctx)
  ctx.legacy = ctx.kind == "completions"
  if not ctx.legacy then return read_chat(body, ctx) end
  local prompt = type(body.prompt) == "string" and body.prompt or words.text_of(body.prompt)
  return { said = prompt, input = words.tokens(prompt), max = given(body.max_tokens),
    stops = read_stops(body.stop) }
end

-- --- parts of answers --------------------------------------------------------------------

local function with(object, more)
  for key, value in pairs(more or {}) do object[key] = value end
  return object
end

local function usage_of(reply, vendor)
  local output = reply.output + reply.reasoning
  local usage = { prompt_tokens = reply.input, completion_tokens = output,
    total_tokens = reply.input + output, prompt_tokens_details = { cached_tokens = 0 },
    completion_tokens_details = { reasoning_tokens = reply.reasoning } }
  -- xAI counts the thoughts in the total only.
  if vendor.apart then usage.completion_tokens = reply.output end
  if vendor.counts then vendor.counts(usage) end
  return usage
end

local function call_of(call, i, ctx)
  local vendor = ctx.vendor
  local id = vendor.ids and vendor.ids(call.name, i - 1, ctx.id)
    or "call_" .. words.name(call.name .. i .. ctx.id, 24)
  local made = { id = id, type = "function", ["function"] = { name = call.name,
    arguments = host.encode(call.arguments) } }
  if vendor.bare then made.type = nil end
  if vendor.signs then
    made.extra_content = { google = { thought_signature = google.signature(call.name) } }
  end
  return made
end

local function parts_of(thoughts, text)
  local parts = host.array {}
  if #thoughts > 0 then
    parts[1] = { type = "thinking", closed = true,
      thinking = host.array { { type = "text", text = table.concat(thoughts) } } }
  end
  if text ~= "" then parts[#parts + 1] = { type = "text", text = text } end
  return parts
end

local function detail_of(text)
  return host.array { { type = "reasoning.text", text = text, index = 0, format = "mock-v1",
    signature = NULL } }
end

-- Thoughts as a field of a message or of a delta.
local function add_thoughts(object, text, vendor)
  if vendor.thoughts == nil or vendor.thoughts == "parts" then return end
  object[vendor.thoughts] = text
  if vendor.details then object.reasoning_details = detail_of(text) end
end

local function finish_of(reply, vendor)
  return reply.finish == "stop" and vendor.finish or reply.finish
end

local function choice_of(ctx, finish)
  local choice = with({ index = 0, logprobs = NULL, finish_reason = finish or NULL },
    ctx.vendor.choice)
  if ctx.vendor.native then choice.native_finish_reason = finish or NULL end
  return choice
end

local function base_of(ctx, object)
  return with({ id = ctx.id, object = object, created = CREATED, model = ctx.model },
    ctx.vendor.extra)
end

-- --- whole answers -----------------------------------------------------------------------

local function message_of(reply, ctx)
  local vendor, text = ctx.vendor, table.concat(reply.pieces)
  local message = { role = "assistant", refusal = NULL,
    content = #reply.calls > 0 and NULL or text }
  if #reply.thoughts > 0 then
    add_thoughts(message, table.concat(reply.thoughts), vendor)
    if vendor.thoughts == "parts" then message.content = parts_of(reply.thoughts, text) end
  end
  for i, call in ipairs(reply.calls) do
    message.tool_calls = message.tool_calls or host.array {}
    message.tool_calls[i] = call_of(call, i, ctx)
  end
  if #reply.calls == 0 and vendor.none then
    message.tool_calls = vendor.none == "null" and NULL or host.array {}
  end
  return message
end

function openai.whole(reply, ctx)
  local body = base_of(ctx, ctx.legacy and "text_completion" or "chat.completion")
  local choice = choice_of(ctx, finish_of(reply, ctx.vendor))
  if ctx.legacy then
    choice.text = table.concat(reply.pieces)
  else
    choice.message = message_of(reply, ctx)
  end
  body.choices = host.array { choice }
  body.usage = usage_of(reply, ctx.vendor)
  return (ctx.vendor.blank or "") .. host.encode(body)
end

-- --- streams -----------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

function Stream:send(value)
  local stop = self.ctx.vendor.crlf and "\r\n" or "\n"
  local text = type(value) == "string" and value or host.encode(value)
  self.list[#self.list + 1] = "data: " .. text .. stop .. stop
end

function Stream:chunk(delta, finish, usage)
  local ctx = self.ctx
  local body = base_of(ctx, ctx.legacy and "text_completion" or "chat.completion.chunk")
  local choice = choice_of(ctx, finish)
  if ctx.legacy then
    choice.text = delta.content or ""
  else
    choice.delta = delta
    if ctx.vendor.noise then
      delta.role, delta.content = "assistant", delta.content or ""
    end
  end
  body.choices = host.array { choice }
  if usage then body.usage = usage elseif self.counted then body.usage = NULL end
  if ctx.vendor.usage == "each" then body.usage = self.usage end
  local padding = ctx.vendor.padding
  if padding then body[padding] = ("abcdefghij"):sub(1, #self.list % 10 + 1) end
  self:send(body)
end

function Stream:thoughts(thoughts)
  for _, piece in ipairs(thoughts) do
    local delta = {}
    if self.ctx.vendor.thoughts == "parts" then
      delta.content = host.array { { type = "thinking",
        thinking = host.array { { type = "text", text = piece } } } }
    else
      add_thoughts(delta, piece, self.ctx.vendor)
    end
    if next(delta) then self:chunk(delta) end
  end
end

local function piece_of(index, vendor, text)
  local piece = { index = index, ["function"] = { arguments = text } }
  if vendor.repeats then
    piece.id, piece.type, piece["function"].name = "", "function", ""
  end
  return piece
end

function Stream:call(call, i)
  local vendor, whole = self.ctx.vendor, call_of(call, i, self.ctx)
  local text = whole["function"].arguments
  whole.index = i - 1
  if vendor.at_once then return self:chunk { tool_calls = host.array { whole } } end
  whole["function"].arguments = ""
  self:chunk { tool_calls = host.array { whole } }
  for _, piece in ipairs(words.slices(text, 7)) do
    self:chunk { role = vendor.repeats and NULL or nil,
      tool_calls = host.array { piece_of(i - 1, vendor, piece) } }
  end
end

function Stream:finish(reply)
  local vendor = self.ctx.vendor
  local at_end = vendor.usage == "finish"
  self:chunk({}, finish_of(reply, vendor), at_end and self.usage or nil)
  if vendor.usage == "behind" then
    self:chunk({ role = "assistant", content = "" }, nil, self.usage)
  elseif self.counted then
    local body = base_of(self.ctx, self.ctx.legacy and "text_completion"
      or "chat.completion.chunk")
    body.choices, body.usage = host.array {}, self.usage
    self:send(body)
  end
  if vendor.done ~= false then self:send "[DONE]" end
end

function openai.stream(reply, ctx)
  local asked = given(ctx.body.stream_options)
  local vendor = ctx.vendor
  local stream = setmetatable({ list = {}, ctx = ctx, usage = usage_of(reply, vendor),
    counted = not vendor.usage and type(asked) == "table" and asked.include_usage == true },
    Stream)
  if vendor.first then stream:send(vendor.first) end
  if not ctx.legacy then stream:chunk { role = "assistant", content = "" } end
  if vendor.before then stream.list[1] = vendor.before .. stream.list[1] end
  stream:thoughts(reply.thoughts)
  for _, piece in ipairs(reply.pieces) do stream:chunk { content = piece } end
  for i, call in ipairs(reply.calls) do stream:call(call, i) end
  stream:finish(reply)
  return stream.list
end

-- --- failures ----------------------------------------------------------------------------

function openai.failure(fault, ctx)
  local body, status = errors.say(fault, ctx.vendor)
  return status, body
end

-- OpenRouter: a chunk with both; Groq: an event of that name; else the error alone.
function openai.midway(fault, ctx)
  local body = errors.say(fault, ctx.vendor)
  if ctx.vendor.errors == "openrouter" then
    local chunk = base_of(ctx, "chat.completion.chunk")
    local choice = choice_of(ctx, "error")
    choice.delta = { role = "assistant", content = "" }
    chunk.choices, chunk.error = host.array { choice }, { code = fault.status,
      message = fault.message }
    body = chunk
  end
  return (ctx.vendor.errors == "groq" and "event: error\n" or "") .. "data: "
    .. host.encode(body) .. "\n\n"
end

-- --- embeddings and models ---------------------------------------------------------------

-- The answer to a request for embeddings: a table, or nil and a fault.
function openai.embeddings(body, ctx)
  local texts = vectors.texts(given(body.input))
  if not texts then return nil, faults.invalid "'input' must not be empty" end
  local size = vectors.size(given(body.dimensions) or body.output_dimension)
  if not size then return nil, faults.invalid "'dimensions' must be between 1 and 4096" end
  if ctx.vendor.allow and given(body.dimensions) then
    return nil, { status = 422, kind = "invalid", extra = "dimensions", message = "dimensions" }
  end
  local data = host.array {}
  for i, text in ipairs(texts) do
    local list = vectors.of(text, size)
    data[i] = { object = "embedding", index = i - 1,
      embedding = body.encoding_format == "base64" and vectors.packed(list) or list }
  end
  local used = vectors.tokens(texts)
  return { object = "list", data = data, model = ctx.model,
    id = ctx.vendor.allow and ctx.id or nil,
    usage = { prompt_tokens = used, total_tokens = used } }
end

local function model_of(name, vendor)
  if vendor == "mistral" then
    return { id = name, object = "model", created = CREATED, owned_by = "mistralai",
      type = "base", name = name, max_context_length = 131072, aliases = host.array {},
      capabilities = { completion_chat = true, completion_fim = false, function_calling = true,
        fine_tuning = false, vision = false } }
  end
  return { id = name, object = "model", created = CREATED, owned_by = "leme-mock" }
end

-- The list of models, or one of them when ${name} is given.
function openai.models(names, name, vendor)
  if name then return model_of(name, vendor) end
  local data = host.array {}
  for i, each in ipairs(names) do data[i] = model_of(each, vendor) end
  return { object = "list", data = data }
end

return openai
