-- leme.surface.gemini_turns: Google's contents as the messages of a chat request.
-- Consecutive turns of the model are one: clients keep each event of a stream as a
-- turn of its own. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local words = require "leme.dialect.gemini_words"
local carried = require "leme.surface.gemini_carried"

local member = words.member

local turns = {}

-- --- parts -----------------------------------------------------------------------------------

local AUDIO = { ["audio/mpeg"] = "mp3", ["audio/mp3"] = "mp3", ["audio/wav"] = "wav",
  ["audio/x-wav"] = "wav" }

local function inline_part(reader, data, where)
  local media = common.filled(member(data, "mimeType")) or "application/octet-stream"
  local bytes = common.text(member(data, "data"))
  if not bytes then return reader:bad(where, "expected data in base64") end
  local url = "data:" .. media .. ";base64," .. bytes
  if media:sub(1, 6) == "image/" then
    return { type = "image_url", image_url = { url = url } }
  elseif AUDIO[media] then
    return { type = "input_audio", input_audio = { data = bytes, format = AUDIO[media] } }
  end
  return { type = "file", file = { file_data = url,
    filename = common.filled(member(data, "displayName")) or "file" } }
end

-- Pictures on the web are for everyone; what Google stores only Google can open.
local function file_part(reader, file, where)
  local uri = common.filled(member(file, "fileUri"))
  local media = common.filled(member(file, "mimeType"))
  if not uri then return reader:bad(where, "expected a fileUri") end
  local public = uri:sub(1, 4) == "http" and not uri:sub(1, 2048):find("googleapis.com/", 1, true)
  if public and media and media:sub(1, 6) == "image/"
      and common.media_of(uri, "image/jpeg") == media then
    return { type = "image_url", image_url = { url = uri } }
  end
  return { fileData = { fileUri = uri, mimeType = media } }
end

-- A part of the user's, or nil when there is nothing to show.
local function part_of(reader, part, where)
  for _, key in ipairs { "videoMetadata", "mediaResolution" } do
    if member(part, key) then reader:note("%s: %s is left out", where, key) end
  end
  local text, data, file = member(part, "text"), member(part, "inlineData"),
    member(part, "fileData")
  if type(text) == "string" then
    return text ~= "" and { type = "text", text = text } or nil
  elseif type(data) == "table" then
    return inline_part(reader, data, where)
  elseif type(file) == "table" then
    return file_part(reader, file, where)
  end
  return reader:bad(where, "expected text, inlineData, fileData or functionResponse")
end

-- Parts as a content: a plain text where that says it all.
local function content_of(parts)
  if #parts == 1 and parts[1].type == "text" then return parts[1].text end
  return host.array(parts)
end

local Turns = {}
Turns.__index = Turns

