-- leme.surface.responses_request: a body of OpenAI's /v1/responses as a chat request.
-- Nothing is kept between requests, so what refers to something kept is refused.
-- Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local carrier = require "leme.surface.carrier"
local ledger = require "leme.surface.ledger"
local tools = require "leme.surface.responses_tools"

local Reader = {}
Reader.__index = Reader
Reader.bad, Reader.note = ledger.bad, ledger.note

-- What the vendor may know by now, but we do not.
function Reader:unknown(where, what, kind)
  kind = tostring(kind):sub(1, 80)
  self.foreign = self.foreign or ("%s: unknown %s %q"):format(where, what, kind)
end

-- --- turns ----------------------------------------------------------------------------------

-- A conversation is a row of turns { message, results }: results of an assistant's
-- calls stand right behind it, wherever the client put them.
function Reader:push(message)
  local turn = { message = message, results = {} }
  self.turns[#self.turns + 1] = turn
  return turn
end

-- The assistant's turn that is still open: thoughts, texts and calls in a row are
-- one message.
function Reader:assistant()
  local last = self.turns[#self.turns]
  if last and last.parts and #last.results == 0 then return last end
  last = self:push { role = "assistant", content = host.null }
  last.parts, last.reasoning = {}, {}
  return last
end

local function add(message, key, value)
  message[key] = message[key] or host.array {}
  table.insert(message[key], value)
end

-- --- contents -------------------------------------------------------------------------------

local PARTS = {
  input_text = function(part) return { type = "text", text = common.text(part.text) or "" } end,
  input_image = function(part)
    local id = common.filled(part.file_id)
    if id then return { type = "file", file = { file_id = id } } end
    if not common.filled(part.image_url) then return nil, "an image needs an image_url" end
    return { type = "image_url", image_url = { url = part.image_url,
      detail = common.filled(part.detail) } }
  end,
  input_file = function(part)
    local file = { filename = common.filled(part.filename), file_id = common.filled(part.file_id),
      file_data = common.filled(part.file_data), file_url = common.filled(part.file_url) }
    if not (file.file_id or file.file_data or file.file_url) then
      return nil, "a file needs file_data, file_url or file_id"
    end
    return { type = "file", file = file }
  end,
  input_audio = function(part) return { type = "input_audio", input_audio = part.input_audio } end,
  refusal = function(part)
    return { type = "refusal", refusal = common.text(part.refusal) or "" }
  end,
}
for _, name in ipairs { "output_text", "text", "summary_text", "reasoning_text" } do
  PARTS[name] = PARTS.input_text
end

function Reader:parts(content, where)
  content = common.given(content)
  if type(content) == "string" then return { { type = "text", text = content } } end
  local list = {}
  if type(content) ~= "table" then self:bad(where, "expected a text or a list of parts") end
  for i, part in ipairs(common.table(content)) do
    local at = ("%s[%d]"):format(where, i - 1)
    local read = PARTS[common.table(part).type]
    if read then
      local made, wrong = read(part)
      list[#list + 1] = made
      if not made then self:bad(at, "%s", wrong) end
    else
      self:unknown(at, "content type", common.table(part).type)
    end
  end
  return list
end

local function content_of(parts)
  if #parts == 0 then return "" end
  if #parts == 1 and parts[1].type == "text" then return parts[1].text end
  return host.array(parts)
end

local function texts_of(parts)
  local list = {}
  for _, part in ipairs(common.table(common.given(parts))) do
    list[#list + 1] = common.filled(common.table(part).text)
  end
  return list
end

-- --- items ----------------------------------------------------------------------------------

local function assistant_message(self, item, where)
  local turn = self:assistant()
  for _, part in ipairs(self:parts(item.content, where .. ".content")) do
    turn.parts[#turn.parts + 1] = part
  end
end

local ROLES = { user = "user", system = "system", developer = "developer" }

local function message(self, item, where)
  if item.role == "assistant" then return assistant_message(self, item, where) end
  if not ROLES[item.role] then
    return self:bad(where, "unknown role %q", item.role)
  end
  local parts = self:parts(item.content, where .. ".content")
  for _, part in ipairs(parts) do
    if item.role ~= "user" and part.type ~= "text" then
      self:bad(where .. ".content", "a %s message has text only", item.role)
    end
  end
  self:push { role = item.role, content = content_of(parts) }
end

-- OpenAI names a namespace in calls of single tools too.
function Reader:tool_name(namespace, name)
  local joined = tools.wire_name(common.given(namespace), name)
  return self.known[joined] and joined or name
end

function Reader:call(item, where, arguments)
  local id, name = common.filled(item.call_id), common.filled(item.name)
  if not id or not name then return self:bad(where, "expected a call_id and a name") end
  local turn = self:assistant()
  self.calls[id] = turn
  add(turn.message, "tool_calls", { id = id, type = "function", extra_content = self.extras[id],
    ["function"] = { name = self:tool_name(item.namespace, name), arguments = arguments } })
end

-- What of a result is no text follows it as the user's; an object is one text.
local function result(self, item, where)
  local id = common.filled(item.call_id)
  local turn = self.calls[id or ""]
  if not turn then
    return self:bad(where, "no call with the call_id %q comes before it", id)
  end
  local texts, others, output = {}, {}, common.given(item.output)
  if common.is_object(output) then output = host.encode(output) end
  for _, part in ipairs(self:parts(output, where .. ".output")) do
    local list = part.type == "text" and texts or others
    list[#list + 1] = part
  end
  if #others > 0 then
    self:note("%s: %s parts that are no text follow the tool message as the user's", where, #others)
    if #texts == 0 then texts[1] = { type = "text", text = "The result follows." } end
    table.insert(others, 1, { type = "text",
      text = "Part of the result of the tool call " .. id .. ":" })
    turn.later = turn.later or {}
    for _, part in ipairs(others) do table.insert(turn.later, part) end
  end
  table.insert(turn.results, { role = "tool", tool_call_id = id, content = content_of(texts) })
end

-- Thoughts we sent come back as they were; those that only OpenAI can read go along
-- for it.
local function reasoning(self, item)
  local turn = self:assistant()
  local known = carrier.unpack(common.given(item.encrypted_content))
  local texts = texts_of(item.content)
  if #texts == 0 then texts = texts_of(item.summary) end
  for _, text in ipairs(texts) do table.insert(turn.reasoning, text) end
  local made_here = (common.text(common.given(item.id)) or ""):find("^rs_%w+$") and #item.id == 35
  if known or made_here then self.ours = true end
  if known then
    if type(known.thinking) == "table" then add(turn.message, "thinking_blocks", known.thinking) end
    turn.message.extra_content = common.given(known.extra) or turn.message.extra_content
    if common.filled(known.call) then self.extras[known.call] = known.call_extra end
  elseif common.filled(item.encrypted_content) then
    local extra = turn.message.extra_content or { openai = { reasoning = host.array {} } }
    extra.openai = extra.openai or { reasoning = host.array {} }
    table.insert(extra.openai.reasoning, item)
    turn.message.extra_content = extra
  end
end

-- Tools that OpenAI's models know and the client runs: elsewhere functions of that name.
local function own_call(name, ...)
  local members = { ... }
  return function(self, item, where)
    local arguments = {}
    for _, key in ipairs(members) do arguments[key] = common.given(item[key]) end
    self:call({ call_id = common.filled(item.call_id) or item.id, name = name }, where,
      host.encode(arguments))
  end
end

-- The output is a text, a list of records, or a screenshot.
local function own_result(self, item, where)
  local output = common.given(item.output)
  if common.table(output).type == "computer_screenshot" then
    output = { { type = "input_image", image_url = common.given(output.image_url),
      file_id = common.given(output.file_id) } }
  elseif type(output) == "table" then
    output = host.encode(output)
  end
  result(self, { call_id = common.filled(item.call_id) or item.id,
    output = output or common.text(item.status) or "" }, where)
end

local function told_elsewhere(self, item, where)
  self:note("dropped %s: %s is between OpenAI and its own tools", where, item.type)
end

local function kept_nowhere(self, item, where)
  self:bad(where, "%s refers to what OpenAI keeps; nothing is kept here, send the items themselves"
    .. " (clients do with store = false)", item.type)
end

-- A conversation holds together without its thoughts, but not without its texts.
local function reference(self, item, where)
  local id = common.text(item.id) or ""
  if id:sub(1, 3) ~= "rs_" then return kept_nowhere(self, item, where) end
  self:note("dropped %s: thoughts of earlier turns are not kept here", where)
end

local ITEMS = {
  message = message, reasoning = reasoning,
  function_call = function(self, item, where)
    local said = common.given(item.arguments)
    self:call(item, where, common.text(said) or type(said) == "table" and host.encode(said) or "{}")
  end,
  custom_tool_call = function(self, item, where)
    self:call(item, where, tools.wrap(common.given(item.input)))
  end,
  function_call_output = result, custom_tool_call_output = result,
  item_reference = reference, compaction = kept_nowhere, compaction_trigger = kept_nowhere,
  additional_tools = function() end,
  local_shell_call = own_call("local_shell", "action"), local_shell_call_output = own_result,
  shell_call = own_call("shell", "action"), shell_call_output = own_result,
  apply_patch_call = own_call("apply_patch", "operation"), apply_patch_call_output = own_result,
  computer_call = own_call("computer", "action", "actions"), computer_call_output = own_result,
}
for _, name in ipairs { "web_search_call", "file_search_call", "code_interpreter_call",
  "image_generation_call", "tool_search_call", "tool_search_output", "mcp_list_tools", "mcp_call",
  "mcp_approval_request", "mcp_approval_response", "program", "program_output" } do
  ITEMS[name] = told_elsewhere
end

function Reader:input(body)
  local instructions = common.given(body.instructions)
  if type(instructions) == "string" and instructions ~= "" then
    self:push { role = "system", content = instructions }
  elseif type(instructions) == "table" then
    self:bad("instructions", "expected a text")
  end
  local input = common.given(body.input)
  if type(input) == "string" then
    self:push { role = "user", content = input }
    return
  end
  if type(input) ~= "table" or #input == 0 then
    return self:bad("input", "expected a text or a list of items")
  end
  for i, item in ipairs(input) do
    local where = ("input[%d]"):format(i - 1)
    item = common.table(item)
    local kind = common.given(item.type) or (item.role and "message")
    local read = ITEMS[kind]
    if read then
      read(self, item, where)
    else
      self:unknown(where, "item type", kind)
    end
  end
end

-- Thoughts that led to nothing are no turn.
local function empty(turn)
  return turn.parts and #turn.parts == 0 and not turn.message.tool_calls
end

local function close_turn(turn)
  if not turn.parts then return end
  local out, parts = turn.message, {}
  for _, part in ipairs(turn.parts) do
    if part.type == "refusal" then
      out.refusal = (out.refusal or "") .. part.refusal
    else
      parts[#parts + 1] = part
    end
  end
  if #parts > 0 then
    out.content = content_of(parts)
  end
  if #turn.reasoning > 0 then out.reasoning_content = common.join(turn.reasoning) end
end

function Reader:messages()
  local list = host.array {}
  for _, turn in ipairs(self.turns) do
    if not empty(turn) then
      close_turn(turn)
      list[#list + 1] = turn.message
      for _, one in ipairs(turn.results) do list[#list + 1] = one end
      if turn.later then list[#list + 1] = { role = "user", content = host.array(turn.later) } end
    end
  end
  return list
end

-- --- the rest --------------------------------------------------------------------------------

local function output_format(self, body, out)
  local text = common.table(common.given(body.text))
  out.verbosity = common.filled(text.verbosity)
  local format = common.table(common.given(text.format))
  if format.type == "json_object" then
    out.response_format = { type = "json_object" }
  elseif format.type == "json_schema" then
    if type(format.schema) ~= "table" then return self:bad("text.format", "expected a schema") end
    out.response_format = { type = "json_schema", json_schema = {
      name = common.filled(format.name) or "answer",
      description = common.filled(format.description),
      schema = format.schema, strict = common.given(format.strict) } }
  elseif format.type ~= nil and format.type ~= "text" then
    self:bad("text.format", "unknown type %q", format.type)
  end
end

local function included(body, name)
  for _, one in ipairs(common.table(common.given(body.include))) do
    if one == name then return true end
  end
  return false
end

local REFUSED = {
  previous_response_id = "answers are not kept here; send the whole conversation as input",
  conversation = "conversations are not kept here; send the whole conversation as input",
  background = "answers are not kept here, so none can be made in the background",
  prompt = "stored prompts are OpenAI's own; send their text",
}
local SAME = { "temperature", "top_p", "user", "safety_identifier", "prompt_cache_key",
  "prompt_cache_retention", "prompt_cache_options", "service_tier", "metadata", "moderation" }
local READ = { model = true, input = true, instructions = true, stream = true, tools = true,
  tool_choice = true, parallel_tool_calls = true, text = true, reasoning = true, include = true,
  max_output_tokens = true, top_logprobs = true, store = true, stream_options = true }
for _, key in ipairs(SAME) do READ[key] = true end
for key in pairs(REFUSED) do READ[key] = true end

local function others(self, body, out)
  for _, key in ipairs { "previous_response_id", "conversation", "background", "prompt" } do
    local value = common.given(body[key])
    if value ~= nil and value ~= false then self:bad(key, "%s", REFUSED[key]) end
  end
  for _, key in ipairs(SAME) do out[key] = common.given(body[key]) end
  out.reasoning_effort = common.given(common.table(common.given(body.reasoning)).effort)
  local limit = common.given(body.max_output_tokens)
  out.max_completion_tokens = common.count(limit)
  if limit ~= nil and not out.max_completion_tokens then
    self:bad("max_output_tokens", "expected a whole number")
  end
  local top = common.count(common.given(body.top_logprobs))
  if included(body, "message.output_text.logprobs") or (top and top > 0) then
    out.logprobs, out.top_logprobs = true, top
  end
  for key, value in pairs(body) do
    local idle = key == "truncation" and value == "disabled"
    if not READ[key] and not idle and common.given(value) ~= nil then
      self:note("dropped %s: chat completions have no word for it", key)
    end
  end
end

-- -> { body, stream, notes, ours } or nil, error type, message
return function(body)
  if type(body) ~= "table" then
    return nil, "caller_invalid_request", "the body: expected a JSON object"
  end
  local reader = setmetatable({ turns = {}, calls = {}, extras = {},
    known = tools.known(body), notes = host.array {} }, Reader)
  if not common.filled(body.model) then reader:bad("model", "expected the name of a model") end
  local stream = body.stream == true
  local out = { model = body.model }
  if stream then out.stream, out.stream_options = true, { include_usage = true } end
  others(reader, body, out)
  reader:input(body)
  out.messages = reader:messages()
  local list = tools.read(body, reader)
  if #list > 0 then
    out.tools = list
    out.tool_choice = tools.choice(body, reader)
    out.parallel_tool_calls = common.given(body.parallel_tool_calls)
  elseif type(common.given(body.tool_choice)) == "table" then
    tools.choice(body, reader)
  end
  output_format(reader, body, out)
  if reader.broken then return nil, "caller_invalid_request", reader.broken end
  if reader.foreign then return { foreign = reader.foreign, ours = reader.ours } end
  return { body = out, stream = stream, notes = reader.notes, ours = reader.ours }
end
