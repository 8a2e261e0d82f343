-- leme.surface.responses: OpenAI's /v1/responses for clients; answers and events. The
-- request is read by responses_request. Pure, but for the clock.

local host = require "leme.host"
local common = require "leme.dialect.common"
local blocks = require "leme.surface.blocks"
local items = require "leme.surface.responses_items"
local wire = require "leme.surface.wire"

local NULL = host.null

local responses = {}

function responses.request(_, body)
  return require("leme.surface.responses_request")(body)
end

-- --- the response object ---------------------------------------------------------------------

local TIERS = { auto = true, default = true, flex = true, scale = true, priority = true,
  fast = true }

local function usage_of(usage)
  local known = blocks.usage(usage)
  return { input_tokens = known.prompt, output_tokens = known.completion,
    total_tokens = known.total, output_tokens_details = { reasoning_tokens = known.reasoning },
    input_tokens_details = { cached_tokens = known.cached, cache_write_tokens = known.written } }
end

local function shown_tools(request)
  local list = host.array {}
  for i, tool in ipairs(common.table(common.given(request.tools))) do
    list[i] = tool
    if common.table(tool).type == "function" then
      list[i] = common.with(tool, { strict = tool.strict == true,
        parameters = tool.parameters or NULL })
    end
  end
  return list
end

-- The request's own value, or what OpenAI says where there is none.
local function said(value, otherwise)
  if common.given(value) == nil then return otherwise end
  return value
end

-- Every field of a response; what of it is the request's does not change.
local function object(ctx, status)
  local request = common.table(ctx.request)
  local reasoning = common.table(common.given(request.reasoning))
  local text = common.table(common.given(request.text))
  return { id = items.id("resp", ctx, 0), object = "response", created_at = ctx.created,
    status = status, background = false, completed_at = NULL, error = NULL,
    incomplete_details = NULL, instructions = said(request.instructions, NULL),
    max_output_tokens = said(request.max_output_tokens, NULL),
    max_tool_calls = said(request.max_tool_calls, NULL), model = ctx.model,
    output = host.array {}, parallel_tool_calls = said(request.parallel_tool_calls, true),
    previous_response_id = NULL, prompt_cache_key = said(request.prompt_cache_key, NULL),
    reasoning = { effort = said(reasoning.effort, NULL), summary = said(reasoning.summary, NULL) },
    safety_identifier = said(request.safety_identifier, NULL), store = false,
    temperature = said(request.temperature, 1), top_p = said(request.top_p, 1),
    text = { format = said(text.format, { type = "text" }),
      verbosity = common.filled(text.verbosity) },
    tool_choice = said(request.tool_choice, "auto"), tools = shown_tools(request),
    top_logprobs = said(request.top_logprobs, 0), truncation = "disabled",
    user = common.given(request.user), metadata = said(request.metadata, {}) }
end

local INCOMPLETE = { length = "max_output_tokens", content_filter = "content_filter" }

