-- leme.surface.messages_request: a body of Anthropic's /v1/messages as an OpenAI chat
-- request. What only Anthropic understands goes along as leme.surface says. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local ledger = require "leme.surface.ledger"
local threads = require "leme.surface.threads"

local Reader = {}
Reader.__index = Reader
Reader.bad, Reader.note = ledger.bad, ledger.note

-- The list at ${where}; anything else is the client's mistake.
function Reader:list(value, where)
  value = common.given(value)
  if value == nil then return {} end
  if type(value) == "table" and (value[1] ~= nil or next(value) == nil) then return value end
  self:bad(where, "expected a list")
  return {}
end

function Reader:typed(value, where)
  if type(value) == "table" and common.text(value.type) then return value end
  self:bad(where, "expected an object with a type")
end

-- --- parts of a content --------------------------------------------------------------------

local function data_url(source)
  return "data:" .. (common.text(source.media_type) or "application/octet-stream")
    .. ";base64," .. (common.text(source.data) or "")
end

local function image_part(self, block, where)
  local source = common.table(block.source)
  if source.type == "base64" then
    return { type = "image_url", image_url = { url = data_url(source) } }
  elseif source.type == "url" and common.filled(source.url) then
    return { type = "image_url", image_url = { url = source.url } }
  elseif source.type == "file" then
    return block
  end
  self:bad(where .. ".source", "expected base64, url or file")
end

local function titled(block, text)
  for _, key in ipairs { "context", "source", "title" } do
    local head = common.filled(block[key])
    if head then text = head .. "\n" .. text end
  end
  return text
end

local DOCUMENTS = {
  base64 = function(_, block, source)
    return { type = "file", file = { file_data = data_url(source),
      filename = common.filled(block.title) or "document.pdf" } }
  end,
  url = function(_, block, source)
    return { type = "file", file = { file_url = source.url,
      filename = common.filled(block.title) } }
  end,
  file = function(_, block, source)
    return { type = "file", file = { file_id = source.file_id,
      filename = common.filled(block.title) } }
  end,
  text = function(_, block, source)
    return { type = "text", text = titled(block, common.text(source.data) or "") }
  end,
  content = function(_, block, source)
    return { type = "text", text = titled(block, common.plain(common.given(source.content))) }
  end,
}

local function document_part(self, block, where)
  local source = common.table(block.source)
  local make = DOCUMENTS[source.type]
  if not make then
    return self:bad(where .. ".source", "expected base64, url, text, content or file")
  end
  if common.table(common.given(block.citations)).enabled then
    self:note("%s: the document's citations are left out", where)
  end
  return make(self, block, source)
end

local PARTS = {
  text = function(self, block, where)
    if type(block.text) ~= "string" then return self:bad(where, "expected a text") end
    if block.text ~= "" then return { type = "text", text = block.text } end
  end,
  image = image_part,
  document = document_part,
  search_result = function(_, block)
    return { type = "text", text = titled(block, common.plain(common.given(block.content))) }
  end,
  container_upload = function(_, block) return block end,
  tool_reference = function(_, block)
    return { type = "text", text = "tool: " .. (common.text(block.tool_name) or "") }
  end,
  tool_addition = function(self, _, where)
    self:note("%s: tools that are added later are there from the start", where)
  end,
  mid_conv_system = function(_, block)
    return { type = "text", text = common.plain(common.given(block.content)) }
  end,
}
PARTS.tool_removal = PARTS.tool_addition

function Reader:part(block, where)
  block = self:typed(block, where)
  if not block then return nil end
  local read = PARTS[block.type]
  if not read then return self:bad(where, "unknown content type %q", block.type) end
  local part = read(self, block, where)
  if part and part ~= block then part.cache_control = common.given(block.cache_control) end
  return part
end

-- Parts as a content: a plain text where that says it all.
local function content_of(parts)
  local only = parts[1]
  if #parts == 1 and only.type == "text" and not only.cache_control then return only.text end
  return host.array(parts)
end

-- --- tool results ----------------------------------------------------------------------------

