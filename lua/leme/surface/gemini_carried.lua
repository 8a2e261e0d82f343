-- leme.surface.gemini_carried: what only Google understands of a Gemini client's
-- request. It travels where Google's dialect looks for it and is taken out, with a
-- note, before any other provider sees the request. What must come back with the
-- next turn travels to the client and back as a thought signature. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local base64 = require "leme.base64"
local carrier = require "leme.surface.carrier"

local carried = {}

-- --- signatures ----------------------------------------------------------------------------

-- Clients send signatures back as they came; some read them as base64 first.
function carried.sign(known)
  return base64.encode(carrier.pack(known))
end

local OURS = base64.encode "leme1."

-- -> what was signed here; nil when the signature is Google's own.
function carried.unsign(signature)
  if signature:sub(1, #OURS) ~= OURS then return nil end
  return carrier.unpack(base64.decode(signature)) or {}
end

-- --- what others are not sent ------------------------------------------------------------

-- The names of what stands under extra_body.google, sections by their members.
local function names_of(google)
  local names = {}
  for key, value in pairs(google) do
    if key == "generationConfig" or key == "toolConfig" then
      for inner in pairs(value) do names[#names + 1] = key .. "." .. inner end
    elseif key ~= "thinkingConfig" then
      names[#names + 1] = key
    end
  end
  table.sort(names)
  return names
end

local function without(list, alien, ledger, what)
  local kept = host.array {}
  for _, item in ipairs(list) do
    if type(item) == "table" and alien(item) then
      ledger:drop(what(item), "only Google has it")
    else
      kept[#kept + 1] = item
    end
  end
  return kept
end

-- Google orders the members of an answer by a word that no other schema knows.
local function unordered(node, depth)
  if type(node) ~= "table" or depth > 30 then return end
  if common.is_list(node.propertyOrdering) then node.propertyOrdering = nil end
  for _, key in ipairs { "properties", "anyOf" } do
    for _, inner in pairs(common.table(node[key])) do unordered(inner, depth + 1) end
  end
  unordered(node.items, depth + 1)
end

local function leave_schemas(body)
  for _, tool in ipairs(common.table(body.tools)) do
    unordered(common.table(common.table(tool)["function"]).parameters, 0)
  end
  unordered(common.table(common.table(body.response_format).json_schema).schema, 0)
end

-- What OpenAI's format has a word for that many of its vendors refuse.
local function leave_settings(body, d, ledger)
  if common.given(body.top_k) ~= nil then
    ledger:drop("topK", "OpenAI's format has no top_k")
    body.top_k = nil
  end
  if body.reasoning_effort == "none" and not common.table(d.vendor).think then
    ledger:drop("thinkingBudget 0", "not every model takes an effort of none")
    body.reasoning_effort = nil
  end
end

-- Take all of it out of ${body}, a chat or embeddings request for the dialect ${d};
-- ${ledger} notes or refuses, as the target is set up.
function carried.leave(body, d, ledger)
  local google = common.table(common.table(common.given(body.extra_body)).google)
  for _, name in ipairs(names_of(google)) do ledger:drop(name, "only Google has it") end
  body.extra_body = nil
  if d.wire == "openai" then leave_settings(body, d, ledger) end
  for _, message in ipairs(common.table(common.given(body.messages))) do
    if type(message) == "table" and type(message.content) == "table" then
      message.content = without(message.content, function(part) return part.fileData ~= nil end,
        ledger, function(part) return "the file " .. tostring(part.fileData.fileUri):sub(1, 80) end)
    end
  end
  leave_schemas(body)
end

return carried