-- known: finish, usage, tier, refused.
local function complete(ctx, output, known)
  local reason = not known.refused and INCOMPLETE[known.finish]
  local response = object(ctx, reason and "incomplete" or "completed")
  response.completed_at = not reason and math.floor(host.wall()) or NULL
  response.output, response.usage = output, usage_of(known.usage)
  response.service_tier = TIERS[known.tier] and known.tier or nil
  if reason then
    response.incomplete_details = { reason = reason }
    local last = output[#output]
    if last and last.status then last.status = "incomplete" end
  end
  return response
end

-- --- a whole answer --------------------------------------------------------------------------

function responses.answer(_, answer, ctx)
  local choice = common.table(common.table(common.given(answer.choices))[1])
  local maker = items.maker(ctx)
  local output, refused = host.array {}, false
  local extra = common.given(common.table(choice.message).extra_content)
  if extra then output[1] = maker:carried { extra = extra } end
  for _, block in ipairs(blocks.of(choice)) do
    if block.kind == "refusal" then refused = true end
    if block.extra then
      output[#output + 1] = maker:carried { call = block.id, call_extra = block.extra }
    end
    output[#output + 1] = maker:item(block)
  end
  if #output == 0 then output[1] = maker:item { kind = "text", text = "" } end
  return complete(ctx, output, { finish = common.text(choice.finish_reason), usage = answer.usage,
    tier = common.text(answer.service_tier), refused = refused })
end

-- --- a stream of events ----------------------------------------------------------------------

local Sink = {}
Sink.__index = Sink

-- Events are counted from 0 and know the item they speak of.
function Sink:event(name, value)
  value.sequence_number = self.sequence
  self.sequence = self.sequence + 1
  self.out:event(name, value)
end

function Sink:about(name, value)
  value.item_id, value.output_index = self.item.id, #self.output
  self:event(name, value)
end

function Sink:added(item)
  self.item = item
  self:event("response.output_item.added", { item = item, output_index = #self.output })
end

function Sink:done(item)
  self:event("response.output_item.done", { item = item, output_index = #self.output })
  self.output[#self.output + 1] = item
end

local function pack_item(self, known)
  local item = self.maker:carried(known)
  self:added(item)
  self:done(item)
end

local function open_text(self, block)
  self:added(self.maker:begun(block))
  self:about("response.content_part.added", { content_index = 0,
    part = items.part { kind = block.kind, text = "" } })
end

local OPENED = {
  text = open_text, refusal = open_text,
  call = function(self, block)
    if block.extra then pack_item(self, { call = block.id, call_extra = block.extra }) end
    self:added(self.maker:begun(block))
  end,
}

function Sink:open(block)
  local open = OPENED[block.kind]
  if open then return open(self, block) end
  self:added(self.maker:begun(block))
end

-- Thoughts open their part with the first piece: some have none to show.
local function think(self, block, text)
  local summary = self.maker.summary
  if not block.shown then
    block.shown = true
    if summary then
      self:about("response.reasoning_summary_part.added", { summary_index = 0,
        part = { type = "summary_text", text = "" } })
    else
      self:about("response.content_part.added", { content_index = 0,
        part = { type = "reasoning_text", text = "" } })
    end
  end
  if summary then
    return self:about("response.reasoning_summary_text.delta", { summary_index = 0, delta = text })
  end
  self:about("response.reasoning_text.delta", { content_index = 0, delta = text })
end

local PIECES = {
  text = function(self, _, text, logprobs)
    self:about("response.output_text.delta", { content_index = 0, delta = text,
      logprobs = items.logprobs(logprobs) })
  end,
  refusal = function(self, _, text)
    self:about("response.refusal.delta", { content_index = 0, delta = text })
  end,
  thinking = think,
  call = function(self, block, text)
    if self.maker:custom(block) then return end
    self:about("response.function_call_arguments.delta", { delta = text })
  end,
}

function Sink:piece(block, text, logprobs)
  local show = PIECES[block.kind]
  if show then show(self, block, text, logprobs) end
end

local function all_logprobs(block)
  if not block.logged then return nil end
  local list = {}
  for i = 1, #block.pieces do
    for _, one in ipairs(common.table(block.logged[i])) do list[#list + 1] = one end
  end
  return list
end

local function close_text(self, block, item)
  local part = item.content[1]
  if block.kind == "refusal" then
    self:about("response.refusal.done", { content_index = 0, refusal = part.refusal })
  else
    for i, annotation in ipairs(part.annotations) do
      self:about("response.output_text.annotation.added", { content_index = 0,
        annotation_index = i - 1, annotation = annotation })
    end
    self:about("response.output_text.done", { content_index = 0, text = part.text,
      logprobs = part.logprobs })
  end
  self:about("response.content_part.done", { content_index = 0, part = part })
end

local CLOSED = {
  text = close_text, refusal = close_text,
  thinking = function(self, block)
    if not block.shown then return end
    local text = blocks.text(block)
    if self.maker.summary then
      self:about("response.reasoning_summary_text.done", { summary_index = 0, text = text })
      self:about("response.reasoning_summary_part.done", { summary_index = 0,
        part = { type = "summary_text", text = text } })
    else
      self:about("response.reasoning_text.done", { content_index = 0, text = text })
      self:about("response.content_part.done", { content_index = 0,
        part = { type = "reasoning_text", text = text } })
    end
  end,
  call = function(self, block, item)
    if item.type == "custom_tool_call" then
      self:about("response.custom_tool_call_input.delta", { delta = item.input })
      self:about("response.custom_tool_call_input.done", { input = item.input })
    else
      if #block.pieces == 0 then
        self:about("response.function_call_arguments.delta", { delta = item.arguments })
      end
      self:about("response.function_call_arguments.done", { name = item.name,
        arguments = item.arguments })
    end
  end,
}

function Sink:close(block)
  block.logprobs = all_logprobs(block)
  local item = self.maker:item(block, self.item.id)
  local close = CLOSED[block.kind]
  if close then close(self, block, item) end
  self:done(item)
end

local Stream = {}
Stream.__index = Stream

function responses.stream(_, ctx)
  local out = wire.out()
  local sink = setmetatable({ out = out, sequence = 0, output = host.array {},
    maker = items.maker(ctx) }, Sink)
  return setmetatable({ ctx = ctx, out = out, sink = sink, row = blocks.row(sink) }, Stream)
end

function Stream:start()
  local response = object(self.ctx, "in_progress")
  self.sink:event("response.created", { response = response })
  self.sink:event("response.in_progress", { response = response })
  return self.out:take()
end

function Stream:event(chunk)
  self.row:chunk(chunk)
  return self.out:take()
end

function Stream:finish()
  local row, sink = self.row, self.sink
  row:close()
  if row.extra then pack_item(sink, { extra = row.extra }) end
  if #sink.output == 0 then
    local block = { kind = "text", pieces = {} }
    sink:open(block)
    sink:close(block)
  end
  local response = complete(self.ctx, sink.output, { finish = row.finish, usage = row.usage,
    tier = row.tier, refused = row.refused })
  sink:event("response." .. response.status, { response = response })
  return self.out:take()
end

-- --- errors ----------------------------------------------------------------------------------

local CODES = { [429] = "rate_limit_exceeded", [400] = "invalid_prompt" }

-- Some clients go by the error event, some by the failed response.
function Stream:failure(error_type, status, message)
  local sink = self.sink
  local code = CODES[status] or "server_error"
  sink:event("error", { code = error_type, message = message, param = NULL,
    error = { type = code, code = error_type, message = message, param = NULL } })
  local response = object(self.ctx, "failed")
  response.output = sink.output
  response.error = { code = code, message = message }
  sink:event("response.failed", { response = response })
  return self.out:take()
end

function responses.failure(_, _, kind, code, message)
  return { error = { message = message, type = kind, code = code, param = NULL } }, {}
end

function responses.ping()
  return ": keepalive\n\n"
end

return responses
