-- leme.dialect.common: what several wire formats need: reading JSON that may be of
-- any shape, the parts of a message, pairing of calls with results, notes about
-- what a target cannot do, and OpenAI's answer objects. Pure.
--
-- Texts can be longer than a pattern's subject may be (1 MiB), so patterns look at
-- a piece of a text only.

local host = require "leme.host"
-- Here and beside: a global stands in an environment behind the environment, which
-- costs four times what an upvalue does.
local ipairs, next, type = ipairs, next, type
local tointeger, floor = math.tointeger, math.floor

local common = {}

local NULL = host.null
local PATTERN_BYTES = 65536
local CONCAT_BYTES = 1000000

-- --- values of any shape ---------------------------------------------------------------

-- JSON's null and absence are the same to every dialect.
function common.given(value)
  if value == NULL then return nil end
  return value
end

function common.text(value)
  if type(value) == "string" then return value end
end

function common.filled(value)
  if type(value) == "string" and value ~= "" then return value end
end

function common.number(value)
  if type(value) == "number" and value == value then return value end
end

function common.count(value)
  if value == nil or type(value) ~= "number" or value ~= value or value < 0
      or value >= 2 ^ 53 then
    return nil
  end
  return tointeger(value) or floor(value)
end

-- A table, or an empty one: for reading only.
local NOTHING = {}
function common.table(value)
  if type(value) == "table" then return value end
  return NOTHING
end

function common.is_list(value)
  return type(value) == "table" and value[1] ~= nil
end

function common.is_object(value)
  return type(value) == "table" and value[1] == nil and next(value) ~= nil
end

-- Is there anything but white space?
function common.blank(text)
  return #text <= PATTERN_BYTES and not text:find "%S"
end

function common.join(pieces)
  local size, from, out = 0, 1, ""
  for i, piece in ipairs(pieces) do
    if size + #piece > CONCAT_BYTES and i > from then
      out, from, size = out .. table.concat(pieces, "", from, i - 1), i, 0
    end
    size = size + #piece
    if size > CONCAT_BYTES then out, from, size = out .. piece, i + 1, 0 end
  end
  return out .. table.concat(pieces, "", from)
end

-- Reads on in a JSON object that comes in pieces: ${seen} begins as { depth = 0 }, and
-- seen.ended tells whether the object is over. Each piece is looked at once.
function common.follow(seen, text)
  for from = 1, #text, PATTERN_BYTES do
    local piece = #text <= PATTERN_BYTES and text or text:sub(from, from + PATTERN_BYTES - 1)
    local at = seen.escaped and 2 or 1
    seen.escaped = false
    local i = piece:find(seen.quoted and '["\\]' or '["{}%[%]]', at)
    while i do
      local letter = piece:byte(i)
      at = i + 1
      if letter == 92 then
        at, seen.escaped = i + 2, i == #piece
      elseif letter == 34 then
        seen.quoted = not seen.quoted
      else
        seen.depth = seen.depth + ((letter == 123 or letter == 91) and 1 or -1)
        seen.ended = seen.depth <= 0
      end
      i = piece:find(seen.quoted and '["\\]' or '["{}%[%]]', at)
    end
  end
end

-- Characters of a text, as citations count them.
function common.length(text)
  return utf8.len(text) or #text
end

-- A copy of one level of an object, with the fields of more put over it.
function common.with(t, more)
  local copy = {}
  for key, value in pairs(t) do
    if type(key) == "string" then copy[key] = value end
  end
  for key, value in pairs(more) do copy[key] = value end
  return copy
end

-- --- names made of other names ---------------------------------------------------------

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

