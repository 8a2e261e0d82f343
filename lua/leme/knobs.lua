-- leme.knobs: declared settings of a policy, checked when it is loaded.
--   knobs = { share = { default = 0.05, min = 0, max = 1, text = "of traffic" },
--             key = "x-session-id" }                 -- shorthand: only a default
-- A knob's type is that of its default, or `type`; without a default it must be
-- given. `choices` lists what a string may be.

local context = require "leme.context"

local knobs = {}

local WORDS = { default = true, min = true, max = true, text = true, type = true,
  choices = true }

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

-- { default =, ... } of a declaration or of a bare default.
local function declaration(name, said)
  if type(said) ~= "table" then return { default = said } end
  local words, others = 0, nil
  for key in pairs(said) do
    if WORDS[key] then words = words + 1 else others = key end
  end
  if words == 0 then return { default = said } end
  if others ~= nil then
    context.blame(("knob %q: unknown key %q (expected default min max text type choices)"):format(
      name, tostring(others)))
  end
  return said
end

local function check(file, name, declared, value)
  local function bad(expected)
    error(("%s: knob %q is %s, expected %s"):format(file, name,
      context.describe(value), expected), 0)
  end
  local kind = declared.type or type(declared.default)
  if kind ~= "nil" and type(value) ~= kind then bad("a " .. kind) end
  if type(value) == "number" then
    if value ~= value then bad("a number") end
    local low, high = declared.min, declared.max
    if (low and value < low) or (high and value > high) then
      if low and high then bad(("%s to %s"):format(low, high)) end
      bad(low and "at least " .. low or "at most " .. high)
    end
  end
  if declared.choices then
    for i = 1, #declared.choices do
      if declared.choices[i] == value then return end
    end
    bad("one of " .. table.concat(declared.choices, " "))
  end
end

-- The values of this generation: the declaration's defaults under ${given}, the
-- configuration's.
function knobs.merge(file, declared, given)
  declared, given = declared or {}, given or {}
  local names = sorted_keys(declared)
  for _, name in ipairs(sorted_keys(given)) do
    if declared[name] == nil then
      error(("%s: unknown knob %q = %s (%s)%s"):format(file, name,
        context.describe(given[name]),
        #names > 0 and "this policy has: " .. table.concat(names, " ")
        or "this policy declares none; declare it in leme.policy { knobs = ... }",
        context.hint(name, names)), 0)
    end
  end
  local values = {}
  for _, name in ipairs(names) do
    local said = declaration(name, declared[name])
    local value = given[name]
    if value == nil then value = said.default end
    if value == nil then
      error(("%s: knob %q has no default: set it in the configuration%s"):format(file, name,
        said.text and " (" .. said.text .. ")" or ""), 0)
    end
    check(file, name, said, value)
    values[name] = value
  end
  return values
end

return knobs
