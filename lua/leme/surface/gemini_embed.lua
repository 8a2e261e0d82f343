-- leme.surface.gemini_embed: Gemini's embedContent and batchEmbedContents as OpenAI's
-- embeddings, there and back. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local words = require "leme.dialect.gemini_words"
local ledger = require "leme.surface.ledger"

local member = words.member

local embed = { verbs = { embedContent = true, batchEmbedContents = true } }

local Reader = {}
Reader.__index = Reader
Reader.bad = ledger.bad

-- The text of one content.
function Reader:text(item, where)
  local content = common.table(member(item, "content"))
  local given, said = member(content, "parts"), {}
  if common.is_object(given) then given = { given } end
  for i, part in ipairs(common.table(given)) do
    local text = member(common.table(part), "text")
    if type(text) ~= "string" then
      self:bad(("%scontent.parts[%d]"):format(where, i - 1), "only texts can be embedded here")
    else
      said[#said + 1] = text
    end
  end
  if #said == 0 then self:bad(where .. "content", "expected parts with a text") end
  return common.join(said)
end

-- What all items of a batch must agree on, as OpenAI asks once for all.
function Reader:settings(item, where, first)
  local size = common.count(member(item, "outputDimensionality"))
  local google = {}
  for _, name in ipairs { "taskType", "title" } do
    google[name] = common.filled(member(item, name))
  end
  if first and (size ~= first.size or google.taskType ~= first.google.taskType) then
    self:bad(where, "outputDimensionality and taskType must be the same in all requests")
  end
  if first and google.title ~= first.google.title then first.google.title = nil end
  return first or { size = size, google = google }
end

function embed.request(body, ctx)
  if type(body) ~= "table" then
    return nil, "caller_invalid_request", "the body: expected a JSON object"
  end
  local reader = setmetatable({}, Reader)
  local batch = ctx.verb == "batchEmbedContents"
  local list = batch and common.table(member(body, "requests")) or { body }
  if #list == 0 then reader:bad("requests", "expected at least one request") end
  local input, same = host.array {}, nil
  for i, item in ipairs(list) do
    local where = batch and ("requests[%d]."):format(i - 1) or ""
    item = common.table(item)
    input[i] = reader:text(item, where)
    same = reader:settings(item, where, same)
  end
  if reader.broken then return nil, "caller_invalid_request", reader.broken end
  local out = { model = ctx.model, input = input, encoding_format = "float",
    dimensions = same.size }
  if next(same.google) ~= nil then out.extra_body = { google = same.google } end
  return { body = out, stream = false, notes = host.array {} }
end

function embed.answer(answer, ctx)
  local list = host.array {}
  for i, item in ipairs(common.table(common.given(answer.data))) do
    list[i] = { values = common.table(item).embedding }
  end
  local usage = common.table(common.given(answer.usage))
  local count = common.count(usage.prompt_tokens)
  local told = count and { promptTokenCount = count } or nil
  if ctx.verb == "embedContent" then return { embedding = list[1], usageMetadata = told } end
  return { embeddings = list, usageMetadata = told }
end

return embed