-- ${n} letters and digits that depend on the text alone.
function common.letters(text, n)
  local hash, out = 0x4bf29ce484222325, {}
  for i = 1, math.min(#text, 4096) do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
  for i = 1, n do
    hash = (hash ~ (hash >> 29) ~ i) * 0x3f58476d1ce4e5b9
    local k = (hash >> 33) % #LETTERS + 1
    out[i] = LETTERS:sub(k, k)
  end
  return table.concat(out)
end

local Pairing = {}
Pairing.__index = Pairing

-- Pairs calls with their results over a conversation. fits(id): may the provider
-- see this id; make(id, n): another one for it, the same each time.
function common.pairing(fits, make)
  return setmetatable({ fits = fits, make = make, used = {}, calls = {}, open = {} }, Pairing)
end

-- An assistant's call: the id it has at the provider.
function Pairing:call(id, name)
  local n = #self.calls + 1
  id = common.text(id) or ""
  local own = id
  if own == "" or self.used[own] or not self.fits(own) then own = self.make(id, n) end
  while self.used[own] do own = self.make(own, n) end
  self.used[own] = true
  local call = { id = id, own = own, name = name, waiting = true }
  self.calls[n] = call
  local queue = self.open[id] or {}
  queue[#queue + 1] = call
  self.open[id] = queue
  return own
end

-- A result: the call it belongs to ({ own =, name = }), or nil. Without an id it
-- is the oldest open call of that name, or the oldest.
function Pairing:result(id, name)
  id = common.text(id) or ""
  local call = self.open[id] and table.remove(self.open[id], 1)
  if not call and id == "" then
    for _, waiting in ipairs(self.calls) do
      if waiting.waiting and (not name or waiting.name == name) then
        call = waiting
        local queue = self.open[call.id]
        for i = #queue, 1, -1 do
          if queue[i] == call then table.remove(queue, i) end
        end
        break
      end
    end
  end
  if call then call.waiting = false end
  return call
end

-- Calls nobody answered.
function Pairing:unanswered()
  local list = {}
  for _, call in ipairs(self.calls) do
    if call.waiting then list[#list + 1] = call end
  end
  return list
end

-- --- notes on what a target cannot do --------------------------------------------------

local Ledger = {}
Ledger.__index = Ledger

-- facts.unsupported: "map" puts the nearest thing in place of what the target
-- cannot do, "drop" leaves it out, "refuse" answers the request with an error.
function common.ledger(name, facts)
  return setmetatable({ name = name, mode = facts.unsupported or "map",
    limit = facts.max_tokens or "clamp", notes = host.array {} }, Ledger)
end

function Ledger:note(text)
  self.notes[#self.notes + 1] = text
end

function Ledger:refuse(what, why)
  self.refused = self.refused or ("%s: %s"):format(what, why)
end

function Ledger:drop(what, why)
  why = why or "not supported by " .. self.name
  if self.mode == "refuse" then return self:refuse(what, why) end
  self:note("dropped " .. what .. ": " .. why)
end

-- May ${what} be replaced by ${how}?
function Ledger:map(what, how)
  if self.mode ~= "map" then
    self:drop(what)
    return false
  end
  self:note(("mapped %s: %s"):format(what, how))
  return true
end

-- An answer longer than the model gives, where the target does not want it lowered.
local LONGER = { refuse = "caller_invalid_request", skip = "provider_context_too_long" }

-- A value outside the target's range becomes the nearest one.
function Ledger:clamp(what, from, to)
  if what == "max_tokens" and LONGER[self.limit] and from > to then
    self.longer = ("max_tokens: %s is above the %s tokens that the model gives in one answer;"
      .. " ask for fewer"):format(tostring(from), tostring(to))
    return
  end
  if self.mode == "refuse" then
    return self:refuse(what, ("%s is outside the range of %s; the nearest is %s")
      :format(tostring(from), self.name, tostring(to)))
  end
  self:note(("clamped %s: %s to %s"):format(what, tostring(from), tostring(to)))
end

-- The request is broken for every target.
function Ledger:bad(message)
  self.broken = self.broken or message
end

-- What request() answers.
function Ledger:result(path, body, headers)
  if self.broken then return nil, { error = "caller_invalid_request", message = self.broken } end
  if self.longer then return nil, { error = LONGER[self.limit], message = self.longer } end
  if self.refused then
    return nil, { error = "provider_invalid_request", message = self.refused }
  end
  return { path = path, body = body, edits = {}, headers = headers or {}, notes = self.notes }
end

-- --- messages --------------------------------------------------------------------------

-- The messages of a request that are objects; complains about the rest.
function common.messages(body, ledger)
  local list = {}
  local messages = common.given(body.messages)
  if type(messages) ~= "table" or (messages[1] == nil and next(messages) ~= nil) then
    ledger:bad "messages: expected an array of messages"
    return list
  end
  for i, message in ipairs(messages) do
    if type(message) ~= "table" or type(message.role) ~= "string" then
      ledger:bad(("messages[%d]: expected an object with a role"):format(i - 1))
    else
      list[#list + 1] = message
    end
  end
  if #list == 0 then ledger:bad "messages: expected at least one message" end
  return list
end

-- "data:image/png;base64,AAAA" -> media type, data.
function common.data_url(url)
  local head = url:sub(1, 256)
  local comma = head:find(",", 1, true)
  if head:sub(1, 5):lower() ~= "data:" or not comma then return nil end
  local media, rest = head:sub(6, comma - 1):match "^([^;]*)(.*)$"
  if not rest:lower():find("base64", 1, true) then return nil end
  return media ~= "" and media or "application/octet-stream", url:sub(comma + 1)
end

local MEDIA = { png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  webp = "image/webp", heic = "image/heic", pdf = "application/pdf", mp4 = "video/mp4",
  webm = "video/webm", mp3 = "audio/mpeg", wav = "audio/wav", txt = "text/plain",
  md = "text/markdown", csv = "text/csv", html = "text/html", json = "application/json",
  xml = "application/xml" }

function common.media_of(name, otherwise)
  local ending = name:sub(1, 2048):gsub("[?#].*", ""):match "%.(%w+)$"
  return ending and MEDIA[ending:lower()] or otherwise
end

local function image_part(part)
  local image = part.image_url
  local url = common.text(image) or common.text(common.table(image).url)
  if not url then return { kind = "other", raw = part } end
  local media, data = common.data_url(url)
  return { kind = "image", media = media, data = data, url = not data and url or nil, raw = part,
    detail = common.text(common.table(image).detail) }
end

local function file_part(part)
  local file = common.table(part.file)
  local known = { kind = "file", raw = part, name = common.text(file.filename),
    id = common.text(file.file_id) }
  local data = common.text(file.file_data) or common.text(file.file_url)
  if data then
    known.media, known.data = common.data_url(data)
    if not known.data and data:sub(1, 4) == "http" then
      known.url = data
    elseif not known.data then
      known.media = common.media_of(known.name or "", "application/pdf")
      known.data = data
    end
  end
  return known
end

local AUDIO = { mp3 = "audio/mpeg", wav = "audio/wav" }

local PARTS = {
  text = function(part)
    return { kind = "text", text = common.text(part.text) or "", raw = part }
  end,
  refusal = function(part)
    return { kind = "text", text = common.text(part.refusal) or "", raw = part }
  end,
  image_url = image_part,
  file = file_part,
  input_audio = function(part)
    local audio = common.table(part.input_audio)
    local format = common.text(audio.format) or "wav"
    return { kind = "audio", media = AUDIO[format] or "audio/" .. format, format = format,
      data = common.text(audio.data) or "", raw = part }
  end,
}
PARTS.input_text, PARTS.output_text = PARTS.text, PARTS.text

-- The parts of a content: { kind = "text" | "image" | "audio" | "file" | "other", ... }.
function common.parts(content)
  content = common.given(content)
  if type(content) == "string" then
    return { { kind = "text", text = content, raw = NOTHING } }
  end
  local list = {}
  for _, part in ipairs(common.table(content)) do
    if type(part) == "string" then
      list[#list + 1] = { kind = "text", text = part, raw = NOTHING }
    elseif type(part) == "table" then
      local read = PARTS[part.type]
      list[#list + 1] = read and read(part) or { kind = "other", raw = part }
    end
  end
  return list
end

-- All text of a content.
function common.plain(content)
  if type(content) == "string" then return content end
  local list = {}
  for _, part in ipairs(common.parts(content)) do
    if part.kind == "text" then list[#list + 1] = part.text end
  end
  return common.join(list)
end

-- Calls of an assistant message, the old function_call among them:
-- { id, name, arguments, raw }.
function common.calls(message)
  local list = {}
  for _, call in ipairs(common.table(common.given(message.tool_calls))) do
    if type(call) == "table" then
      local fn = common.table(call["function"])
      local custom = common.table(call.custom)
      list[#list + 1] = { id = call.id, raw = call,
        name = common.text(fn.name) or common.text(custom.name) or "",
        arguments = common.given(fn.arguments) or (custom.input and { input = custom.input }) }
    end
  end
  local old = common.given(message.function_call)
  if type(old) == "table" then
    list[#list + 1] = { id = "", name = common.text(old.name) or "", raw = old,
      arguments = common.given(old.arguments) }
  end
  return list
end

-- Arguments as an object, whatever their spelling: text, an object, text that
-- holds JSON text once more. nil when they are no object.
function common.arguments(value)
  for _ = 1, 3 do
    if value == nil or value == NULL or value == "" then return {} end
    if type(value) == "table" then
      if value[1] ~= nil then return nil end
      return value
    end
    if type(value) ~= "string" then return nil end
    if common.blank(value) then return {} end
    value = host.decode(value)
    if value == nil then return nil end
  end
end

local function schema_of(fn)
  local parameters = common.given(fn.parameters)
  if type(parameters) == "table" and parameters[1] == nil then return parameters end
end

-- Tools of a request, old functions among them: a list of { name, description,
-- parameters, strict, raw } or { native = tool }.
function common.tools(body)
  local list = {}
  for _, tool in ipairs(common.table(common.given(body.tools))) do
    if type(tool) == "table" then
      local fn = tool.type == "function" and tool["function"]
      if type(fn) == "table" then
        list[#list + 1] = { name = common.text(fn.name) or "", parameters = schema_of(fn),
          description = common.text(fn.description), strict = fn.strict == true, raw = tool }
      else
        list[#list + 1] = { native = tool }
      end
    end
  end
  for _, fn in ipairs(common.table(common.given(body.functions))) do
    if type(fn) == "table" then
      list[#list + 1] = { name = common.text(fn.name) or "", parameters = schema_of(fn),
        description = common.text(fn.description), raw = fn }
    end
  end
  return list
end

-- Answers to a client that asked for functions say function_call.
function common.note_functions(body, facts)
  if body.functions == nil and facts.functions == nil then return end
  facts.functions = common.is_list(common.given(body.functions))
    and not common.is_list(common.given(body.tools)) or nil
end

local CHOICES = { auto = "auto", none = "none", required = "required", any = "required" }

-- "auto" | "none" | "required" | "function", the name, and the names allowed.
function common.tool_choice(body)
  local choice = common.given(body.tool_choice) or common.given(body.function_call)
  if type(choice) == "string" then return CHOICES[choice] end
  if type(choice) ~= "table" then return nil end
  local allowed = choice.allowed_tools
  if choice.type == "allowed_tools" and type(allowed) == "table" then
    local names = {}
    for _, tool in ipairs(common.table(allowed.tools)) do
      local fn = common.table(common.table(tool)["function"])
      names[#names + 1] = common.text(fn.name) or common.text(common.table(tool).name)
    end
    return allowed.mode == "required" and "required" or "auto", nil, names
  end
  local name = common.text(common.table(choice["function"]).name) or common.text(choice.name)
  if name then return "function", name end
  -- Anthropic's way to say it, which clients of several vendors keep.
  return CHOICES[choice.type] or "auto"
end

-- "json_schema" with { name, schema, strict, description }, "json_object" or nil.
function common.response_format(body)
  local format = common.given(body.response_format)
  if type(format) ~= "table" then return nil end
  if format.type == "json_object" then return "json_object" end
  local named = format.json_schema
  if format.type == "json_schema" and type(named) == "table" then
    return "json_schema", { name = common.filled(named.name) or "answer",
      description = common.text(named.description),
      schema = type(named.schema) == "table" and named.schema[1] == nil and named.schema or {} }
  end
end

-- stop as a list.
function common.stops(body)
  local stop, list = common.given(body.stop), {}
  if type(stop) == "string" then stop = { stop } end
  for _, text in ipairs(common.table(stop)) do
    if common.filled(text) then list[#list + 1] = text end
  end
  return list
end

-- The effort asked for, in OpenAI's words, or nil; OpenRouter's form too.
local EFFORTS = { none = true, minimal = true, low = true, medium = true, high = true,
  xhigh = true, max = true }

function common.effort(body)
  local reasoning = common.table(common.given(body.reasoning))
  local effort = common.text(body.reasoning_effort) or common.text(reasoning.effort)
  if effort then return EFFORTS[effort] and effort or nil, common.count(reasoning.max_tokens) end
  if reasoning.enabled == false then return "none" end
  return nil, common.count(reasoning.max_tokens)
end

function common.max_tokens(body)
  return common.count(common.given(body.max_completion_tokens))
    or common.count(common.given(body.max_tokens))
end

-- Is this value of an OpenAI parameter the same as leaving it out?
local IDLE = { n = 1, logprobs = false, presence_penalty = 0, frequency_penalty = 0, store = false,
  top_logprobs = 0, parallel_tool_calls = true, service_tier = "auto" }

function common.idle(key, value)
  if value == NULL or value == IDLE[key] then return true end
  return key == "logit_bias" and type(value) == "table" and next(value) == nil
end

return common
