-- leme.dialect.anthropic_turns: the messages of a conversation as Anthropic takes
-- them: system text apart, turns that alternate, results right after their calls.
-- Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local base64 = require "leme.base64"
local ipairs, setmetatable, type = ipairs, setmetatable, type

local turns = {}

-- Parts in Anthropic's own words, which pass as they are.
local NATIVE = { image = true, document = true, search_result = true, container_upload = true,
  tool_reference = true }

local function mark_of(raw)
  return type(raw) == "table" and common.given(raw.cache_control)
end

-- With the cache mark of the first that has one.
local function cached(block, raw, other)
  local control = mark_of(raw) or mark_of(other)
  if control then block.cache_control = control end
  return block
end

local MEDIA = { ["image/jpg"] = "image/jpeg" }

local function source_of(part)
  if part.data then
    local media = (part.media or ""):lower()
    return { type = "base64", media_type = MEDIA[media] or media, data = part.data }
  end
  if part.url then return { type = "url", url = part.url } end
  if part.id then return { type = "file", file_id = part.id } end
end

local DECODED = 262144
-- Texts by another name; documents in base64 are PDFs only.
local TEXTS = { ["application/json"] = true, ["application/xml"] = true,
  ["application/yaml"] = true, ["application/x-yaml"] = true, ["application/javascript"] = true }

local BLOCKS = {
  text = function(part)
    if part.text ~= "" then return { type = "text", text = part.text } end
  end,
  image = function(part)
    local pdf = part.media and part.media:lower() == "application/pdf"
    return { type = pdf and "document" or "image", source = source_of(part) }
  end,
  file = function(part, ledger)
    local source = source_of(part)
    if not source then return ledger:drop("file", "neither data, URL nor id in the part") end
    if part.media and part.media:sub(1, 6) == "image/" then
      return { type = "image", source = source }
    end
    local media = (part.media or ""):lower()
    if part.data and (TEXTS[media] or media:sub(1, 5) == "text/") then
      local text = #part.data <= DECODED and base64.decode(part.data)
      if text and utf8.len(text) and text ~= "" then
        source = { type = "text", media_type = "text/plain", data = text }
      else
        ledger:map("file " .. (part.name or media), "sent as a document in base64")
      end
    end
    return { type = "document", source = source, title = part.name }
  end,
  audio = function(_, ledger) return ledger:drop "input_audio" end,
}

