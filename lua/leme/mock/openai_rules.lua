-- leme.mock.openai_rules: what vendors of OpenAI's format refuse, so that a mock
-- does not take what the real one would not. Each rule gives a fault or nothing.
-- Pure.

local host = require "leme.host"
local words = require "leme.mock.words"
local faults = require "leme.mock.faults"

local rules = {}

local given, is_list = words.given, words.is_list

local ROLES = { system = true, developer = true, user = true, assistant = true, tool = true,
  ["function"] = true }

local function call_fault(call, vendor)
  local fn = type(call) == "table" and call["function"]
  if type(fn) ~= "table" or type(fn.name) ~= "string" or fn.name == "" then
    return faults.invalid "tool_calls: each needs a function with a name"
  end
  if type(fn.arguments) ~= "string" then
    return faults.invalid "tool_calls: arguments must be a string"
  end
  if vendor.objects and type(host.decode(fn.arguments)) ~= "table" then
    return faults.invalid('The "function.arguments" parameter of the code model must be in'
      .. " JSON format.")
  end
  if vendor.ids and vendor.allow and not tostring(call.id):find "^%w%w%w%w%w%w%w%w%w$" then
    return faults.invalid(("Tool call id was %s but must be a-z, A-Z, 0-9, with a length of 9.")
      :format(tostring(call.id)))
  end
end

-- Every call has its result right behind it, and every result its call.
local function pairing_fault(messages, vendor)
  local open = {}
  for i = 1, #messages do
    local message = messages[i]
    if message.role == "tool" then
      if not open[message.tool_call_id] then
        return faults.invalid("messages with role 'tool' must be a response to a preceding"
          .. " message with 'tool_calls'.")
      end
      open[message.tool_call_id] = nil
    elseif next(open) then
      return faults.invalid("An assistant message with 'tool_calls' must be followed by tool"
        .. " messages responding to each 'tool_call_id': " .. tostring(next(open)))
    end
    for _, call in ipairs(given(message.tool_calls) or {}) do
      local fault = call_fault(call, vendor)
      if fault then return fault end
      open[call.id] = true
    end
  end
  if next(open) then
    return faults.invalid("no tool message responds to " .. tostring(next(open)))
  end
end

local function shape_fault(messages)
  if not is_list(messages) then return faults.invalid "'messages' must be a non-empty array" end
  for i = 1, #messages do
    local message = messages[i]
    if type(message) ~= "table" then
      return faults.invalid "each of 'messages' must be an object"
    end
    if not ROLES[message.role] then
      return faults.invalid(("Invalid value: '%s'. Supported values are: 'system', 'assistant',"
        .. " 'user', 'function', 'tool', and 'developer'."):format(tostring(message.role)))
    end
    if message.role ~= "assistant" and given(message.content) == nil then
      return faults.invalid(("messages[%d].content: expected a string or an array"):format(i - 1))
    end
  end
end

local function order_fault(messages, vendor)
  local last = messages[#messages]
  if vendor.last == false and last.role == "assistant" and not last.prefix then
    return faults.invalid("Expected last role User or Tool (or Assistant with prefix True) for"
      .. " serving but got assistant")
  end
  for i = 2, #messages do
    if vendor.last == false and messages[i].role == "user" and messages[i - 1].role == "tool" then
      return faults.invalid "Unexpected role 'user' after role 'tool'"
    end
  end
end

local function field_fault(body, vendor)
  for key, value in pairs(body) do
    if vendor.allow and not vendor.allow[key] then
      return { status = 422, kind = "invalid", extra = key,
        message = "Extra inputs are not permitted: " .. key }
    end
    if vendor.drops and vendor.drops[key] and given(value) ~= nil then
      return faults.invalid("the parameter is not supported: " .. key)
    end
  end
  if given(body.stream_options) ~= nil and body.stream ~= true then
    return faults.invalid "'stream_options' is only allowed when 'stream' is enabled."
  end
  if type(body.tools) == "table" and #body.tools == 0 then
    return faults.invalid "[] is too short - 'tools'"
  end
end

local function limit_fault(body, model, vendor)
  local asked = given(body.max_tokens)
  for _, row in ipairs(vendor.most or {}) do
    if model:find(row[1]) and asked and asked > row[2] then
      return faults.invalid(("Range of max_tokens should be [1, %d]"):format(row[2]))
    end
  end
  if asked and vendor.errors == "openai"
      and (model:find "^o%d" or model:find "^gpt%-[5-9]") then
    return { status = 400, kind = "invalid", code = "unsupported_parameter", param = "max_tokens",
      message = "Unsupported parameter: 'max_tokens' is not supported with this model."
        .. " Use 'max_completion_tokens' instead." }
  end
end

local function format_fault(body, vendor)
  local format = given(body.response_format)
  if type(format) ~= "table" then return nil end
  if format.type == "json_schema" and vendor.schema == false then
    return faults.invalid "This response_format type is unavailable now"
  end
  if format.type == "json_schema" and type(format.json_schema) ~= "table" then
    return faults.invalid "Missing required parameter: 'response_format.json_schema'."
  end
end

-- DeepSeek: inside a tool loop the thoughts must come back.
local function loop_fault(messages, thinks, vendor)
  if not (vendor.loop and thinks) then return nil end
  for i = #messages, 1, -1 do
    local message = messages[i]
    if message.role == "user" then return nil end
    if given(message.tool_calls) and given(message.reasoning_content) == nil then
      return faults.invalid(("Missing `reasoning_content` field in the assistant message at"
        .. " message index %d."):format(i - 1))
    end
  end
end

-- Models that answer in streams only.
local function stream_fault(body, model, vendor)
  for _, pattern in ipairs(body.stream ~= true and vendor.stream_only or {}) do
    if model:find(pattern) then
      return faults.invalid("This model only support stream mode, please enable the stream"
        .. " parameter to access the model.")
    end
  end
end

-- The first thing that is wrong with a chat request, or nil.
function rules.check(body, model, thinks, vendor)
  local messages = body.messages
  return shape_fault(messages) or field_fault(body, vendor) or pairing_fault(messages, vendor)
    or order_fault(messages, vendor) or limit_fault(body, model, vendor)
    or format_fault(body, vendor) or loop_fault(messages, thinks, vendor)
    or stream_fault(body, model, vendor)
end

return rules
