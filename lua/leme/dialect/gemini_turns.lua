-- leme.dialect.gemini_turns: the messages of a conversation as Google's contents.
-- Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local schema = require "leme.dialect.gemini_schema"

local turns = {}

-- What Google takes in place of a signature that was lost on the way.
local NO_SIGNATURE = "skip_thought_signature_validator"

local NATIVE = { "fileData", "inlineData", "file_data", "inline_data", "executableCode",
  "codeExecutionResult" }

local function media_part(part, ledger, otherwise)
  if part.data then return { inlineData = { mimeType = part.media, data = part.data } } end
  local uri = part.url or (part.id and part.id:find("/", 1, true) and part.id)
  if uri then
    return { fileData = { fileUri = uri, mimeType = part.media
      or common.media_of(part.name or uri, otherwise) } }
  end
  return ledger:drop(part.kind, "neither data nor a URI in the part")
end

local MAKE = {
  text = function(part)
    if part.text ~= "" then return { text = part.text } end
  end,
  image = function(part, ledger) return media_part(part, ledger, "image/jpeg") end,
  file = function(part, ledger) return media_part(part, ledger, "application/pdf") end,
  audio = function(part)
    return { inlineData = { mimeType = part.media, data = part.data } }
  end,
}

local function native(raw)
  for _, key in ipairs(NATIVE) do
    if raw[key] ~= nil then return raw end
  end
  local video = raw.type == "video_url" and common.text(common.table(raw.video_url).url)
  if not video then return nil end
  local media, data = common.data_url(video)
  if data then return { inlineData = { mimeType = media, data = data } } end
  return { fileData = { fileUri = video, mimeType = common.media_of(video, "video/mp4") } }
end

local function parts_of(content, ledger)
  local list = {}
  for _, part in ipairs(common.parts(content)) do
    local make = MAKE[part.kind]
    local made
    if make then
      made = make(part, ledger)
    else
      made = native(part.raw)
      if not made then ledger:drop("content part " .. tostring(part.raw.type)) end
    end
    list[#list + 1] = made
  end
  return list
end

local Turns = {}
Turns.__index = Turns

function Turns:push(role, parts)
  if #parts == 0 then return end
  local last = self.list[#self.list]
  if not last or last.role ~= role then
    last = { role = role, parts = host.array {} }
    self.list[#self.list + 1] = last
  end
  for _, part in ipairs(parts) do last.parts[#last.parts + 1] = part end
end

local function google_extra(holder)
  local extra = common.table(common.given(holder.extra_content))
  return common.table(common.given(extra.google))
end

-- Do the parts kept from Google still say what the message says?
local function still_true(kept, message)
  local text, names = {}, {}
  for _, part in ipairs(kept) do
    if type(part) ~= "table" then return false end
    if common.text(part.text) and not part.thought then text[#text + 1] = part.text end
    local call = part.functionCall or part.function_call
    if type(call) == "table" then names[#names + 1] = call.name end
  end
  local calls = common.calls(message)
  if #calls ~= #names then return false end
  for i, call in ipairs(calls) do
    if call.name ~= names[i] then return false end
  end
  return common.join(text) == common.plain(common.given(message.content))
end

-- Ids that Google made itself are short; others are not shown to it.
local function own_id(id)
  if id and #id > 0 and #id <= 16 and not id:find "[^%w]" then return id end
end

function Turns:call(call, first)
  local args = common.arguments(call.arguments)
  if not args then
    self.ledger:note("arguments of " .. call.name .. " are no JSON object; sent as { text = ... }")
    args = { text = call.arguments }
  end
  if call.name == "" then self.ledger:bad "a tool call without a name" end
  self.pairing:call(call.id, call.name)
  local part = { functionCall = { name = schema.name(call.name), args = args,
    id = own_id(common.text(call.id)) } }
  part.thoughtSignature = common.filled(google_extra(call.raw).thought_signature)
    or common.filled(google_extra(common.table(call.raw["function"])).thought_signature)
  if first and not part.thoughtSignature and self.signs then
    part.thoughtSignature = NO_SIGNATURE
    self.ledger:note("the thought signature of the call " .. call.name .. " was lost on the way")
  end
  return part
end

function Turns:assistant(message)
  local extra = google_extra(message)
  if common.is_list(extra.parts) and still_true(extra.parts, message) then
    for _, call in ipairs(common.calls(message)) do self.pairing:call(call.id, call.name) end
    return self:push("model", extra.parts)
  end
  local parts = parts_of(message.content, self.ledger)
  if common.filled(message.refusal) then parts[#parts + 1] = { text = message.refusal } end
  local signature = common.filled(extra.thought_signature)
  if signature and #parts > 0 then
    parts[#parts] = common.with(parts[#parts], { thoughtSignature = signature })
  end
  for i, call in ipairs(common.calls(message)) do parts[#parts + 1] = self:call(call, i == 1) end
  self:push("model", parts)
end

-- A result must be an object: one that is not is wrapped. Google reads "error" as
-- what went wrong.
local function response_of(content, failed)
  local text = common.plain(content)
  local value = #text > 0 and text:sub(1, 64):find "^%s*{" and host.decode(text)
  if type(value) == "table" and not common.is_list(value) then return value end
  return { [failed and "error" or "result"] = text }
end

function Turns:result(message)
  local call = self.pairing:result(message.tool_call_id, common.text(message.name))
  local content = common.given(message.content)
  if not call then
    self.ledger:note "a tool result without its call became text of the user"
    return self:push("user", parts_of(content, self.ledger))
  end
  local parts = { { functionResponse = { name = schema.name(call.name), id = own_id(call.id),
    response = response_of(content, message.is_error == true) } } }
  for _, part in ipairs(parts_of(content, self.ledger)) do
    if not part.text then parts[#parts + 1] = part end
  end
  self:push("user", parts)
end

function Turns:lift(message)
  if #self.list > 0 then self.ledger:note "a system message between turns went to the front" end
  for _, part in ipairs(parts_of(message.content, self.ledger)) do
    self.system[#self.system + 1] = part
  end
end

function Turns:user(message)
  self:push("user", parts_of(message.content, self.ledger))
end

local ROLES = { system = Turns.lift, developer = Turns.lift, assistant = Turns.assistant,
  tool = Turns.result, ["function"] = Turns.result }

-- -> contents, systemInstruction or nil. signs: the model asks for signatures.
function turns.read(body, ledger, signs)
  local self = setmetatable({ ledger = ledger, signs = signs, system = host.array {}, list = {},
    pairing = common.pairing(function() return true end,
      function(id, n) return "call_" .. common.letters(id .. n, 24) end) }, Turns)
  for _, message in ipairs(common.messages(body, ledger)) do
    local read = ROLES[message.role] or Turns.user
    read(self, message)
  end
  if #self.list == 0 and #self.system > 0 then
    ledger:note "a conversation of system text only: sent as the user's"
    self:push("user", self.system)
    self.system = {}
  end
  if #self.list == 0 then ledger:bad "messages: nothing is said in them" end
  return host.array(self.list), #self.system > 0 and { parts = self.system } or nil
end

return turns
