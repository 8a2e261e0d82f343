-- catalog: a list of model prices in JSON to price lists in leme's own form.
--   lua5.4 lua/catalog.lua FILE.json            all of it, to standard output
--   lua5.4 lua/catalog.lua FILE.json DIRECTORY  one file a provider: the built-in ones
--                                               are those of lua/leme/prices
-- FILE.json: { sources = { { name, package or repository, published or commit_date,
-- licence } }, models = { { id, provider, mode, usd_per_million_tokens = { input, output,
-- cache_read, cache_write, cache_write_1h, input_audio, output_reasoning, tiers },
-- scheduled, time_of_day, max_context_tokens, max_output_tokens, capabilities,
-- price_source } } }. What a row says nothing about stays unsaid: unknown is not zero.

-- --- JSON --------------------------------------------------------------------------

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function unescape(text)
  return (text:gsub("\\(.)(%x?%x?%x?%x?)", function(letter, digits)
    if letter == "u" then return utf8.char((assert(tonumber(digits, 16), "not JSON: \\u"))) end
    return (ESCAPES[letter] or letter) .. digits
  end))
end

local value

local function members(text, at, close, read)
  local out = {}
  at = text:match("^%s*()", at)
  if text:sub(at, at) == close then return out, at + 1 end
  while true do
    at = read(out, at)
    local mark
    mark, at = text:match("^%s*([,%]}])%s*()", at)
    if mark == close then return out, at end
    assert(mark == ",", "not JSON: a comma is missing")
  end
end

local function object(text, at)
  return members(text, at, "}", function(out, from)
    local key, next_at = value(text, from)
    next_at = assert(text:match("^%s*:()", next_at), "not JSON: a colon is missing")
    out[key], next_at = value(text, next_at)
    return next_at
  end)
end

