-- leme.mock.anthropic: a mock in Anthropic's Messages, as strict about requests as
-- the real one. Its functions are those of leme.mock.openai. Pure.

local host = require "leme.host"
local words = require "leme.mock.words"
local rules = require "leme.mock.anthropic_rules"

local anthropic = {}

local NULL = host.null
local given = words.given

-- --- questions ---------------------------------------------------------------------------

local function read_tools(body)
  local list = {}
  for _, tool in ipairs(given(body.tools) or {}) do
    if tool.input_schema then
      list[#list + 1] = { name = tool.name, parameters = tool.input_schema }
    end
  end
  return list
end

local function read_choice(choice)
  choice = given(choice)
  if not choice then return nil end
  if choice.type == "tool" then return { name = choice.name } end
  return choice.type == "any" and "required" or choice.type
end

-- Texts and results of a turn, and whether it brought results.
local function read_turn(message)
  if type(message.content) == "string" then return message.content, false end
  local texts, answered = {}, false
  for _, block in ipairs(message.content) do
    if block.type == "tool_result" then
      answered = true
      texts[#texts + 1] = words.text_of(block.content)
    elseif type(block.text) == "string" then
      texts[#texts + 1] = block.text
    end
  end
  return table.concat(texts, " "), answered
end

function anthropic.read(body, ctx)
  local fault = rules.check(body, ctx.model, ctx.kind == "count")
  if fault then return nil, fault end
  local question = { said = "", input = words.tokens(words.text_of(body.system)),
    tools = read_tools(body), choice = read_choice(body.tool_choice), max = body.max_tokens,
    stops = given(body.stop_sequences), thinks = rules.thinks(body) }
  for _, message in ipairs(body.messages) do
    local text, answered = read_turn(message)
    question.input = question.input + words.tokens(text) + 3
    if message.role == "user" then question.said, question.answered = text, answered end
  end
  local format = given(body.output_config) and given(body.output_config.format)
  if format then question.schema = format.schema end
  return question
end

-- --- answers -----------------------------------------------------------------------------

local FINISH = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use" }

local function usage_of(reply, output)
  return { input_tokens = reply.input, output_tokens = output, cache_read_input_tokens = 0,
    cache_creation_input_tokens = 0, service_tier = "standard",
    cache_creation = { ephemeral_5m_input_tokens = 0, ephemeral_1h_input_tokens = 0 } }
end

local function blocks_of(reply, ctx)
  local list = host.array {}
  if #reply.thoughts > 0 then
    local text = table.concat(reply.thoughts)
    list[1] = { type = "thinking", thinking = text, signature = rules.signature(text) }
  end
  local text = table.concat(reply.pieces)
  if text ~= "" then list[#list + 1] = { type = "text", text = text } end
  for i, call in ipairs(reply.calls) do
    list[#list + 1] = { type = "tool_use", name = call.name, input = call.arguments,
      id = "toolu_" .. words.name(call.name .. i .. ctx.id, 24) }
  end
  return list
end

local function message_of(ctx)
  return { id = "msg_" .. words.name(ctx.id, 24), type = "message", role = "assistant",
    model = ctx.model, content = host.array {}, stop_reason = NULL, stop_sequence = NULL,
    stop_details = NULL }
end

function anthropic.whole(reply, ctx)
  local message = message_of(ctx)
  message.content = blocks_of(reply, ctx)
  message.stop_reason = FINISH[reply.finish]
  message.usage = usage_of(reply, reply.output + reply.reasoning)
  return host.encode(message)
end

local function event(value)
  -- The real one pads its events with blanks now and then.
  local text = host.encode(value):gsub("}$", "   }")
  return ("event: %s\ndata: %s\n\n"):format(value.type, text)
end

local function pieces_of(block, reply)
  if block.type == "thinking" then
    local list = {}
    for i, piece in ipairs(reply.thoughts) do
      list[i] = { type = "thinking_delta", thinking = piece }
    end
    list[#list + 1] = { type = "signature_delta", signature = block.signature }
    return list
  elseif block.type == "text" then
    local list = {}
    for i, piece in ipairs(reply.pieces) do list[i] = { type = "text_delta", text = piece } end
    return list
  end
  local list = { { type = "input_json_delta", partial_json = "" } }
  local text = next(block.input) and host.encode(block.input) or ""
  for _, piece in ipairs(words.slices(text, 9)) do
    list[#list + 1] = { type = "input_json_delta", partial_json = piece }
  end
  return list
end

local EMPTY = { thinking = { type = "thinking", thinking = "", signature = "" },
  text = { type = "text", text = "" } }

function anthropic.stream(reply, ctx)
  local message, list = message_of(ctx), {}
  message.usage = usage_of(reply, 1)
  list[1] = event { type = "message_start", message = message }
  for i, block in ipairs(blocks_of(reply, ctx)) do
    local start = EMPTY[block.type] or { type = "tool_use", id = block.id, name = block.name,
      input = {} }
    list[#list + 1] = event { type = "content_block_start", index = i - 1,
      content_block = start }
    if i == 1 then list[#list + 1] = event { type = "ping" } end
    for _, delta in ipairs(pieces_of(block, reply)) do
      list[#list + 1] = event { type = "content_block_delta", index = i - 1, delta = delta }
    end
    list[#list + 1] = event { type = "content_block_stop", index = i - 1 }
  end
  list[#list + 1] = event { type = "message_delta", delta = { stop_sequence = NULL,
    stop_reason = FINISH[reply.finish] },
    usage = { output_tokens = reply.output + reply.reasoning } }
  list[#list + 1] = event { type = "message_stop" }
  return list
end

-- --- failures ----------------------------------------------------------------------------

local KINDS = { invalid = "invalid_request_error", key = "authentication_error",
  billing = "billing_error", forbidden = "permission_error", model = "not_found_error",
  timeout = "timeout_error", large = "request_too_large", rate = "rate_limit_error",
  quota = "rate_limit_error", server = "api_error", overload = "overloaded_error",
  context = "invalid_request_error", filter = "invalid_request_error", thread = "not_found_error" }

local function error_of(fault, ctx)
  local message = fault.message
  if fault.kind == "model" then message = "model: " .. ctx.model end
  if fault.kind == "context" then message = "prompt is too long: 200001 tokens > 200000 maximum" end
  if fault.kind == "filter" then message = "Output blocked by content filtering policy" end
  return { type = "error", request_id = "req_mock", error = { type = KINDS[fault.kind],
    message = message, details = fault.code and { error_code = fault.code } } }
end

function anthropic.failure(fault, ctx)
  local status = fault.kind == "overload" and 529 or fault.status
  return status, error_of(fault, ctx), { ["request-id"] = "req_mock" }
end

function anthropic.midway(fault, ctx)
  return event(error_of(fault, ctx))
end

-- --- tokens and models -------------------------------------------------------------------

function anthropic.count(question)
  return { input_tokens = question.input }
end

local function model_of(name)
  return { type = "model", id = name, display_name = name, created_at = "2026-01-01T00:00:00Z" }
end

function anthropic.models(names, name)
  if name then return model_of(name) end
  local data = host.array {}
  for i, each in ipairs(names) do data[i] = model_of(each) end
  return { data = data, has_more = false, first_id = names[1] or NULL,
    last_id = names[#names] or NULL }
end

return anthropic
