-- leme.mock.cohere: a mock in Cohere's own chat, version 2, and its embeddings. Its
-- functions are those of leme.mock.openai. Pure.

local host = require "leme.host"
local words = require "leme.mock.words"
local faults = require "leme.mock.faults"
local vectors = require "leme.mock.vectors"

local cohere = {}

local given = words.given

-- --- questions ---------------------------------------------------------------------------

local function message_fault(message, open)
  if type(message) ~= "table" or type(message.role) ~= "string" then
    return faults.invalid "messages: each needs a role"
  end
  if message.role == "tool" and not open[message.tool_call_id] then
    return faults.invalid("tool call id not found in previous tool calls: "
      .. tostring(message.tool_call_id))
  end
  for _, call in ipairs(given(message.tool_calls) or {}) do open[call.id] = true end
end

local function read_tools(body)
  local list = {}
  for _, tool in ipairs(given(body.tools) or {}) do
    local fn = type(tool) == "table" and tool["function"] or {}
    if type(fn.name) == "string" then
      list[#list + 1] = { name = fn.name, parameters = given(fn.parameters) }
    end
  end
  return list
end

local CHOICES = { REQUIRED = "required", NONE = "none" }

function cohere.read(body)
  if not words.is_list(body.messages) then
    return nil, faults.invalid "messages must be at least 1 token long"
  end
  local thinking, format = given(body.thinking), given(body.response_format)
  local question = { said = "", input = 0, tools = read_tools(body), max = given(body.max_tokens),
    choice = CHOICES[body.tool_choice], stops = given(body.stop_sequences),
    thinks = thinking ~= nil and thinking.type == "enabled" }
  local open = {}
  for _, message in ipairs(body.messages) do
    local fault = message_fault(message, open)
    if fault then return nil, fault end
    local text = words.text_of(message.content)
    question.input = question.input + words.tokens(text) + 3
    question.answered = message.role == "tool"
    if message.role == "user" or message.role == "tool" then question.said = text end
  end
  if format then
    question.json, question.schema = format.type == "json_object", given(format.json_schema)
  end
  return question
end

-- --- answers -----------------------------------------------------------------------------

local FINISH = { stop = "COMPLETE", length = "MAX_TOKENS", tool_calls = "TOOL_CALL" }

local function usage_of(reply)
  local output = reply.output + reply.reasoning
  return { billed_units = { input_tokens = reply.input, output_tokens = output },
    tokens = { input_tokens = reply.input, output_tokens = output }, cached_tokens = 0 }
end

local function call_of(call, i, ctx)
  return { id = call.name .. "_" .. words.name(call.name .. i .. ctx.id, 12), type = "function",
    ["function"] = { name = call.name, arguments = host.encode(call.arguments) } }
end

function cohere.whole(reply, ctx)
  local message, content = { role = "assistant" }, host.array {}
  if #reply.thoughts > 0 then
    content[1] = { type = "thinking", thinking = table.concat(reply.thoughts) }
  end
  if #reply.calls > 0 then
    message.tool_plan = "I will use the tools."
    message.tool_calls = host.array {}
    for i, call in ipairs(reply.calls) do message.tool_calls[i] = call_of(call, i, ctx) end
  else
    content[#content + 1] = { type = "text", text = table.concat(reply.pieces) }
  end
  if #content > 0 then message.content = content end
  return host.encode { id = ctx.id, message = message, finish_reason = FINISH[reply.finish],
    usage = usage_of(reply) }
end

local Stream = {}
Stream.__index = Stream

function Stream:send(kind, index, message)
  local event = { type = kind, index = index, delta = message and { message = message } }
  self[#self + 1] = ("event: %s\ndata: %s\n\n"):format(kind, host.encode(event))
end

function Stream:block(index, kind, pieces)
  if #pieces == 0 then return index end
  self:send("content-start", index, { content = { type = kind, [kind] = "" } })
  for _, piece in ipairs(pieces) do
    self:send("content-delta", index, { content = { [kind] = piece } })
  end
  self:send("content-end", index)
  return index + 1
end

function Stream:call(call, i, ctx)
  local made = call_of(call, i, ctx)
  local text = made["function"].arguments
  made["function"].arguments = ""
  self:send("tool-call-start", i - 1, { tool_calls = made })
  for _, piece in ipairs(words.slices(text, 7)) do
    self:send("tool-call-delta", i - 1, { tool_calls = { ["function"] = { arguments = piece } } })
  end
  self:send("tool-call-end", i - 1)
end

function cohere.stream(reply, ctx)
  local stream = setmetatable({}, Stream)
  stream[1] = ("event: message-start\ndata: %s\n\n"):format(host.encode { id = ctx.id,
    type = "message-start", delta = { message = { role = "assistant", content = host.array {},
      tool_plan = "", tool_calls = host.array {} } } })
  if #reply.calls > 0 then
    stream:send("tool-plan-delta", nil, { tool_plan = "I will use the tools." })
  end
  local index = stream:block(0, "thinking", reply.thoughts)
  stream:block(index, "text", reply.pieces)
  for i, call in ipairs(reply.calls) do stream:call(call, i, ctx) end
  stream[#stream + 1] = ("event: message-end\ndata: %s\n\n"):format(host.encode {
    type = "message-end", delta = { finish_reason = FINISH[reply.finish],
      usage = usage_of(reply) } })
  return setmetatable(stream, nil)
end

-- --- failures ----------------------------------------------------------------------------

function cohere.failure(fault)
  local message = fault.message
  if fault.kind == "key" then message = "invalid api token" end
  if fault.kind == "context" then
    message = "too many tokens: total number of tokens in the prompt exceeds the limit"
  end
  return fault.status, { id = "mock", message = message }
end

function cohere.midway(fault)
  return ("event: message-end\ndata: %s\n\n"):format(host.encode { type = "message-end",
    delta = { finish_reason = "ERROR", error = fault.message } })
end

-- --- embeddings and models ---------------------------------------------------------------

function cohere.embeddings(body, ctx)
  local texts = vectors.texts(given(body.texts))
  local size = vectors.size(body.output_dimension)
  if not texts then return nil, faults.invalid "texts: at least one is required" end
  if not size then return nil, faults.invalid "output_dimension: not offered" end
  if not given(body.input_type) then return nil, faults.invalid "input_type is required" end
  local list = host.array {}
  for i, text in ipairs(texts) do list[i] = vectors.of(text, size) end
  return { id = ctx.id, embeddings = { float = list }, texts = host.array(texts),
    response_type = "embeddings_by_type", meta = { api_version = { version = "2" },
      billed_units = { input_tokens = vectors.tokens(texts) } } }
end

function cohere.models(names, name)
  if name then return { name = name, endpoints = host.array { "chat" } } end
  local list = host.array {}
  for i, each in ipairs(names) do
    list[i] = { name = each, endpoints = host.array { "chat" }, context_length = 128000 }
  end
  return { models = list }
end

return cohere
