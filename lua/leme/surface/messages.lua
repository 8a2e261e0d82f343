-- leme.surface.messages: Anthropic's /v1/messages for clients; answers and events.
-- The request is read by messages_request. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local blocks = require "leme.surface.blocks"
local wire = require "leme.surface.wire"
local names = require "leme.surface.names"
local threads = require "leme.surface.threads"

local NULL = host.null

local messages = {}

function messages.request(_, body)
  return require("leme.surface.messages_request")(body)
end

local function message_id(ctx)
  return "msg_" .. common.letters(common.text(ctx.id) or "", 24)
end

-- --- why it ended, and what it cost ----------------------------------------------------------

local STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use",
  function_call = "tool_use", content_filter = "refusal" }
-- Anthropic's own words, where they came from Anthropic, and what OpenAI calls them.
local NATIVE = { end_turn = "stop", stop_sequence = "stop", pause_turn = "stop",
  max_tokens = "length", model_context_window_exceeded = "length", tool_use = "tool_calls",
  compaction = "stop", refusal = "content_filter" }

-- known: finish, native, stopped_by (the stop sequence, where a server tells it),
-- refused, calls.
local function stop_of(known, request)
  if known.finish and NATIVE[known.native] == known.finish then
    return known.native, known.native == "stop_sequence" and known.stopped_by or NULL
  end
  if known.refused then return "refusal", NULL end
  local reason = STOPS[known.finish] or "end_turn"
  if reason == "end_turn" and known.calls > 0 then return "tool_use", NULL end
  if reason == "tool_use" and known.calls == 0 then return "end_turn", NULL end
  for _, stop in ipairs(common.table(common.given(common.table(request).stop_sequences))) do
    if reason == "end_turn" and stop == known.stopped_by then return "stop_sequence", stop end
  end
  return reason, NULL
end

-- Anthropic counts cached tokens apart.
local function usage_of(usage)
  local known = blocks.usage(usage)
  local out = { output_tokens = known.completion, cache_read_input_tokens = known.cached,
    input_tokens = math.max(known.prompt - known.cached - known.written, 0),
    cache_creation_input_tokens = known.written }
  if known.written_1h then
    out.cache_creation = { ephemeral_1h_input_tokens = known.written_1h,
      ephemeral_5m_input_tokens = math.max(known.written - known.written_1h, 0) }
  end
  if known.reasoning > 0 then
    out.output_tokens_details = { thinking_tokens = known.reasoning }
  end
  if known.searches and known.searches > 0 then
    out.server_tool_use = { web_search_requests = known.searches }
  end
  return out
end

-- --- blocks ----------------------------------------------------------------------------------

-- The piece of a text that a citation speaks of, counted in characters.
local function piece_of(text, from, to)
  from, to = common.count(from), common.count(to)
  local first = from and to and from < to and utf8.offset(text, from + 1)
  local last = first and utf8.offset(text, to + 1)
  return last and text:sub(first, last - 1) or ""
end

