-- The reference (lua/leme/meta.lua) names every public function and field, and
-- no other.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"

local room = world.room { targets = { "a/1" } }
local file = assert(io.open(world.ROOT .. "lua/leme/meta.lua"))
local SOURCE = file:read "a"
file:close()

-- Names declared as `function ${prefix}NAME(`.
local function declared(prefix)
  local names = {}
  for name in SOURCE:gmatch("\nfunction " .. prefix:gsub("%p", "%%%0") .. "([%w_]+)%(") do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function fields_of(class)
  local names, block = {}, SOURCE:match("%-%-%-@class leme%." .. class .. "\n(.-)\n[^-]")
      or SOURCE:match("%-%-%-@class leme%." .. class .. "\n(.-)\n\n")
  for name in (block .. "\n"):gmatch("%-%-%-@field ([%w_]+)") do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function functions(t)
  local names = {}
  for name, value in pairs(t) do
    if type(value) == "function" and not name:find "^__" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local leme = room.require "leme"
local target = room.require "leme.target"

describe("the reference", function()
  local ROWS = {
    { "leme.", leme }, { "leme.pick.", leme.pick }, { "leme.shared.", leme.shared },
    { "leme.json.", leme.json }, { "Target:", target.METHODS },
    { "Request:", room.require("leme.request").METHODS }, { "text.", room.require "leme.text" },
  }
  for _, row in ipairs(ROWS) do
    it("names exactly the functions of " .. row[1], function()
      assert.same(functions(row[2]), declared(row[1]))
    end)
  end

  it("has the same functions in leme.shared.global", function()
    assert.same(declared "leme.shared.", functions(leme.shared.global))
  end)

  it("names exactly the methods of a test's world", function()
    local w = room.route '"a/1"'
    assert.same(functions(getmetatable(w).__index), declared "World:")
  end)

  it("names exactly the fields of an answer", function()
    local names = { table.unpack(room.require("leme.answer").FIELDS) }
    table.sort(names)
    assert.same(names, fields_of "Answer")
  end)

  it("names the live fields of a target", function()
    local names = {}
    for _, name in ipairs(fields_of "Target") do names[name] = true end
    for name in pairs(target.LIVE) do assert.is_true(names[name], name) end
  end)

  it("agrees with the engine's table of errors", function()
    local test, seen = room.require "leme.test", 0
    for line in io.lines(world.ROOT .. "core/errors.h") do
      local name, retry, fallback = line:match("^%s+X%(([%w_]+), .*, ([01]), ([01])%)")
      if name then
        seen = seen + 1
        assert.equal(retry == "1", test.RETRYABLE[name] or false, name)
        assert.equal(fallback == "0", test.HOPELESS[name] or false, name)
      end
    end
    assert.is_true(seen > 35)
  end)
end)