-- A message whose texts are all white space is refused for them.
local function spoken(list)
  local kept = {}
  for _, block in ipairs(list) do
    if block.type ~= "text" then
      kept[#kept + 1] = block
    elseif not common.blank(block.text) then
      return list
    end
  end
  return kept
end

-- Content of a user, tool or system message as blocks.
local function blocks_of(content, ledger)
  local list = {}
  if type(content) == "string" then
    if content ~= "" then list[1] = { type = "text", text = content } end
    return list
  end
  for _, part in ipairs(common.parts(content)) do
    local make = BLOCKS[part.kind]
    if make then
      local block = make(part, ledger)
      if block then list[#list + 1] = cached(block, part.raw) end
    elseif NATIVE[part.raw.type] then
      list[#list + 1] = part.raw
    else
      ledger:drop("content part " .. tostring(part.raw.type))
    end
  end
  return list
end

-- --- the assistant's own blocks --------------------------------------------------------

-- Does the content kept from Anthropic still say what the message says? A policy
-- or a client may have edited the message since.
local function still_true(kept, message)
  local text, ids = {}, {}
  for _, block in ipairs(kept) do
    if type(block) ~= "table" then return false end
    if block.type == "text" then text[#text + 1] = common.text(block.text) or "" end
    if block.type == "tool_use" then ids[#ids + 1] = block.id end
  end
  local calls = common.calls(message)
  if #calls ~= #ids then return false end
  for i, call in ipairs(calls) do
    if call.id ~= ids[i] then return false end
  end
  return common.join(text) == common.plain(common.given(message.content))
end

local function kept_blocks(message)
  local extra = common.table(common.given(message.extra_content))
  local kept = common.table(common.given(extra.anthropic)).content
  if common.is_list(kept) and still_true(kept, message) then return kept end
end

local function thinking_blocks(message)
  local list = {}
  for _, block in ipairs(common.table(common.given(message.thinking_blocks))) do
    if type(block) == "table"
        and (block.type == "redacted_thinking" or common.filled(block.signature)) then
      list[#list + 1] = block
    end
  end
  return list
end

local Turns = {}
Turns.__index = Turns

function Turns:push(role, blocks, results)
  if #blocks == 0 then return end
  local last = self.list[#self.list]
  if not last or last.role ~= role then
    last = { role = role, content = results and {} or blocks, results = 0 }
    host.array(last.content)
    self.list[#self.list + 1] = last
    if not results then return end
  end
  for _, block in ipairs(blocks) do
    if results then
      last.results = last.results + 1
      table.insert(last.content, last.results, block)
    else
      last.content[#last.content + 1] = block
    end
  end
end

local function may_see(id) return #id <= 128 and not id:find "[^%w_-]" end

local function other_id(id, n)
  return "toolu_" .. common.letters(id == "" and tostring(n) or id, 24)
end

-- Most conversations have no calls.
function Turns:pairs_up()
  self.pairing = self.pairing or common.pairing(may_see, other_id)
  return self.pairing
end

function Turns:tool_use(call)
  local input = common.arguments(call.arguments)
  if not input then
    self.ledger:note("arguments of " .. call.name .. " are no JSON object; sent as { text = ... }")
    input = { text = call.arguments }
  end
  if call.name == "" then self.ledger:bad "a tool call without a name" end
  self.called = true
  self.names[call.name] = true
  return cached({ type = "tool_use", id = self:pairs_up():call(call.id, call.name),
    name = call.name, input = input }, call.raw)
end

function Turns:assistant(message)
  local before = self.list[#self.list]
  if not before or before.role ~= "assistant" then self:answer_all() end
  local kept = kept_blocks(message)
  if kept then
    for _, block in ipairs(kept) do
      if block.type == "tool_use" then
        self.called = true
        self.names[common.text(block.name) or ""] = true
        self:pairs_up():call(block.id, block.name)
      end
    end
    return self:push("assistant", kept)
  end
  local list = thinking_blocks(message)
  for _, block in ipairs(spoken(blocks_of(message.content, self.ledger))) do
    list[#list + 1] = block
  end
  if common.filled(message.refusal) then
    list[#list + 1] = { type = "text", text = message.refusal }
  end
  if #list > 0 then cached(list[#list], message) end
  for _, call in ipairs(common.calls(message)) do list[#list + 1] = self:tool_use(call) end
  self:push("assistant", list)
end

function Turns:result(message)
  local name = common.text(message.name)
  local call = self:pairs_up():result(message.tool_call_id, name)
  local content = blocks_of(message.content, self.ledger)
  if not call or call.late then
    self.ledger:note("a tool result without its call became text of the user")
    table.insert(content, 1, { type = "text", text = "Result of " .. (name or "a tool") .. ":" })
    return self:push("user", content)
  end
  local block = { type = "tool_result", tool_use_id = call.own }
  if type(message.content) == "string" then
    block.content = message.content
  elseif #content > 0 then
    block.content = host.array(content)
  end
  if message.is_error == true then block.is_error = true end
  self:push("user", { cached(block, message) }, true)
end

-- Anthropic refuses a call without its result in the next turn.
function Turns:answer_all()
  if not self.pairing then return end
  for _, call in ipairs(self.pairing:unanswered()) do
    self.ledger:note("the call " .. call.own .. " had no result; one that says so was added")
    call.waiting, call.late = false, true
    self:push("user", { { type = "tool_result", tool_use_id = call.own, is_error = true,
      content = "No result was given." } }, true)
  end
end

function Turns:lift(message)
  if #self.list > 0 then self.ledger:note "a system message between turns went to the front" end
  for _, block in ipairs(spoken(blocks_of(message.content, self.ledger))) do
    self.system[#self.system + 1] = cached(block, block, message)
  end
end

function Turns:user(message)
  local blocks = spoken(blocks_of(message.content, self.ledger))
  if #blocks > 0 then cached(blocks[#blocks], blocks[#blocks], message) end
  self:push("user", blocks)
end

local ROLES = { system = Turns.lift, developer = Turns.lift, assistant = Turns.assistant,
  tool = Turns.result, ["function"] = Turns.result }

-- A final assistant turn is refused when it ends in white space.
local function trim_last(list)
  local last = list[#list]
  local block = last and last.role == "assistant" and last.content[#last.content]
  if not block or block.type ~= "text" then return end
  local text, n = block.text, #block.text
  while n > 0 and text:byte(n) <= 32 do n = n - 1 end
  if n == #text then return end
  last.content[#last.content] = common.with(block, { text = text:sub(1, n) })
  if n == 0 then last.content[#last.content] = nil end
  if #last.content == 0 then list[#list] = nil end
end

local function simple(blocks)
  local only = blocks[1]
  return #blocks == 1 and only.type == "text" and not only.cache_control and not only.citations
end

-- -> { system = text, blocks or nil, messages =, called = were tools used,
-- names = of the tools used }
function turns.read(body, ledger)
  local list = {}
  local self = setmetatable({ ledger = ledger, system = {}, list = list, names = {}, called = nil,
    pairing = nil }, Turns)
  for _, message in ipairs(common.messages(body, ledger)) do
    local read = ROLES[message.role] or Turns.user
    read(self, message)
  end
  self:answer_all()
  trim_last(list)
  if #list == 0 and #self.system > 0 then
    ledger:note "a conversation of system text only: sent as the user's"
    self:push("user", self.system)
    self.system = {}
  elseif list[1] and list[1].role == "assistant" then
    ledger:note "the conversation began with the assistant: a user turn was put before it"
    table.insert(list, 1, { role = "user", content = { { type = "text", text = "..." } } })
  end
  if #list == 0 then ledger:bad "messages: nothing is said in them" end
  local messages = host.array {}
  for i, turn in ipairs(list) do
    messages[i] = { role = turn.role,
      content = simple(turn.content) and turn.content[1].text or turn.content }
  end
  local system = self.system
  return { messages = messages, called = self.called, names = self.names, turns = list,
    system = #system > 0 and (simple(system) and system[1].text or host.array(system)) or nil }
end

return turns
