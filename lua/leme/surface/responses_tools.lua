-- leme.surface.responses_tools: the tools of a /v1/responses request as chat
-- functions, and back: custom tools become functions with one text, tools of a
-- namespace carry its name in theirs. Tools that OpenAI runs itself stay as they are:
-- what becomes of them is each target's matter (leme.dialect.provider_tools). Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local tools = {}

local MAX_NAME = 64

-- The name under which a model sees a tool of a namespace.
function tools.wire_name(namespace, name)
  if not common.filled(namespace) then return name end
  local joined = namespace .. (namespace:sub(-2) == "__" and "" or "__") .. name
  if #joined <= MAX_NAME then return joined end
  return name:sub(1, MAX_NAME - 9) .. "_" .. common.letters(joined, 8)
end

-- All tools a request brings, those among its items too: calls
-- each(tool, namespace, where).
local function walk(body, each)
  local function list(items, where, namespace)
    for i, tool in ipairs(common.table(common.given(items))) do
      local at = ("%s[%d]"):format(where, i - 1)
      if common.table(tool).type == "namespace" then
        list(tool.tools, at .. ".tools", common.text(tool.name))
      else
        each(tool, namespace, at)
      end
    end
  end
  list(body.tools, "tools")
  local input = common.given(body.input)
  for i, item in ipairs(type(input) == "table" and input or {}) do
    local kind = common.table(item).type
    if kind == "additional_tools" or kind == "tool_search_output" then
      list(item.tools, ("input[%d].tools"):format(i - 1))
    end
  end
end

-- Which tool of the client a model means: name -> { name, namespace, custom }.
function tools.known(body)
  local map = {}
  walk(common.table(body), function(tool, namespace)
    tool = common.table(tool)
    local name = common.filled(tool.name)
    if name then
      map[tools.wire_name(namespace, name)] = { name = name, namespace = namespace,
        custom = tool.type == "custom" }
    end
  end)
  return map
end

local function custom_function(tool)
  local format = common.table(common.given(tool.format))
  local text = common.text(tool.description) or ""
  local wanted = "The whole input as plain text."
  if format.type == "grammar" then
    wanted = "The whole input as plain text that this " .. (common.text(format.syntax) or "")
      .. " grammar accepts:\n" .. (common.text(format.definition) or "")
  end
  return { name = tool.name, description = text, parameters = { type = "object",
    properties = { input = { type = "string", description = wanted } },
    required = host.array { "input" }, additionalProperties = false } }
end

local function plain_function(tool)
  return { name = tool.name, description = common.text(tool.description),
    parameters = common.given(tool.parameters), strict = tool.strict == true or nil }
end

-- -> list for a chat request; reader:bad and reader:note tell the rest.
function tools.read(body, reader)
  local out, seen = host.array {}, {}
  walk(body, function(tool, namespace, where)
    local kind = common.text(common.table(tool).type)
    local make = kind == "function" and plain_function or kind == "custom" and custom_function
    if not kind then
      reader:bad(where, "expected an object with a type")
    elseif not make then
      out[#out + 1] = tool
    elseif not common.filled(tool.name) then
      reader:bad(where, "expected a name")
    else
      local made = make(tool)
      made.name = tools.wire_name(namespace, tool.name)
      if not seen[made.name] then out[#out + 1] = { type = "function", ["function"] = made } end
      seen[made.name] = true
    end
  end)
  return out
end

local function named(choice)
  return { type = "function", ["function"] = {
    name = tools.wire_name(common.given(choice.namespace), choice.name) } }
end

-- tool_choice of a chat request.
function tools.choice(body, reader)
  local choice = common.given(body.tool_choice)
  if choice == nil or type(choice) == "string" then return choice end
  choice = common.table(choice)
  if (choice.type == "function" or choice.type == "custom") and common.filled(choice.name) then
    return named(choice)
  end
  if choice.type ~= "allowed_tools" then
    if not common.filled(choice.type) then
      reader:bad("tool_choice", "expected an object with a type")
    end
    return choice
  end
  local list = host.array {}
  for _, tool in ipairs(common.table(common.given(choice.tools))) do
    if common.filled(common.table(tool).name) then list[#list + 1] = named(tool) end
  end
  return { type = "allowed_tools", allowed_tools = { mode = choice.mode, tools = list } }
end

-- Arguments of a function that stands for a custom tool, and what they say.
function tools.wrap(input)
  return host.encode { input = common.text(input) or "" }
end

function tools.unwrap(text)
  local said = host.decode(text)
  if type(said) == "table" and type(said.input) == "string" then return said.input end
  return text
end

return tools