local function citations_of(block)
  local list = {}
  for _, citation in ipairs(block.citations or {}) do
    if common.text(common.table(citation).type) then list[#list + 1] = citation end
  end
  local text = blocks.text(block)
  for _, annotation in ipairs(block.annotations or {}) do
    local url = common.table(common.table(annotation).url_citation)
    if common.filled(url.url) then
      list[#list + 1] = { type = "web_search_result_location", url = url.url,
        title = common.text(url.title) or NULL, encrypted_index = "",
        cited_text = piece_of(text, url.start_index, url.end_index) }
    end
  end
  return list
end

-- What the arguments of a call say, as an object.
local function input_of(block)
  local text = blocks.text(block)
  if block.custom then return { input = text } end
  return common.arguments(text) or { text = text }
end

local SHOWN = {
  thinking = function(block)
    return block.native or { type = "thinking", thinking = blocks.text(block), signature = "" }
  end,
  redacted = function(block) return block.native end,
  text = function(block)
    local cited = citations_of(block)
    return { type = "text", text = blocks.text(block),
      citations = #cited > 0 and host.array(cited) or nil }
  end,
  refusal = function(block) return { type = "text", text = blocks.text(block) } end,
  call = function(block)
    return { type = "tool_use", id = block.id, name = block.name, input = input_of(block),
      extra_content = block.extra }
  end,
}

-- The blocks Anthropic itself answered with, unless the answer was changed since.
local function kept_blocks(message, list)
  local extra = common.table(common.given(message.extra_content))
  local kept = common.table(common.given(extra.anthropic)).content
  if not common.is_list(kept) then return nil end
  local text, calls = {}, 0
  for _, block in ipairs(kept) do
    block = common.table(block)
    if block.type == "text" then text[#text + 1] = common.text(block.text) or "" end
    if block.type == "tool_use" then calls = calls + 1 end
  end
  local said, called = "", 0
  for _, block in ipairs(list) do
    if block.kind == "text" then said = block.text end
    if block.kind == "call" then called = called + 1 end
  end
  if calls == called and common.join(text) == said then return kept end
end

-- --- a whole answer --------------------------------------------------------------------------

function messages.answer(_, answer, ctx)
  local choice = common.table(common.table(common.given(answer.choices))[1])
  local message = common.table(choice.message)
  local list, calls, refused = blocks.of(choice), 0, false
  local content, long = host.array {}, names.long(ctx.request)
  for i, block in ipairs(list) do
    if block.kind == "call" then block.name = long[block.name] or block.name end
    content[i] = SHOWN[block.kind](block)
    if block.kind == "call" then calls = calls + 1 end
    if block.kind == "refusal" then refused = true end
  end
  local native = common.text(choice.native_finish_reason)
  local reason, sequence = stop_of({ finish = common.text(choice.finish_reason), calls = calls,
    native = native, refused = refused, stopped_by = common.text(choice.stop_reason) },
    ctx.request)
  local kept = kept_blocks(message, list)
  if kept and NATIVE[native] then reason = native end
  return { id = message_id(ctx), type = "message", role = "assistant",
    model = ctx.model or answer.model, content = kept or content,
    stop_reason = reason, stop_sequence = sequence, usage = usage_of(answer.usage) }
end

-- --- a stream of events ----------------------------------------------------------------------

local Sink = {}
Sink.__index = Sink

local OPENED = {
  thinking = function() return { type = "thinking", thinking = "", signature = "" } end,
  redacted = function(block) return block.native end,
  text = function() return { type = "text", text = "" } end,
  call = function(block)
    return { type = "tool_use", id = block.id, name = block.name, input = {},
      extra_content = block.extra }
  end,
}
OPENED.refusal = OPENED.text

local DELTAS = { thinking = { "thinking_delta", "thinking" }, text = { "text_delta", "text" },
  refusal = { "text_delta", "text" }, call = { "input_json_delta", "partial_json" } }

function Sink:delta(kind, key, value)
  self.out:event("content_block_delta", { index = self.index,
    delta = { type = kind, [key] = value } })
end

function Sink:open(block)
  self.index = self.index + 1
  if block.kind == "call" then
    self.called = self.called + 1
    block.name = self.long[block.name] or block.name
  end
  self.out:event("content_block_start", { index = self.index,
    content_block = OPENED[block.kind](block) })
end

function Sink:piece(block, text)
  local delta = DELTAS[block.kind]
  if delta and not block.custom then self:delta(delta[1], delta[2], text) end
end

function Sink:close(block)
  if block.custom then
    self:delta("input_json_delta", "partial_json", host.encode(input_of(block)))
  elseif block.kind == "thinking" and block.native then
    self:delta("signature_delta", "signature", block.native.signature)
  elseif block.kind == "text" then
    for _, citation in ipairs(citations_of(block)) do
      self:delta("citations_delta", "citation", citation)
    end
  end
  self.out:event("content_block_stop", { index = self.index })
end

local Stream = {}
Stream.__index = Stream

function messages.stream(_, ctx)
  local out = wire.out()
  local sink = setmetatable({ out = out, index = -1, called = 0,
    long = names.long(ctx.request) }, Sink)
  return setmetatable({ ctx = ctx, out = out, sink = sink, row = blocks.row(sink) }, Stream)
end

-- What the prompt weighs is known only at the end: message_delta says it.
function Stream:start()
  local ctx = self.ctx
  self.out:event("message_start", { message = { id = message_id(ctx), type = "message",
    role = "assistant", model = ctx.model, content = host.array {}, stop_reason = NULL,
    stop_sequence = NULL, usage = usage_of(nil) } })
  self.out:event("ping", {})
  return self.out:take()
end

function Stream:event(chunk)
  self.row:chunk(chunk)
  return self.out:take()
end

function Stream:finish()
  local row = self.row
  row:close()
  local reason, sequence = stop_of({ finish = row.finish, native = row.native,
    stopped_by = row.stopped_by, refused = row.refused, calls = self.sink.called },
    self.ctx.request)
  self.out:event("message_delta", { usage = usage_of(row.usage),
    delta = { stop_reason = reason, stop_sequence = sequence } })
  self.out:event("message_stop", {})
  return self.out:take()
end

-- --- errors ----------------------------------------------------------------------------------

local TYPES = { [401] = "authentication_error", [402] = "billing_error", [403] = "permission_error",
  [404] = "not_found_error", [408] = "timeout_error", [413] = "request_too_large",
  [429] = "rate_limit_error", [504] = "timeout_error", [529] = "overloaded_error" }
local OVERLOADED = { provider_overloaded = true, gateway_shed = true, gateway_draining = true }

-- Clients that shorten a conversation which became too long look for these words.
local TOO_LONG = "prompt is too long"

local function error_of(error_type, status, message)
  local kind = OVERLOADED[error_type] and "overloaded_error" or TYPES[status]
    or (status < 500 and "invalid_request_error" or "api_error")
  if error_type == "provider_context_too_long"
      and not message:sub(1, 4096):lower():find(TOO_LONG, 1, true) then
    message = TOO_LONG .. ": " .. message
  end
  return { type = kind, message = message }
end

function Stream:failure(error_type, status, message)
  self.out:event("error", { error = error_of(error_type, status, message),
    request_id = self.ctx.id })
  return self.out:take()
end

function messages.failure(error_type, status, _, code, message, ctx)
  local said, other = error_of(error_type, status, message), nil
  if message == threads.lost then
    code, other = "thread_not_found", 404
    said.type = "not_found_error"
  end
  if threads.codes[code] then said.details = { error_code = code } end
  return { type = "error", error = said, request_id = ctx.id }, { ["request-id"] = ctx.id }, other
end

function messages.ping()
  return 'event: ping\ndata: {"type":"ping"}\n\n'
end

return messages
