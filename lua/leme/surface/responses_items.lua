-- leme.surface.responses_items: blocks of an answer as output items of the Responses
-- API, whole or as they stand when they begin. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local blocks = require "leme.surface.blocks"
local carrier = require "leme.surface.carrier"
local tools = require "leme.surface.responses_tools"

local items = {}

-- Ids depend on the request's and the place alone.
function items.id(prefix, ctx, n)
  return prefix .. "_" .. common.letters(("%s/%s/%d"):format(ctx.id or "", prefix, n), 32)
end

-- --- parts of a message ----------------------------------------------------------------------

function items.logprobs(list)
  local out = host.array {}
  for i, one in ipairs(common.table(list)) do
    local top = host.array {}
    one = common.table(one)
    for k, other in ipairs(common.table(common.given(one.top_logprobs))) do
      other = common.table(other)
      top[k] = { token = other.token, logprob = other.logprob,
        bytes = common.given(other.bytes) or host.array {} }
    end
    out[i] = { token = one.token, logprob = one.logprob, top_logprobs = top,
      bytes = common.given(one.bytes) or host.array {} }
  end
  return out
end

-- Chat nests what a citation says; here it lies flat.
local function annotations(block)
  local out = host.array {}
  for _, annotation in ipairs(block.annotations or {}) do
    local url = common.table(common.table(annotation).url_citation)
    if common.filled(url.url) then
      out[#out + 1] = { type = "url_citation", url = url.url, title = common.text(url.title) or "",
        start_index = common.count(url.start_index) or 0,
        end_index = common.count(url.end_index) or 0 }
    end
  end
  return out
end

function items.part(block)
  local text = blocks.text(block)
  if block.kind == "refusal" then return { type = "refusal", refusal = text } end
  return { type = "output_text", text = text, annotations = annotations(block),
    logprobs = items.logprobs(block.logprobs) }
end

-- --- items -----------------------------------------------------------------------------------

local Maker = {}
Maker.__index = Maker

-- Makes the items of one response, each with a new id.
function items.maker(ctx)
  local request = common.table(ctx.request)
  local reasoning = common.table(common.given(request.reasoning))
  local wish = common.given(reasoning.summary) or common.given(reasoning.generate_summary)
  return setmetatable({ ctx = ctx, made = 0, known = tools.known(request),
    summary = wish ~= nil }, Maker)
end

function Maker:id(prefix)
  self.made = self.made + 1
  return items.id(prefix, self.ctx, self.made)
end

-- Did the client bring the tool as a custom one?
function Maker:custom(block)
  local tool = self.known[block.name]
  return block.custom or (tool and tool.custom) or false
end

-- A reasoning item that shows nothing and brings ${known} back.
function Maker:carried(known)
  return { type = "reasoning", id = self:id "rs", summary = host.array {},
    encrypted_content = carrier.pack(known) }
end

local function thought(self, block, id)
  local item = { type = "reasoning", id = id or self:id "rs", summary = host.array {},
    encrypted_content = block.native and carrier.pack { thinking = block.native } or nil }
  local text = blocks.text(block)
  if text ~= "" and self.summary then
    item.summary[1] = { type = "summary_text", text = text }
  elseif text ~= "" then
    item.content = host.array { { type = "reasoning_text", text = text } }
  end
  return item
end

local function spoken(self, block, id)
  return { type = "message", id = id or self:id "msg", role = "assistant", status = "completed",
    content = host.array { items.part(block) } }
end

local function called(self, block, id)
  local tool = self.known[block.name] or { name = block.name }
  local text = blocks.text(block)
  local item = { call_id = block.id, name = tool.name, namespace = tool.namespace,
    status = "completed" }
  if self:custom(block) then
    item.type, item.id = "custom_tool_call", id or self:id "ctc"
    item.input = block.custom and text or tools.unwrap(text)
    return item
  end
  item.type, item.id = "function_call", id or self:id "fc"
  item.arguments = text ~= "" and text or "{}"
  return item
end

local WHOLE = { thinking = thought, redacted = thought, text = spoken, refusal = spoken,
  call = called }

-- The whole item; ${id} is the one it began with.
function Maker:item(block, id)
  return WHOLE[block.kind](self, block, id)
end

-- The item as it is told when it begins.
function Maker:begun(block)
  local item = WHOLE[block.kind](self, { kind = block.kind, text = "", id = block.id,
    name = block.name, custom = block.custom })
  if item.type == "message" then item.content = host.array {} end
  if item.arguments then item.arguments = "" end
  if item.status then item.status = "in_progress" end
  return item
end

return items
