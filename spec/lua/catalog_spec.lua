-- The generator of price lists: what a row becomes, and that the committed lists are
-- what it makes of the data they name.
package.path = "./spec/lua/?.lua;" .. package.path
local ROOT = require("world").ROOT

local DATA = ROOT .. "../shared/data/model_prices.json"
local LISTS = ROOT .. "lua/leme/prices/"

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function run(...)
  local words = { "lua5.4", ROOT .. "lua/catalog.lua", ... }
  for i, word in ipairs(words) do words[i] = "'" .. word .. "'" end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local text = pipe:read "a"
  return text, pipe:close()
end

-- Rows made of ${models}, a JSON text.
local function rows(models)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write('{"sources": [{"name": "s", "package": "list 1", "published": "2026-09-23",'
    .. ' "licence": "MIT"}, {"name": "old", "repository": "a/b", "commit_date":'
    .. ' "2026-07-02", "licence": "MIT"}], "models": ', models, "}")
  file:close()
  local text, fine = run(path)
  os.remove(path)
  return text, fine
end

local function row(model)
  local text = rows("[" .. model .. "]")
  return text:match "\n\n(price .*)\n$" or text
end

describe("a price list", function()
  it("names its sources, their days and licences", function()
    assert.equal("-- Made by lua/catalog.lua: US dollars per million tokens, before any"
      .. " discount.\n-- list 1, 2026-09-23, licence MIT\n-- a/b, 2026-07-02, licence MIT\n"
      .. 'catalog { date = "2026-09-23" }\n\n', (rows "[]"))
  end)

  local ROWS = {
    { "what is not said stays unsaid", [[{"id": "e", "provider": "p", "mode": "embedding",
      "usd_per_million_tokens": {"input": 0.13}, "price_source": "s"}]],
      'price "p/e" { input = 0.13, caps = { "embedding" } }' },
    { "nothing is free but what is", [[{"id": "e", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 0, "output": 0.0}, "price_source": "s"}]],
      'price "p/e" { input = 0, output = 0 }' },
    { "a row of an older source has its day", [[{"id": "e", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 1e0}, "price_source": "old"}]],
      'price "p/e" { input = 1, date = "2026-07-02" }' },
    { "limits and capabilities", [[{"id": "e", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 1}, "max_context_tokens": 1000000,
      "max_output_tokens": 8, "capabilities": ["tools", "pdf"], "price_source": "s"}]],
      'price "p/e" { input = 1, context = 1000000, max_output = 8, caps = { "tools", "pdf" } }' },
    { "tiers in their order", [[{"id": "e", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 1, "tiers": [{"above_input_tokens": 20, "input": 3},
      {"above_input_tokens": 10, "input": 2}]}, "price_source": "s"}]],
      'price "p/e" { input = 1, when = { { above = 10, input = 2 }, { above = 20, input = 3 } } }' },
    { "days and hours", [[{"id": "e", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 1}, "scheduled": [{"from_date": "2027-01-01", "input": 2}],
      "time_of_day": [{"utc_from": "01:00:00", "utc_to": "04:30:00", "input": 3}],
      "price_source": "s"}]],
      'price "p/e" { input = 1, when = { { since = "2027-01-01", input = 2 },'
      .. '\n  { from = "01:00", to = "04:30", input = 3 } } }' },
    { "every rate", [[{"id": "e", "provider": "p", "mode": "chat", "usd_per_million_tokens":
      {"input": 1, "output": 2, "cache_read": 3, "cache_write": 4, "cache_write_1h": 5,
      "input_audio": 6, "output_reasoning": 7}, "price_source": "s"}]],
      'price "p/e" { input = 1, output = 2, cached = 3, cache_write = 4, cache_write_1h = 5,'
      .. ' audio = 6,\n  reasoning = 7 }' },
    { "thinking of DashScope", [[{"id": "e", "provider": "dashscope-intl", "mode": "chat",
      "usd_per_million_tokens": {"input": 1, "output_reasoning": 7}, "price_source": "s"}]],
      'price "dashscope-intl/e" { input = 1, thinking = 7 }' },
    { "names with escapes", [[{"id": "a\u002d\\\"b\/bc", "provider": "p", "mode": "chat",
      "usd_per_million_tokens": {"input": 1}, "price_source": "s"}]],
      [[price "p/a-\\\"b/bc" { input = 1 }]] },
    { "a name served in lower case", [[{"id": "GLM-9", "provider": "zai", "mode": "chat",
      "usd_per_million_tokens": {"input": 1}, "price_source": "s"}]],
      'price "zai/GLM-9" { input = 1 }\nprice "zai/glm-9" { input = 1 }' },
  }
  for _, case in ipairs(ROWS) do
    it("says " .. case[1], function() assert.equal(case[3], row(case[2])) end)
  end

  it("is not made of what is no JSON", function()
    local text, fine = rows '[{"id": "e"'
    assert.falsy(fine)
    assert.matches("not JSON", text)
  end)
end)

describe("the committed price lists", function()
  local data = io.open(DATA)
  if data then data:close() end
  local names = {}
  for path in io.popen("ls '" .. LISTS .. "'"):lines() do names[#names + 1] = path end

  it("are there, each with its licence", function()
    assert.is_true(#names >= 14)
    for _, name in ipairs(names) do assert.matches("licence MIT\n", text_of(LISTS .. name)) end
  end)

  it("are what the generator makes of the data, byte for byte", function()
    if not data then return pending("there is no " .. DATA .. " to make them from") end
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir '" .. folder .. "'"))
    local said, fine = run(DATA, folder)
    local made = {}
    for name in io.popen("ls '" .. folder .. "'"):lines() do made[#made + 1] = name end
    assert.is_true(fine, said)
    assert.same(names, made)
    for _, name in ipairs(names) do
      assert.equal(text_of(LISTS .. name), text_of(folder .. "/" .. name))
    end
    os.execute("rm -r '" .. folder .. "'")
  end)
end)
