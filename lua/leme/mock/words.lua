-- leme.mock.words: what a mock says, in no format. The same question gets the same
-- reply. Pure.
--
-- question  said (what the user, or a tool, said last), model, input (tokens), tools
--           (list of { name, parameters }), choice ("none", "required" or { name = }),
--           answered (a tool spoke last), schema or json, max (tokens), stops, thinks
-- reply     pieces and thoughts (lists of words), calls (list of { name, arguments =
--           a table }), finish ("stop", "length", "tool_calls"), input, output and
--           reasoning (tokens)

local host = require "leme.host"

local words = {}

local WORDS_MAX = 400

function words.hash(text)
  local h = 2166136261
  for i = 1, math.min(#text, 65536) do h = ((h ~ text:byte(i)) * 16777619) & 0xffffffff end
  return h
end

-- ${n} characters of ${set} that follow from ${text}.
function words.name(text, n, set)
  set = set or "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  local state, out = words.hash(text), {}
  for i = 1, n do
    state = (state * 1664525 + 1013904223) & 0xffffffff
    local at = (state >> 12) % #set + 1
    out[i] = set:sub(at, at)
  end
  return table.concat(out)
end

function words.tokens(text) return (#text + 3) // 4 end

-- ${text} in pieces of ${n} characters.
function words.slices(text, n)
  local list, from = {}, 1
  while from <= #text do
    local stop = utf8.offset(text, n + 1, from) or #text + 1
    list[#list + 1] = text:sub(from, stop - 1)
    from = stop
  end
  return list
end

function words.is_list(value) return type(value) == "table" and #value > 0 end

function words.given(value)
  if value == host.null then return nil end
  return value
end

-- The texts of a string or a list of parts.
function words.text_of(content)
  if type(content) == "string" then return content end
  if type(content) ~= "table" then return "" end
  local pieces = {}
  for i = 1, #content do
    local part = content[i]
    if type(part) == "string" then pieces[#pieces + 1] = part end
    if type(part) == "table" and type(part.text) == "string" then
      pieces[#pieces + 1] = part.text
    end
  end
  return table.concat(pieces, " ")
end

-- --- a value that fits a JSON schema -----------------------------------------------------

local fitting

local function fitting_object(schema, root, depth)
  local object, names = {}, {}
  for name in pairs(schema.properties or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    object[name] = fitting(schema.properties[name], root, depth + 1)
  end
  return object
end

local function fitting_text(schema)
  local said = ({ date = "2026-01-01", ["date-time"] = "2026-01-01T00:00:00Z",
    email = "mock@example.com", uri = "https://example.com/" })[schema.format] or "example"
  local least = math.min(tonumber(schema.minLength) or 0, 1024)
  while #said < least do said = said .. "x" end
  return type(schema.maxLength) == "number" and said:sub(1, math.tointeger(schema.maxLength))
    or said
end

local function referred(root, ref)
  local place = root
  for name in ref:gsub("^#/?", ""):gmatch("[^/]+") do
    place = type(place) == "table" and place[name] or nil
  end
  return place
end

function fitting(schema, root, depth)
  if type(schema) ~= "table" or depth > 12 then return host.null end
  if type(schema["$ref"]) == "string" then
    return fitting(referred(root, schema["$ref"]), root, depth + 1)
  end
  if schema.const ~= nil then return schema.const end
  if words.is_list(schema.enum) then return schema.enum[1] end
  if words.given(schema.default) ~= nil then return schema.default end
  local choice = schema.anyOf or schema.oneOf or schema.allOf
  if words.is_list(choice) then return fitting(choice[1], root, depth + 1) end
  local kind = words.is_list(schema.type) and schema.type[1] or schema.type
  kind = type(kind) == "string" and kind:lower() or kind
  if kind == "object" or schema.properties then return fitting_object(schema, root, depth) end
  if kind == "array" then return host.array { fitting(schema.items, root, depth + 1) } end
  if kind == "string" then return fitting_text(schema) end
  if kind == "integer" or kind == "number" then return schema.minimum or 1 end
  if kind == "boolean" then return true end
  return host.null
end

function words.fitting(schema)
  schema = words.given(schema) or {}
  return fitting(schema, schema, 0)
end

-- --- what to say -------------------------------------------------------------------------

local CLOSINGS = {
  "I am a mock, so this is all I know, but I say it the same way every time.",
  "No model was asked and nothing was spent.",
  "When you set a key, a real model will take my place.",
}

-- What is looked at of a prompt: they may be of any size.
local HEARD <const> = 65536

local function friendly(said)
  said = said:sub(1, HEARD)
  local heard = said:gsub("%s+", " "):sub(1, 200)
  if heard == "" then heard = "nothing" end
  return ("You said: \"%s\". That is noted. %s"):format(heard,
    CLOSINGS[words.hash(said) % #CLOSINGS + 1])
end

local function named(tools, name)
  for _, tool in ipairs(tools) do
    if tool.name == name then return { tool } end
  end
end

-- The tools to call: the one demanded, or those that the prompt names, or the first
-- when it asks for a tool; none right after a tool has answered.
local function wanted_tools(question)
  local tools, choice = question.tools or {}, question.choice
  if #tools == 0 or choice == "none" then return {} end
  if type(choice) == "table" then return named(tools, choice.name) or {} end
  if question.answered and choice ~= "required" then return {} end
  local lower, list = question.said:sub(1, HEARD):lower(), {}
  for _, tool in ipairs(tools) do
    if lower:find(tool.name:lower(), 1, true) then list[#list + 1] = tool end
  end
  if #list == 0 and (choice == "required" or lower:find "%f[%a]tool%f[%A]") then
    list[1] = tools[1]
  end
  return list
end

-- Text in pieces of a word each, blanks kept, at most ${max} of them.
local function pieces_of(text, max)
  local list = {}
  for piece in text:gmatch("%S+%s*") do
    if #list >= max then return list, true end
    list[#list + 1] = piece
  end
  return list, false
end

local function text_for(question, options)
  if options.text then return options.text end
  if question.schema then return host.encode(words.fitting(question.schema)) end
  if question.json then return host.encode { answer = friendly(question.said) } end
  return friendly(question.said)
end

-- Up to the first of the stops.
local function stopped(text, stops)
  local first
  for _, stop in ipairs(stops or {}) do
    local at = type(stop) == "string" and stop ~= "" and text:find(stop, 1, true)
    if at and (not first or at < first) then first = at end
  end
  return first and text:sub(1, first - 1) or text
end

local function thoughts_about(question, options)
  if not (question.thinks or options.reasoning) then return {} end
  return pieces_of(("They said %d bytes; a mock need not think long about them.")
    :format(#question.said), WORDS_MAX)
end

function words.compose(question, options)
  local reply = { thoughts = thoughts_about(question, options), calls = {}, pieces = {},
    input = question.input, output = 0, finish = "stop" }
  for i, tool in ipairs(wanted_tools(question)) do
    local arguments = words.fitting(tool.parameters)
    reply.calls[i] = { name = tool.name, arguments = type(arguments) == "table" and arguments
      or {} }
    reply.output = reply.output + words.tokens(host.encode(reply.calls[i].arguments))
    reply.finish = "tool_calls"
  end
  if #reply.calls == 0 then
    local max = math.max(1, math.min(tonumber(question.max) or WORDS_MAX, WORDS_MAX))
    local pieces, cut = pieces_of(stopped(text_for(question, options), question.stops), max)
    reply.pieces = pieces
    if cut then reply.finish = "length" end
    reply.output = #reply.pieces
  end
  reply.reasoning = #reply.thoughts
  return reply
end

return words