-- Tool messages hold text only, so pictures and files of a result follow it as the
-- user's: parts go to ${later}.
function Reader:result(block, where, later)
  local id = common.filled(block.tool_use_id)
  if not id then return self:bad(where, "expected a tool_use_id") end
  local message = { role = "tool", tool_call_id = id, content = "",
    cache_control = common.given(block.cache_control) }
  if block.is_error == true then message.is_error = true end
  self.messages[#self.messages + 1] = message
  if type(block.content) == "string" then
    message.content = block.content
    return
  end
  local parts, moved = {}, 0
  for i, inner in ipairs(self:list(block.content, where .. ".content")) do
    local part = self:part(inner, ("%s.content[%d]"):format(where, i - 1))
    if part and part.type == "text" then
      parts[#parts + 1] = part
    elseif part then
      if moved == 0 then
        later[#later + 1] = { type = "text",
          text = "Part of the result of the tool call " .. id .. ":" }
      end
      moved = moved + 1
      later[#later + 1] = part
    end
  end
  if moved > 0 then
    self:note("%s: %s parts that are no text follow the tool message as the user's", where, moved)
    if #parts == 0 then parts[1] = { type = "text", text = "The result follows." } end
  end
  if #parts > 0 then message.content = content_of(parts) end
end

-- Pictures inside a document made of blocks, which become parts beside its text.
function Reader:pictures(block, where, parts)
  local source = common.table(common.table(block).source)
  if common.table(block).type ~= "document" or source.type ~= "content" then return end
  for i, inner in ipairs(common.table(common.given(source.content))) do
    if common.table(inner).type == "image" then
      parts[#parts + 1] = self:part(inner, ("%s.source.content[%d]"):format(where, i - 1))
    end
  end
end

function Reader:user(message, where)
  if type(message.content) == "string" then
    self.messages[#self.messages + 1] = { role = "user", content = message.content }
    return
  end
  local parts, later = {}, {}
  for i, block in ipairs(self:list(message.content, where .. ".content")) do
    local at = ("%s.content[%d]"):format(where, i - 1)
    if type(block) == "table" and block.type == "tool_result" then
      self:result(block, at, later)
    else
      parts[#parts + 1] = self:part(block, at)
      self:pictures(block, at, parts)
    end
  end
  for i, part in ipairs(parts) do later[#later + 1], parts[i] = part, nil end
  if #later > 0 then
    self.messages[#self.messages + 1] = { role = "user", content = content_of(later) }
  end
end

-- --- the assistant's turns -------------------------------------------------------------------

-- Thoughts that did not come from Anthropic have no signature.
local function signed(block)
  return block.type == "redacted_thinking" or common.filled(block.signature) ~= nil
end

-- Citations that some other vendor's became have no index of Anthropic's.
local function cites(block)
  for _, citation in ipairs(common.table(common.given(block.citations))) do
    if type(citation) == "table" and citation.encrypted_index ~= "" then return true end
  end
  return false
end

local Turn = {}
Turn.__index = Turn

-- A pattern takes no text of a megabyte.
local ID_LOOKED_AT = 4096

local RANK = { thinking = 1, redacted_thinking = 1, text = 2, tool_use = 3 }

-- Has nothing been said yet but system texts?
function Reader:begins()
  local last = self.messages[#self.messages]
  return not last or last.role == "system"
end

function Turn:read(block, reader, where)
  local rank = RANK[block.type]
  local quoted = #common.table(common.given(block.citations))
  if not rank or rank < self.rank or cites(block) then self.foreign = true end
  self.rank = rank or self.rank
  reader.ours = reader.ours or (quoted > 0 and not cites(block))
    or (block.type == "thinking" and not signed(block)) or common.given(block.extra_content) ~= nil
  if block.type == "text" then
    self.parts[#self.parts + 1] = reader:part(block, where)
  elseif block.type == "thinking" or block.type == "redacted_thinking" then
    self.reasoning[#self.reasoning + 1] = common.filled(block.thinking)
    if signed(block) then self.thinking[#self.thinking + 1] = block end
  elseif block.type == "tool_use" then
    if not common.filled(block.id) or not common.filled(block.name) then
      reader:bad(where, "a tool_use needs an id and a name")
    end
    -- An id of another vendor's, which Anthropic would refuse.
    if (common.text(block.id) or ""):sub(1, ID_LOOKED_AT):find "[^%w_-]" then
      reader.ours = true
    end
    local input = common.given(block.input)
    self.calls[#self.calls + 1] = { id = block.id, type = "function",
      cache_control = common.given(block.cache_control),
      extra_content = common.given(block.extra_content), ["function"] = { name = block.name,
        arguments = input == nil and "{}" or host.encode(input) } }
  elseif block.type == "compaction" and reader:begins() and common.filled(block.content) then
    -- What it sums up is not there any more.
    self.parts[#self.parts + 1] = { type = "text", text = block.content }
  else
    reader:note("%s: %s goes to Anthropic only", where, block.type)
  end
end

-- Blocks as Anthropic may see them again.
local function replayed(list)
  local kept = host.array {}
  for _, block in ipairs(list) do
    if block.type ~= "thinking" or signed(block) then kept[#kept + 1] = block end
  end
  return kept
end

function Reader:assistant(message, where)
  if type(message.content) == "string" then
    self.messages[#self.messages + 1] = { role = "assistant", content = message.content }
    return
  end
  local turn = setmetatable({ parts = {}, reasoning = {}, thinking = {}, calls = {}, rank = 1 },
    Turn)
  local list = self:list(message.content, where .. ".content")
  for i, block in ipairs(list) do
    local at = ("%s.content[%d]"):format(where, i - 1)
    block = self:typed(block, at)
    if block then turn:read(block, self, at) end
  end
  if self.broken or #list == 0 then return end
  local out = { role = "assistant", content = host.null }
  if #turn.parts > 0 then
    out.content = content_of(turn.parts)
  elseif #turn.calls == 0 then
    out.content = ""
  end
  if #turn.reasoning > 0 then out.reasoning_content = common.join(turn.reasoning) end
  if #turn.thinking > 0 then out.thinking_blocks = host.array(turn.thinking) end
  if #turn.calls > 0 then out.tool_calls = host.array(turn.calls) end
  if turn.foreign then out.extra_content = { anthropic = { content = replayed(list) } } end
  self.messages[#self.messages + 1] = out
end

function Reader:system(content, where)
  if type(content) == "string" then
    if content ~= "" then
      self.messages[#self.messages + 1] = { role = "system", content = content }
    end
    return
  end
  local parts = {}
  for i, block in ipairs(self:list(content, where)) do
    local part = self:part(block, ("%s[%d]"):format(where, i - 1))
    if part and part.type == "text" then
      parts[#parts + 1] = part
    elseif part then
      self:bad(where, "a system text has text only")
    end
  end
  if #parts > 0 then
    self.messages[#self.messages + 1] = { role = "system", content = content_of(parts) }
  end
end

local ROLES = { user = Reader.user, assistant = Reader.assistant,
  system = function(self, message, where) self:system(message.content, where .. ".content") end }

function Reader:conversation(body)
  self:system(common.given(body.system) or "", "system")
  local list = self:list(body.messages, "messages")
  if #list == 0 then self:bad("messages", "expected at least one message") end
  for i, message in ipairs(list) do
    local where = ("messages[%d]"):format(i - 1)
    local read = type(message) == "table" and ROLES[message.role]
    if read then
      read(self, message, where)
    else
      self:bad(where, "expected an object with the role user, assistant or system")
    end
  end
end

-- --- tools -----------------------------------------------------------------------------------

local KEPT = { "cache_control", "defer_loading", "allowed_callers", "input_examples",
  "eager_input_streaming" }

function Reader:tools(body, out)
  local tools = host.array {}
  for i, tool in ipairs(self:list(body.tools, "tools")) do
    tool = common.table(tool)
    local kind = common.given(tool.type)
    if kind and kind ~= "custom" then
      tools[#tools + 1] = tool
    elseif not common.filled(tool.name) then
      self:bad(("tools[%d]"):format(i - 1), "expected a name")
    else
      local made = { type = "function", ["function"] = { name = tool.name,
        description = common.text(tool.description), parameters = common.given(tool.input_schema),
        strict = tool.strict == true or nil } }
      for _, key in ipairs(KEPT) do made[key] = common.given(tool[key]) end
      tools[#tools + 1] = made
    end
  end
  if #tools > 0 then out.tools = tools end
end

local CHOICES = { auto = "auto", any = "required", none = "none" }

function Reader:choice(body, out)
  local choice = common.given(body.tool_choice)
  if choice == nil or not out.tools then return end
  local kind = common.table(choice).type
  if kind == "tool" and common.filled(choice.name) then
    out.tool_choice = { type = "function", ["function"] = { name = choice.name } }
  elseif CHOICES[kind] then
    out.tool_choice = CHOICES[kind]
  else
    self:bad("tool_choice", "expected auto, any, none, or tool with a name")
  end
  if common.table(choice).disable_parallel_tool_use == true then out.parallel_tool_calls = false end
end

-- --- the rest --------------------------------------------------------------------------------

local function effort_of(thinking, config)
  local effort = common.text(config.effort)
  if effort or thinking.type ~= "enabled" then return effort end
  local budget = common.count(thinking.budget_tokens) or 0
  return budget < 4096 and "low" or budget < 16384 and "medium" or "high"
end

-- Effort is said in OpenAI's words and in Anthropic's own.
function Reader:thinking(body, out)
  local thinking = common.table(common.given(body.thinking))
  local config = common.table(common.given(body.output_config))
  if next(thinking) ~= nil then out.thinking = thinking end
  out.reasoning_effort = effort_of(thinking, config)
  local rest = common.with(config, {})
  rest.format = nil
  if next(rest) ~= nil then out.output_config = rest end
  local format = common.given(config.format) or common.given(body.output_format)
  if format == nil then return end
  format = common.table(format)
  if format.type ~= "json_schema" or type(format.schema) ~= "table" then
    return self:bad("output_config.format", "expected json_schema with a schema")
  end
  out.response_format = { type = "json_schema", json_schema = { strict = true,
    name = common.filled(format.name) or "answer", schema = format.schema } }
end

local TIERS = { standard_only = "default" }
local NUMBERS = { "temperature", "top_p", "top_k" }
local NATIVE = { "context_management", "mcp_servers", "container", "cache_control",
  "inference_geo", "speed", "fallbacks", "user_profile_id", "anthropic_beta" }
local READ = { model = true, messages = true, system = true, max_tokens = true, stream = true,
  tools = true, tool_choice = true, thinking = true, output_config = true, output_format = true,
  stop_sequences = true, metadata = true, service_tier = true, betas = true, thread = true }
for _, key in ipairs(NUMBERS) do READ[key] = true end
for _, key in ipairs(NATIVE) do READ[key] = true end

function Reader:others(body, out)
  for _, key in ipairs(NUMBERS) do
    local value = common.given(body[key])
    if value ~= nil and not common.number(value) then self:bad(key, "expected a number") end
    out[key] = value
  end
  for _, key in ipairs(NATIVE) do out[key] = common.given(body[key]) end
  out.anthropic_beta = out.anthropic_beta or common.given(body.betas)
  local tier = common.text(body.service_tier)
  out.service_tier = TIERS[tier] or tier
  out.user = common.filled(common.table(common.given(body.metadata)).user_id)
  local stops = self:list(body.stop_sequences, "stop_sequences")
  if #stops > 0 then out.stop = stops end
  local limit = common.given(body.max_tokens)
  out.max_completion_tokens = common.count(limit)
  if limit ~= nil and not out.max_completion_tokens then
    self:bad("max_tokens", "expected a whole number")
  end
  if common.given(body.thread) ~= nil then
    self:note("dropped thread: conversations are not kept here")
  end
  for key, value in pairs(body) do
    if not READ[key] and common.given(value) ~= nil then
      self:note("dropped %s: Anthropic's messages have no such member", key)
    end
  end
end

-- -> { body, stream, notes, ours } or nil, error type, message
return function(body)
  if type(body) ~= "table" then
    return nil, "caller_invalid_request", "the body: expected a JSON object"
  end
  local thread = common.table(common.given(body.thread))
  if thread.type == "continue" then return nil, "caller_invalid_request", threads.lost end
  local reader = setmetatable({ messages = host.array {}, notes = host.array {} }, Reader)
  if not common.filled(body.model) then reader:bad("model", "expected the name of a model") end
  local stream = body.stream == true
  local out = { model = body.model, messages = reader.messages }
  if stream then out.stream, out.stream_options = true, { include_usage = true } end
  reader:conversation(body)
  reader:tools(body, out)
  reader:choice(body, out)
  reader:thinking(body, out)
  reader:others(body, out)
  if reader.broken then return nil, "caller_invalid_request", reader.broken end
  return { body = out, stream = stream, notes = reader.notes, ours = reader.ours }
end