function Turns:push(message)
  self.messages[#self.messages + 1] = message
end

-- --- the user's turns ------------------------------------------------------------------------

-- Pictures and files of a result follow it as the user's: tool messages are text.
function Turns:result(said, where, later)
  local name = common.filled(member(said, "name"))
  local response = member(said, "response")
  local call = self.pairing:result(member(said, "id"), name)
    or name and self.pairing:result(nil, name)
  local text = response == nil and "{}" or host.encode(response)
  for i, part in ipairs(common.table(member(said, "parts"))) do
    later[#later + 1] = part_of(self.reader, common.table(part),
      ("%s.parts[%d]"):format(where, i - 1))
  end
  if not call then
    self.reader:note("%s: a result without its call became the user's text", where)
    later[#later + 1] = { type = "text",
      text = ("Result of %s: %s"):format(name or "a call", text) }
    return
  end
  local failed = common.is_object(response) and response.error ~= nil
    and response.output == nil and response.result == nil
  self:push { role = "tool", tool_call_id = call.own, content = text,
    is_error = failed or nil }
end

function Turns:user(content, where)
  local parts, later = {}, {}
  for i, part in ipairs(self.reader:list(member(content, "parts"), where .. ".parts")) do
    local at = ("%s.parts[%d]"):format(where, i - 1)
    part = common.table(part)
    local response = member(part, "functionResponse")
    if type(response) == "table" then
      self:result(response, at, later)
    else
      parts[#parts + 1] = part_of(self.reader, part, at)
    end
  end
  for _, part in ipairs(parts) do later[#later + 1] = part end
  if #later > 0 then self:push { role = "user", content = content_of(later) } end
end

-- --- the model's turns -----------------------------------------------------------------------

local Model = {}
Model.__index = Model

local function new_model()
  return setmetatable({ text = {}, reasoning = {}, calls = {}, parts = host.array {}, extra = {} },
    Model)
end

-- What was signed here goes back where it came from.
function Model:recall(known)
  for key, value in pairs(common.table(known.extra)) do self.extra[key] = value end
  if common.is_list(known.thinking) then self.thinking = known.thinking end
  self.kept = common.filled(known.reasoning) or self.kept
end

-- Google wants each signature back with its part. One of a text goes with the
-- message, those of calls with the calls; otherwise the turn goes as it was.
function Model:sign(part, signature, call)
  if call then
    call.extra_content = { google = { thought_signature = signature } }
  elseif member(part, "thought") ~= true then
    if self.signature or #self.calls > 0 then self.foreign = true end
    self.signature = signature
  end
end

function Model:call(said, pairing, reader, where)
  local name = common.filled(member(said, "name"))
  if not name then return reader:bad(where, "a functionCall needs a name") end
  local args = member(said, "args")
  local call = { id = pairing:call(member(said, "id"), name), type = "function",
    ["function"] = { name = name, arguments = args == nil and "{}" or host.encode(args) } }
  self.calls[#self.calls + 1] = call
  return call
end

function Model:part(part, pairing, reader, where)
  local text, said = common.text(member(part, "text")), member(part, "functionCall")
  local signature = common.filled(member(part, "thoughtSignature"))
  local known = signature and carried.unsign(signature)
  local call
  if type(said) == "table" then
    call = self:call(said, pairing, reader, where)
    if call and known then call.extra_content = common.given(known.call_extra) end
  elseif text then
    local list = member(part, "thought") == true and self.reasoning or self.text
    list[#list + 1] = text
  elseif next(part) ~= nil then
    self.foreign = true
  end
  if known then
    reader.ours = true
    self:recall(known)
  elseif signature then
    self:sign(part, signature, call)
  end
  if not known then
    self.parts[#self.parts + 1] = part
  elseif text ~= "" then
    part = common.with(part, {})
    part.thoughtSignature, part.thought_signature = nil, nil
    self.parts[#self.parts + 1] = part
  end
end

-- Google's own view of the turn, where the message does not say it all.
function Model:google()
  local given = self.extra.google
  if given then return given end
  if self.foreign then return { parts = self.parts } end
  if self.signature then return { thought_signature = self.signature } end
end

function Model:message()
  local text = common.join(self.text)
  local out = { role = "assistant", content = text }
  if text == "" and #self.calls > 0 then out.content = host.null end
  local thoughts = common.join(self.reasoning)
  if thoughts == "" then thoughts = self.kept or "" end
  if thoughts ~= "" then out.reasoning_content = thoughts end
  if self.thinking then out.thinking_blocks = host.array(self.thinking) end
  if #self.calls > 0 then out.tool_calls = host.array(self.calls) end
  self.extra.google = self:google()
  if next(self.extra) ~= nil then out.extra_content = self.extra end
  return out
end

function Turns:model(content, where)
  self.turn = self.turn or new_model()
  for i, part in ipairs(self.reader:list(member(content, "parts"), where .. ".parts")) do
    self.turn:part(common.table(part), self.pairing, self.reader,
      ("%s.parts[%d]"):format(where, i - 1))
  end
end

function Turns:end_model()
  local turn = self.turn
  self.turn = nil
  if not turn or #turn.parts == 0 and next(turn.extra) == nil then return end
  if turn.foreign then
    self.reader:note "parts of a model's turn that are no text and no calls go to Google only"
  end
  self:push(turn:message())
end

-- --- the conversation ------------------------------------------------------------------------

function Turns:system(content)
  if type(content) == "string" then content = { parts = { { text = content } } } end
  if type(content) ~= "table" then
    return self.reader:bad("systemInstruction", "expected an object with parts")
  end
  local parts = {}
  for i, part in ipairs(self.reader:list(member(content, "parts"), "systemInstruction.parts")) do
    local text = member(common.table(part), "text")
    if type(text) ~= "string" then
      self.reader:bad(("systemInstruction.parts[%d]"):format(i - 1), "expected a text")
    elseif text ~= "" then
      parts[#parts + 1] = { type = "text", text = text }
    end
  end
  if #parts > 0 then self:push { role = "system", content = content_of(parts) } end
end

local ROLES = { user = Turns.user, ["function"] = Turns.user, model = Turns.model,
  assistant = Turns.model, system = function(self, content) self:system(content) end }

-- Messages of ${body} are added to ${messages}; ${reader} is told what is wrong.
function turns.read(body, reader, messages)
  local self = setmetatable({ reader = reader, messages = messages,
    pairing = common.pairing(function() return true end,
      function(id, n) return "call_" .. common.letters(id .. n, 24) end) }, Turns)
  local system = member(body, "systemInstruction")
  if system ~= nil then self:system(system) end
  local contents = reader:list(member(body, "contents"), "contents")
  if #contents == 0 then reader:bad("contents", "expected at least one turn") end
  for i, content in ipairs(contents) do
    local where = ("contents[%d]"):format(i - 1)
    content = common.table(content)
    local read = ROLES[member(content, "role") or "user"]
    if read ~= Turns.model then self:end_model() end
    if read then
      read(self, content, where)
    else
      reader:bad(where .. ".role", "expected user or model")
    end
  end
  self:end_model()
end

return turns
