-- leme.surface.mistral: Mistral's own clients on OpenAI's paths. The two formats are
-- nearly one, but these clients read answers through a schema: a call comes whole, with
-- its name; the usage is always there and never null; thoughts are parts of the
-- content; embeddings have an id. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local NULL = host.null

local mistral = {}

-- --- requests ----------------------------------------------------------------------------

local RENAMED = { random_seed = "seed", output_dimension = "dimensions" }
-- What only Mistral's models know, and what it says when it is idle.
local OWN = { safe_prompt = false, output_dtype = "float", prompt_cache_key = false }

-- Before another vendor sees a body of its clients; ${ledger} notes or refuses.
function mistral.leave(body, ledger)
  for own, idle in pairs(OWN) do
    local value = common.given(body[own])
    if value ~= nil and value ~= idle then ledger:drop(own, "only Mistral's own API knows it") end
    body[own] = nil
  end
end

local function part_of(part, thoughts, kept)
  if type(part) ~= "table" then return end
  if part.type == "thinking" then
    thoughts[#thoughts + 1] = common.plain(common.given(part.thinking)) or ""
  elseif part.type == "image_url" and type(part.image_url) == "string" then
    kept[#kept + 1] = { type = "image_url", image_url = { url = part.image_url } }
  elseif part.type == "document_url" and common.text(part.document_url) then
    kept[#kept + 1] = { type = "file", file = { file_data = part.document_url,
      filename = common.text(part.document_name) } }
  elseif part.type == "input_audio" and common.text(part.input_audio) then
    kept[#kept + 1] = { type = "input_audio", input_audio = { data = part.input_audio,
      format = part.input_audio:sub(1, 5) == "UklGR" and "wav" or "mp3" } }
  else
    kept[#kept + 1] = part
  end
end

local function read_content(message)
  if not common.is_list(message.content) then return end
  local thoughts, kept = {}, host.array {}
  for _, part in ipairs(message.content) do part_of(part, thoughts, kept) end
  message.content = #kept > 0 and kept or (message.tool_calls and NULL or "")
  if #thoughts > 0 then message.reasoning_content = common.join(thoughts) end
end

local function read_calls(message)
  for _, call in ipairs(common.table(common.given(message.tool_calls))) do
    local fn = common.table(common.table(call)["function"])
    call.type, call.index = "function", nil
    if type(fn.arguments) == "table" then fn.arguments = host.encode(fn.arguments) end
  end
end

local function read_messages(body)
  for _, message in ipairs(common.table(common.given(body.messages))) do
    if type(message) == "table" then
      read_content(message)
      read_calls(message)
      if common.given(message.tool_calls) == nil then message.tool_calls = nil end
      if message.prefix == false then message.prefix = nil end
    end
  end
end

local function read_format(body)
  local named = common.table(common.given(common.table(common.given(body.response_format))
    .json_schema))
  if named.schema_definition ~= nil and named.schema == nil then
    named.schema, named.schema_definition = named.schema_definition, nil
  end
end

-- A request of ${ctx.verb} "embeddings" or of a chat.
function mistral.request(_, body, ctx)
  local notes = {}
  for own, name in pairs(RENAMED) do
    if body[own] ~= nil then body[name], body[own] = body[own], nil end
  end
  if ctx.verb == "embeddings" then return { body = body, notes = notes } end
  if body.prompt_mode == "reasoning" and common.given(body.reasoning_effort) == nil then
    body.reasoning_effort = "high"
  end
  body.prompt_mode = nil
  if body.tool_choice == "any" then body.tool_choice = "required" end
  read_messages(body)
  read_format(body)
  local stream = body.stream == true
  if stream then body.stream_options = { include_usage = true } end
  return { body = body, stream = stream, notes = notes }
end

-- --- answers -----------------------------------------------------------------------------

local function thinking(text)
  return { type = "thinking", thinking = host.array { { type = "text", text = text } } }
end

-- Text as it is; beside thoughts as a part.
local function content_of(message)
  local thoughts, text = common.filled(message.reasoning_content), common.given(message.content)
  if not thoughts then return text or "" end
  local parts = host.array { thinking(thoughts) }
  if common.filled(text) then parts[2] = { type = "text", text = text } end
  return parts
end

local function message_of(message)
  local refusal = common.filled(message.refusal)
  return { role = "assistant", content = refusal or content_of(message),
    tool_calls = common.given(message.tool_calls) or NULL }
end

-- These clients read an absent count as zero, so none is made up here.
local function usage_of(usage)
  usage = common.table(common.given(usage))
  return { prompt_tokens = usage.prompt_tokens, completion_tokens = usage.completion_tokens,
    total_tokens = usage.total_tokens, prompt_tokens_details = usage.prompt_tokens_details }
end

function mistral.answer(_, answer, ctx)
  if ctx.verb == "embeddings" then
    answer.id, answer.usage = ctx.id, usage_of(answer.usage)
    return answer
  end
  local choices = host.array {}
  for i, choice in ipairs(common.table(common.given(answer.choices))) do
    choice = common.table(choice)
    choices[i] = { index = common.count(choice.index) or i - 1,
      finish_reason = common.text(choice.finish_reason) or "stop",
      message = message_of(common.table(choice.message)) }
  end
  return { id = common.filled(answer.id) or ctx.id, object = "chat.completion",
    created = common.count(answer.created) or ctx.created, model = ctx.model, choices = choices,
    usage = usage_of(answer.usage) }
end

-- --- streams -----------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

function mistral.stream(_, ctx)
  return setmetatable({ ctx = ctx, calls = {}, ends = {} }, Stream)
end

function Stream.start() return "" end

local function data(value) return "data: " .. host.encode(value) .. "\n\n" end

function Stream:chunk(choices, usage)
  return data { id = self.id or self.ctx.id, object = "chat.completion.chunk",
    created = self.ctx.created, model = self.ctx.model, choices = host.array(choices),
    usage = usage }
end

-- Pieces of calls, by choice and place, until the choice ends.
function Stream:gather(index, pieces)
  local calls = self.calls[index] or { order = {} }
  self.calls[index] = calls
  for i, piece in ipairs(pieces) do
    piece = common.table(piece)
    local at, fn = common.count(piece.index) or i - 1, common.table(piece["function"])
    local call = calls[at]
    if not call then
      call = { id = "", name = "", pieces = {} }
      calls[at] = call
      table.insert(calls.order, call)
    end
    call.id = common.filled(piece.id) or call.id
    call.name = common.filled(fn.name) or call.name
    call.pieces[#call.pieces + 1] = common.text(fn.arguments)
  end
end

function Stream:calls_of(index)
  local list = host.array {}
  for i, call in ipairs(common.table(self.calls[index]).order or {}) do
    list[i] = { id = call.id, type = "function", index = i - 1,
      ["function"] = { name = call.name, arguments = common.join(call.pieces) } }
  end
  return #list > 0 and list or nil
end

local function said(delta)
  local thoughts = common.filled(delta.reasoning_content)
  local text = common.filled(delta.content) or common.filled(delta.refusal)
  if not thoughts then return text end
  return host.array { thinking(thoughts), text and { type = "text", text = text } or nil }
end

-- The end of a choice waits for the usage, which comes with it.
function Stream:event(chunk)
  self.id = self.id or common.filled(chunk.id)
  local out = {}
  for _, choice in ipairs(common.table(common.given(chunk.choices))) do
    choice = common.table(choice)
    local index, delta = common.count(choice.index) or 0, common.table(choice.delta)
    self:gather(index, common.table(common.given(delta.tool_calls)))
    local text = said(delta)
    if text then
      out[#out + 1] = self:chunk { { index = index, finish_reason = NULL,
        delta = { role = "assistant", content = text } } }
    end
    local finish = common.filled(choice.finish_reason)
    if finish then
      self.ends[#self.ends + 1] = { index = index, finish_reason = finish,
        delta = { content = "", tool_calls = self:calls_of(index) } }
    end
  end
  if common.given(chunk.usage) ~= nil then self.usage = usage_of(chunk.usage) end
  return common.join(out)
end

function Stream:finish()
  return self:chunk(self.ends, self.usage) .. "data: [DONE]\n\n"
end

-- --- failures ----------------------------------------------------------------------------

local function error_of(message, kind, code)
  return { object = "error", message = message, type = kind, param = NULL, code = code or NULL }
end

-- No schema of theirs fits it, so that the client raises.
function Stream:failure(error_type, _, message) -- luacheck: ignore 212/self
  return data(error_of(message, error_type)) .. "data: [DONE]\n\n"
end

function mistral.failure(_, _, kind, code, message)
  return error_of(message, kind, code), {}
end

function mistral.ping() return ": keep-alive\n\n" end

return mistral
