-- leme.dialect: wire formats by name. A dialect turns an OpenAI chat request into
-- what a provider takes, and what comes back into OpenAI's answers, chunks and
-- errors. Pure: no I/O, no state beside what a stream remembers.
--
--   d.wire       "openai": bytes pass but for top-level edits; else the format's name
--   d.answers    "pass": answers are sound OpenAI, "clean": they need reading
--   d.auth       { header =, prefix = } the key goes into
--   d:request(body, facts) -> { path, body or nil, edits, headers, notes }
--                             or nil, { error =, message = }
--   d:answer(text, facts) -> chat.completion, or nil, error type, message
--   d:stream(facts) -> state; state:event(name, data) -> list of chunks, or nil,
--                      error type, message; state:finish() -> the last chunks, or
--                      the same; state.done: the provider said that it was all
--   d:error(status, text) -> error type, message, code, param, retry_after
--   d:embeddings(body, facts) -> as request; d:embedded(text, facts) -> list of
--                      embeddings, or nil, error type, message
--
-- facts = { model =, provider =, stream =, max_output =, context =, caps = { },
-- unsupported = "map" | "drop" | "refuse", max_tokens = "clamp" | "refuse" | "skip" }:
-- one table for all calls about one attempt; a dialect may leave a note to itself in it.
-- facts.texts: chunks may be given as lines of an event stream instead of tables.

local dialect = {}

-- Names that are files of their own.
local FORMATS = { anthropic = "anthropic", gemini = "gemini", vertex = "vertex",
  google = "gemini", cohere = "cohere" }

local known, names = {}, nil

local function all_names()
  if names then return names end
  local vendors = require "leme.dialect.vendors"
  names = {}
  for name in pairs(FORMATS) do names[#names + 1] = name end
  for _, table_of in ipairs { vendors.list, vendors.aliases } do
    for name in pairs(table_of) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Edits that turn one short word into another.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local above = row[j]
      local change = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(above + 1, row[j - 1] + 1, diagonal + change)
      diagonal = above
    end
  end
  return row[#b]
end

local function nearest(word)
  local best, least = nil, 3
  for _, name in ipairs(all_names()) do
    local far = distance(word:sub(1, 40):lower(), name)
    if far < least then best, least = name, far end
  end
  return best
end

-- nil when there is a dialect called ${name}; else what to say of that.
function dialect.unknown(name)
  local vendors = require "leme.dialect.vendors"
  if FORMATS[name] or vendors.list[vendors.aliases[name] or name] then return nil end
  local near = nearest(name)
  return ("unknown dialect %q; %s"):format(name, near and ("did you mean %q?"):format(near)
    or "known are " .. table.concat(all_names(), ", "))
end

-- The dialect called ${name}; raises when there is none.
function dialect.find(name)
  if known[name] then return known[name] end
  if type(name) ~= "string" then
    error("dialect: expected a name, got " .. type(name), 2)
  end
  local why = dialect.unknown(name)
  if why then error(why, 2) end
  if FORMATS[name] then
    known[name] = require("leme.dialect." .. FORMATS[name])
  else
    local vendors = require "leme.dialect.vendors"
    known[name] = require("leme.dialect.openai").new(vendors.aliases[name] or name)
  end
  return known[name]
end

function dialect.names() return all_names() end

return dialect
