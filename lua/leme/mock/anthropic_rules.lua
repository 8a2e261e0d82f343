-- leme.mock.anthropic_rules: what Anthropic's Messages refuse. Each rule gives a
-- fault or nothing. Pure.

local words = require "leme.mock.words"
local faults = require "leme.mock.faults"

local rules = {}

local given, is_list, invalid = words.given, words.is_list, faults.invalid

local FIELDS = {}
for name in ([[model messages max_tokens system temperature top_p top_k stop_sequences stream
    tools tool_choice metadata thinking service_tier output_config container mcp_servers
    context_management cache_control inference_geo speed fallbacks user_profile_id
    diagnostics thread]]):gmatch "%S+" do
  FIELDS[name] = true
end

-- What a mock signs its thoughts with; they must come back as they were.
function rules.signature(text) return "mock" .. words.name(text, 44) end

function rules.thinks(body)
  local thinking = given(body.thinking)
  if type(thinking) ~= "table" then return false end
  return thinking.type == "enabled" or thinking.type == "adaptive"
end

local function block_fault(block, at)
  if type(block) ~= "table" or type(block.type) ~= "string" then
    return invalid(at .. ": expected a block with a type")
  end
  if block.type == "text"
    and (type(block.text) ~= "string" or not block.text:sub(1, 65536):find "%S") then
    return invalid(at .. ": text content blocks must be non-empty")
  end
  if block.type == "tool_use" then
    if not tostring(block.id):find "^[%w_-]+$" then
      return invalid(at .. ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    end
    if type(block.input) ~= "table" or is_list(block.input) then
      return invalid(at .. ".tool_use.input: Input should be a valid dictionary")
    end
  end
  if block.type == "thinking" and block.signature ~= rules.signature(block.thinking or "") then
    return invalid(at .. ": Invalid `signature` in `thinking` block")
  end
  if block.type == "image" and type(block.source) ~= "table" then
    return invalid(at .. ".image.source: Field required")
  end
end

local function ids_of(content, kind, field)
  local ids, n = {}, 0
  for _, block in ipairs(type(content) == "table" and content or {}) do
    if block.type == kind then
      ids[block[field]] = true
      n = n + 1
    end
  end
  return ids, n
end

local function pairing_fault(messages)
  local open = {}
  for i, message in ipairs(messages) do
    local results = ids_of(message.content, "tool_result", "tool_use_id")
    for id in pairs(results) do
      if not open[id] then
        return invalid(("messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s")
          :format(i - 1, tostring(id)))
      end
    end
    for id in pairs(open) do
      if not results[id] then
        return invalid(("messages.%d: `tool_use` ids were found without `tool_result` blocks"
          .. " immediately after: %s"):format(i - 2, tostring(id)))
      end
    end
    open = ids_of(message.content, "tool_use", "id")
  end
  if next(open) then return invalid "`tool_use` ids were found without `tool_result` blocks" end
end

local function message_fault(message, i)
  if type(message) ~= "table" then return invalid(("messages.%d: expected an object"):format(i)) end
  if message.role ~= "user" and message.role ~= "assistant" then
    return invalid(("messages.%d: role '%s' is not supported on this model"):format(i,
      tostring(message.role)))
  end
  if type(message.content) == "string" then
    if not message.content:sub(1, 65536):find "%S" then
      return invalid(("messages.%d: user messages must have non-empty content"):format(i))
    end
    return nil
  end
  if not is_list(message.content) then
    return invalid(("messages.%d.content: expected text or blocks"):format(i))
  end
  for k, block in ipairs(message.content) do
    local fault = block_fault(block, ("messages.%d.content.%d"):format(i, k - 1))
    if fault then return fault end
  end
end

local function messages_fault(body)
  if not is_list(body.messages) then
    return invalid "messages: at least one message is required"
  end
  for i, message in ipairs(body.messages) do
    local fault = message_fault(message, i - 1)
    if fault then return fault end
    local before = body.messages[i - 1]
    if before and before.role == message.role then
      return invalid("messages: roles must alternate between \"user\" and \"assistant\"")
    end
  end
  if body.messages[1].role ~= "user" then
    return invalid 'messages: first message must use the "user" role'
  end
  return pairing_fault(body.messages)
end

local function tools_fault(body)
  local _, used = {}, 0
  for _, message in ipairs(body.messages) do
    used = used + select(2, ids_of(message.content, "tool_use", "id"))
  end
  local tools = given(body.tools)
  if used > 0 and not is_list(tools) then
    return invalid "Requests which include `tool_use` or `tool_result` blocks must define tools."
  end
  for i, tool in ipairs(tools or {}) do
    local schema = tool.input_schema
    if not tostring(tool.name):find "^[%w_-]+$" or #tool.name > 128 then
      return invalid(("tools.%d.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
        :format(i - 1))
    end
    if not tool.type and (type(schema) ~= "table" or schema.type ~= "object") then
      return invalid(("tools.%d.input_schema.type: Field required"):format(i - 1))
    end
  end
  if given(body.tool_choice) and not is_list(tools) then
    return invalid "tool_choice may only be specified while providing tools."
  end
end

local function last_turn_thought(body)
  local last = body.messages[#body.messages - 1]
  if not last or last.role ~= "assistant" or type(last.content) ~= "table" then return true end
  local _, calls = ids_of(last.content, "tool_use", "id")
  local first = last.content[1].type
  return calls == 0 or first == "thinking" or first == "redacted_thinking"
end

local function thinking_fault(body)
  local thinking, choice = given(body.thinking), given(body.tool_choice)
  if not rules.thinks(body) or thinking.type == "adaptive" then return nil end
  if (tonumber(thinking.budget_tokens) or 0) < 1024
      or thinking.budget_tokens >= (body.max_tokens or math.huge) then
    return invalid "`max_tokens` must be greater than `thinking.budget_tokens`, which is >= 1024"
  end
  if given(body.temperature) and body.temperature ~= 1 then
    return invalid "`temperature` may only be set to 1 when thinking is enabled."
  end
  if choice and (choice.type == "any" or choice.type == "tool") then
    return invalid "Thinking may not be enabled when tool_choice forces tool use."
  end
  if not last_turn_thought(body) then
    return invalid("Expected `thinking` or `redacted_thinking`, but found `tool_use`. When"
      .. " `thinking` is enabled, a final `assistant` message must start with a thinking block.")
  end
end

-- Objects of a schema must be closed.
local function open_object(schema)
  if type(schema) ~= "table" then return false end
  if schema.type == "object" and schema.additionalProperties ~= false then return true end
  for _, inner in pairs(schema) do
    if open_object(inner) then return true end
  end
  return false
end

-- A mock remembers nothing: a thread that begins is a request like others, none goes on.
local function thread_fault(thread)
  if type(thread) == "table" and thread.type == "continue" then
    return { status = 404, kind = "thread", code = "thread_not_found",
      message = "thread: not found" }
  end
end

local function settings_fault(body, model, counting)
  for key, value in pairs(body) do
    if not FIELDS[key] and given(value) ~= nil then
      return invalid(key .. ": Extra inputs are not permitted")
    end
  end
  if not counting and (not math.tointeger(body.max_tokens) or body.max_tokens < 1) then
    return invalid "max_tokens: Field required"
  end
  local temperature = given(body.temperature)
  if temperature and (temperature < 0 or temperature > 1) then
    return invalid "temperature: range: 0..1"
  end
  if temperature and given(body.top_p) and model:find "%-4%-" then
    return invalid "`temperature` and `top_p` cannot both be specified for this model."
  end
  local format = given(body.output_config) and given(body.output_config.format)
  if format and open_object(format.schema) then
    return invalid("output_config.format.schema: For 'object' type, 'additionalProperties' must"
      .. " be explicitly set to false")
  end
end

-- The first thing that is wrong with a request, or nil. ${counting}: only its tokens
-- are asked for.
function rules.check(body, model, counting)
  return thread_fault(given(body.thread)) or settings_fault(body, model, counting)
    or messages_fault(body) or tools_fault(body) or thinking_fault(body)
end

return rules