local function list(text, at)
  return members(text, at, "]", function(out, from)
    local item, next_at = value(text, from)
    out[#out + 1] = item
    return next_at
  end)
end

local LITERALS = { ["true"] = true, ["false"] = false }

function value(text, at)
  at = text:match("^%s*()", at)
  local first = text:sub(at, at)
  if first == "{" then return object(text, at + 1) end
  if first == "[" then return list(text, at + 1) end
  if first == '"' then
    local to = at + 1
    while text:sub(to, to) ~= '"' do
      assert(to <= #text, "not JSON: a text without an end")
      to = to + (text:sub(to, to) == "\\" and 2 or 1)
    end
    return unescape(text:sub(at + 1, to - 1)), to + 1
  end
  local word, to = text:match("^([%w.+-]+)()", at)
  if LITERALS[word] ~= nil then return LITERALS[word], to end
  if word == "null" then return nil, to end
  return assert(tonumber(word), "not JSON: a value is missing"), to
end

-- --- rows --------------------------------------------------------------------------

-- Names under which a provider serves what the list calls otherwise. Only what the
-- provider documents as the same model: a similar name is another price.
local ALIASES = {
  ["anthropic/claude-3-5-haiku-latest"] = { "anthropic/claude-3-5-haiku-20241022" },
  ["anthropic/claude-opus-4-0"] = { "anthropic/claude-opus-4-20250514" },
  ["anthropic/claude-sonnet-4-0"] = { "anthropic/claude-sonnet-4-20250514" },
}

-- Model Studio writes versions with dots; the list has dashes.
local DASHED = { ["^qwen2%-5%-"] = "qwen2.5-", ["^deepseek%-v3%-1$"] = "deepseek-v3.1",
  ["^deepseek%-v3%-2%-exp$"] = "deepseek-v3.2-exp" }

-- The list's words -> ours, in the order in which they are written.
local RATES = { { "input", "input" }, { "output", "output" }, { "cache_read", "cached" },
  { "cache_write", "cache_write" }, { "cache_write_1h", "cache_write_1h" },
  { "input_audio", "audio" } }

-- The shortest text that reads back as the same number.
local function number(n)
  if math.type(n) == "integer" or n % 1 == 0 then return ("%d"):format(n) end
  for digits = 6, 17 do
    local text = ("%." .. digits .. "g"):format(n)
    if tonumber(text) == n then return text end
  end
end

-- A thinking answer of DashScope costs the other price as a whole; elsewhere it is the
-- price of the reasoning tokens alone.
local function add_rates(out, rates, provider)
  for _, pair in ipairs(RATES) do
    local n = rates[pair[1]]
    if n then out[#out + 1] = pair[2] .. " = " .. number(n) end
  end
  if rates.output_reasoning then
    out[#out + 1] = (provider:find("^dashscope") and "thinking = " or "reasoning = ")
      .. number(rates.output_reasoning)
  end
  return out
end

-- What holds only sometimes, as pieces of text; of several that hold the last counts.
local function bands_of(model)
  local bands, provider = {}, model.provider
  local function add(condition, rates)
    local pieces = add_rates({ "{ " .. condition }, rates, provider)
    pieces[#pieces] = pieces[#pieces] .. " }"
    table.move(pieces, 1, #pieces, #bands + 1, bands)
  end
  for _, later in ipairs(model.scheduled or {}) do
    add(('since = "%s"'):format(later.from_date), later)
  end
  local tiers = model.usd_per_million_tokens.tiers or {}
  table.sort(tiers, function(x, y) return x.above_input_tokens < y.above_input_tokens end)
  for _, tier in ipairs(tiers) do add("above = " .. number(tier.above_input_tokens), tier) end
  for _, hours in ipairs(model.time_of_day or {}) do
    add(('from = "%s", to = "%s"'):format(hours.utc_from:sub(1, 5), hours.utc_to:sub(1, 5)),
      hours)
  end
  return bands
end

local function caps_of(model)
  local caps = {}
  if model.mode ~= "chat" then caps[1] = ("%q"):format(model.mode) end
  for _, cap in ipairs(model.capabilities or {}) do caps[#caps + 1] = ("%q"):format(cap) end
  return caps
end

local function fields_of(model, date)
  local fields = add_rates({}, model.usd_per_million_tokens, model.provider)
  local bands = bands_of(model)
  for i, one in ipairs(bands) do
    fields[#fields + 1] = (i == 1 and "when = { " or "") .. one .. (i == #bands and " }" or "")
  end
  if model.max_context_tokens then
    fields[#fields + 1] = "context = " .. number(model.max_context_tokens)
  end
  if model.max_output_tokens then
    fields[#fields + 1] = "max_output = " .. number(model.max_output_tokens)
  end
  local caps = caps_of(model)
  if #caps > 0 then fields[#fields + 1] = "caps = { " .. table.concat(caps, ", ") .. " }" end
  if date then fields[#fields + 1] = ('date = "%s"'):format(date) end
  return fields
end

-- Lines of at most 98 columns, broken between fields.
local function row(name, fields)
  local lines, line = {}, ("price %q {"):format(name)
  for i, field in ipairs(fields) do
    local piece = " " .. field .. (i < #fields and "," or " }")
    if #line + #piece > 98 then
      lines[#lines + 1] = line
      line = " " .. piece
    else
      line = line .. piece
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function names_of(model, taken)
  local own = model.provider .. "/" .. model.id
  local names = { own }
  for _, other in ipairs(ALIASES[own] or {}) do names[#names + 1] = other end
  for from, to in pairs(model.provider:find("^dashscope") and DASHED or {}) do
    local other, changed = model.id:gsub(from, to)
    if changed > 0 then names[#names + 1] = model.provider .. "/" .. other end
  end
  local lower = own:lower()
  if lower ~= own and not taken[lower] then names[#names + 1] = lower end
  return names
end

-- --- files -------------------------------------------------------------------------

local function dates_of(sources)
  local dates, newest = {}, ""
  for _, source in ipairs(sources) do
    local date = source.published or source.commit_date
    dates[source.name] = date
    newest = date > newest and date or newest
  end
  return dates, newest
end

local function head(sources, newest)
  local out = { "-- Made by lua/catalog.lua: US dollars per million tokens, before any discount." }
  for _, source in ipairs(sources) do
    out[#out + 1] = ("-- %s, %s, licence %s"):format(source.package or source.repository,
      source.published or source.commit_date, source.licence)
  end
  out[#out + 1] = ("catalog { date = %q }\n"):format(newest)
  return table.concat(out, "\n")
end

-- Of its source; a source that is not listed says its month itself.
local function date_of(model, dates)
  local from = model.price_source or ""
  local month = from:match("%((%d%d%d%d%-%d%d)%)")
  return dates[from] or month and month .. "-01"
end

-- provider -> rows, and the providers in order.
local function rows_of(data, dates, newest)
  local by, order, taken = {}, {}, {}
  for _, model in ipairs(data.models) do taken[model.provider .. "/" .. model.id] = true end
  for _, model in ipairs(data.models) do
    if not by[model.provider] then
      by[model.provider] = {}
      order[#order + 1] = model.provider
    end
    local date = date_of(model, dates)
    local fields = fields_of(model, date ~= newest and date or nil)
    for _, name in ipairs(names_of(model, taken)) do
      table.insert(by[model.provider], row(name, fields))
    end
  end
  table.sort(order)
  return by, order
end

local function main(path, directory)
  local file = assert(io.open(path, "rb"))
  local data = value(file:read("a"), 1)
  file:close()
  local dates, newest = dates_of(data.sources)
  local by, order = rows_of(data, dates, newest)
  local first = head(data.sources, newest)
  if not directory then io.write(first, "\n") end
  for _, provider in ipairs(order) do
    local text = table.concat(by[provider], "\n") .. "\n"
    if directory then
      local out = assert(io.open(("%s/%s.lua"):format(directory, provider), "wb"))
      out:write(first, "\n", text)
      out:close()
    else
      io.write(text)
    end
  end
end

assert(arg[1], "usage: lua5.4 lua/catalog.lua FILE.json [DIRECTORY]")
main(arg[1], arg[2])
