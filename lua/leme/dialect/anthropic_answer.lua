-- leme.dialect.anthropic_answer: Anthropic's messages and events as OpenAI's
-- completions and chunks. Blocks that OpenAI has no word for (server tools, their
-- results, thoughts between calls) travel in extra_content.anthropic.content, so
-- that the next request can send the turn as it was. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local chat = require "leme.dialect.chat"
local failure = require "leme.dialect.failure"
local ipairs, next, setmetatable, type = ipairs, next, setmetatable, type

local answer = {}

local NULL = host.null

local FINISH = { end_turn = "stop", stop_sequence = "stop", pause_turn = "stop",
  max_tokens = "length", model_context_window_exceeded = "length", tool_use = "tool_calls",
  compaction = "stop", refusal = "content_filter" }

local function finish_of(reason, calls)
  local finish = FINISH[reason] or "stop"
  if finish == "stop" and calls > 0 then return "tool_calls" end
  if finish == "tool_calls" and calls == 0 then return "stop" end
  return finish
end

-- Fields of later counts replace those of earlier ones.
local function add_usage(known, usage)
  if type(usage) ~= "table" then return known end
  for key, value in next, usage do
    if known then
      if value ~= NULL then known[key] = value end
    elseif value == NULL then
      usage[key] = nil
    end
  end
  return known or usage
end

local function usage_of(known)
  if not known then return nil end
  local count, within = common.count, common.table
  local read = count(known.cache_read_input_tokens)
  local written = count(known.cache_creation_input_tokens)
  return chat.usage { cached = read, written = written,
    written_1h = count(within(known.cache_creation).ephemeral_1h_input_tokens),
    prompt = (count(known.input_tokens) or 0) + (read or 0) + (written or 0),
    completion = count(known.output_tokens),
    reasoning = count(within(known.output_tokens_details).thinking_tokens),
    searches = count(within(known.server_tool_use).web_search_requests) }
end

local function refusal_of(details)
  return common.filled(common.table(details).explanation) or "The model refused to answer."
end

-- --- what the blocks of one message say ------------------------------------------------

local Said = {}
Said.__index = Said

local function said_of(facts)
  return setmetatable({ text = {}, reasoning = {}, calls = {}, thinking_blocks = {},
    annotations = {}, citations = {}, blocks = {}, spoken = {}, foreign = false,
    json_tool = facts.json_tool }, Said)
end

-- The same of a stream, which sends on what it would otherwise keep.
local function saying(facts)
  return setmetatable({ blocks = {}, spoken = {}, foreign = false, rank = nil,
    json_tool = facts.json_tool }, Said)
end

-- Does a message made of text, thoughts and calls say the same as these blocks?
local RANK = { thinking = 1, redacted_thinking = 1, text = 2, tool_use = 3 }

function Said:keep(block)
  self.blocks[#self.blocks + 1] = block
  local rank = RANK[block.type]
  local caller = block.caller and common.table(block.caller).type
  if not rank or rank < (self.rank or 1) or (caller and caller ~= "direct") then
    self.foreign = true
  end
  self.rank = rank or self.rank
end

-- The member of a message that a citation of its text belongs to, and its item.
local function cite(citation, from, to)
  if type(citation) ~= "table" then return end
  local url = common.filled(citation.url)
  if not url then return "citations", citation end
  return "annotations", { type = "url_citation", url_citation = { url = url,
    start_index = from, title = common.text(citation.title) or "", end_index = to } }
end

-- Characters of the first `n` texts: asked for by citations only.
function Said:place(n) return common.length(table.concat(self.spoken, "", 1, n)) end

local READ = {
  text = function(self, block)
    local text = common.text(block.text) or ""
    local spoken = self.spoken
    spoken[#spoken + 1] = text
    self.text[#self.text + 1] = text
    for _, citation in ipairs(common.table(common.given(block.citations))) do
      local kind, made = cite(citation, self:place(#spoken - 1), self:place(#spoken))
      if kind then self[kind][#self[kind] + 1] = made end
    end
  end,
  thinking = function(self, block)
    self.reasoning[#self.reasoning + 1] = common.text(block.thinking)
    self.thinking_blocks[#self.thinking_blocks + 1] = block
  end,
  redacted_thinking = function(self, block)
    self.thinking_blocks[#self.thinking_blocks + 1] = block
  end,
  tool_use = function(self, block)
    local input = common.arguments(block.input) or {}
    if self.json_tool and block.name == self.json_tool then
      self.text[#self.text + 1] = host.encode(input)
      return
    end
    self.calls[#self.calls + 1] = { id = common.filled(block.id)
      or "call_" .. common.letters(tostring(#self.calls), 24),
      name = common.text(block.name) or "",
      arguments = next(input) == nil and "{}" or host.encode(input) }
  end,
}

function Said:read(block)
  if type(block) ~= "table" then return end
  self:keep(block)
  local read = READ[block.type]
  if read then read(self, block) end
end

function Said:replay()
  if self.foreign and not self.json_tool then
    return { anthropic = { content = host.array(self.blocks) } }
  end
end

function Said:empty()
  return #self.calls == 0 and #self.text == 0
end

-- --- a whole message -------------------------------------------------------------------

function answer.read(text, facts)
  local body = host.decode(text)
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  if body.type == "error" or common.given(body.error) then return nil, failure.read(200, text) end
  if type(body.content) ~= "table" then
    return nil, "provider_bad_response", "the answer has no content"
  end
  local said = said_of(facts)
  for _, block in ipairs(body.content) do said:read(block) end
  local reason = common.text(body.stop_reason)
  if reason == "refusal" then
    if said:empty() then
      return nil, "provider_content_filtered", refusal_of(body.stop_details)
    end
    said.refusal = refusal_of(body.stop_details)
  end
  said.extra = said:replay()
  return chat.completion({ functions = facts.functions, id = common.filled(body.id),
    model = common.filled(body.model) or facts.model },
    { { message = chat.message(said), finish = finish_of(reason, #said.calls), native = reason,
      stopped_by = common.filled(body.stop_sequence) } },
    usage_of(add_usage(nil, common.given(body.usage))))
end

-- --- a stream of events ----------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

function answer.stream(facts)
  return setmetatable({ out = chat.writer(facts), said = saying(facts), open = {}, calls = 0,
    like = nil, like_in = nil, counts = nil, spoke = nil, id = nil, usage = nil, reason = nil,
    done = nil }, Stream)
end

local function cited(open, citation)
  open.cited = open.cited or {}
  open.cited[#open.cited + 1] = citation
end

-- Blocks while they are being sent: { block, pieces, cited, k, from }.
local START = {
  text = function(self, open, block)
    local text, citations = block.text, block.citations
    open.from = #self.said.spoken
    if text ~= "" and common.text(text) then self:text(open, text) end
    if type(citations) == "table" then
      for _, citation in ipairs(citations) do cited(open, citation) end
    end
  end,
  thinking = function(self, open, block)
    if common.filled(block.thinking) then self:thought(open, block.thinking) end
  end,
  tool_use = function(self, open, block)
    if self.said.json_tool and block.name == self.said.json_tool then
      open.json = true
      return
    end
    open.k = self.calls
    self.calls = self.calls + 1
    local id = common.filled(block.id) or "call_" .. common.letters(tostring(open.k), 24)
    self.out:call(open.k, id, common.text(block.name) or "", "")
  end,
}

function Stream:text(open, piece)
  open.pieces[#open.pieces + 1] = piece
  self.said.spoken[#self.said.spoken + 1] = piece
  self.spoke = true
  self.like, self.like_in, self.counts = piece, open, true
  self.out:delta { content = piece }
end

function Stream:thought(open, piece)
  open.pieces[#open.pieces + 1] = piece
  self.like, self.like_in, self.counts = piece, open, false
  self.out:delta { reasoning_content = piece }
end

-- Deltas like the last one were passed on without asking: their texts, joined.
function Stream:said_since(text)
  local open = self.like_in
  open.pieces[#open.pieces + 1] = text
  if self.counts then self.said.spoken[#self.said.spoken + 1] = text end
end

function Stream:json(open, piece)
  if piece == "" then return end
  open.pieces[#open.pieces + 1] = piece
  if open.json then
    self.spoke = true
    self.out:delta { content = piece }
  elseif open.k then
    self.out:arguments(open.k, piece)
  end
end

local DELTA = {
  text_delta = function(self, open, delta)
    if common.filled(delta.text) then self:text(open, delta.text) end
  end,
  thinking_delta = function(self, open, delta)
    if common.filled(delta.thinking) then self:thought(open, delta.thinking) end
  end,
  signature_delta = function(_, open, delta)
    open.signature = (open.signature or "") .. (common.text(delta.signature) or "")
  end,
  input_json_delta = function(self, open, delta)
    self:json(open, common.text(delta.partial_json) or "")
  end,
  citations_delta = function(_, open, delta)
    local citation = common.given(delta.citation)
    if citation ~= nil then cited(open, citation) end
  end,
  compaction_delta = function(_, open, delta)
    if common.filled(delta.content) then open.pieces[#open.pieces + 1] = delta.content end
  end,
}

-- The whole block, for the turn's replay. A text stays in pieces: nearly always it
-- need not be sent again.
local STOP = {
  text = function(self, open, whole)
    whole.text = open.pieces
    if not open.cited then return end
    for _, citation in ipairs(open.cited) do
      local kind, made = cite(citation, self.said:place(open.from or 0),
        self.said:place(#self.said.spoken))
      if kind then self.out:delta { [kind] = host.array { made } } end
    end
    whole.citations = host.array(open.cited)
  end,
  thinking = function(self, open, whole)
    whole.thinking = common.join(open.pieces)
    whole.signature = open.signature or common.text(whole.signature)
    if whole.signature then self.out:delta { thinking_blocks = host.array { whole } } end
  end,
  redacted_thinking = function(self, _, whole)
    self.out:delta { thinking_blocks = host.array { whole } }
  end,
  compaction = function(_, open, whole)
    if #open.pieces > 0 then whole.content = common.join(open.pieces) end
  end,
}

local function stop_input(self, open, whole)
  if #open.pieces > 0 then
    local input = host.decode(common.join(open.pieces))
    whole.input = type(input) == "table" and input or {}
    return
  end
  local input = type(whole.input) == "table" and whole.input or {}
  whole.input = input
  if open.json or open.k then self:json(open, host.encode(input)) end
end

function Stream:start_block(index, block)
  if type(block) ~= "table" then return end
  local open = { block = block, pieces = {}, cited = nil, from = nil, k = nil }
  self.open[index] = open
  local start = START[block.type]
  if start then start(self, open, block) end
end

function Stream:stop_block(index)
  local open = self.open[index]
  if not open then return end
  self.open[index] = nil
  local whole = open.block
  local stop = STOP[whole.type] or (whole.input ~= nil and stop_input)
  if stop then stop(self, open, whole) end
  self.said:keep(whole)
end

-- A message that starts while another one is under way: nothing of it can be taken
-- back once some of it was sent on.
function Stream:begin(event)
  local message = common.table(event.message)
  if self.spoke or self.calls > 0 then
    if message.id == self.id then return end
    return "provider_bad_response", "a second message began inside the first"
  end
  self.id = message.id
  self.open = {}
  self.usage = add_usage(self.usage, common.given(message.usage))
  self.out:head(message.id, message.model)
  self.out:begin(0)
  if common.is_list(message.content) then
    for i, block in ipairs(message.content) do
      self:start_block(-i, block)
      self:stop_block(-i)
    end
  end
  self:stopped(message)
end

function Stream:stopped(said)
  local reason = common.text(said.stop_reason)
  if not reason then return end
  self.reason, self.stop = reason, common.filled(said.stop_sequence)
  if reason == "refusal" then
    if not self.spoke and self.calls == 0 then
      return "provider_content_filtered", refusal_of(said.stop_details)
    end
    self.out:delta { refusal = refusal_of(said.stop_details) }
  end
end

function Stream:replay()
  if not self.said.foreign then return nil end
  for _, block in ipairs(self.said.blocks) do
    if block.type == "text" then block.text = common.join(block.text) end
  end
  return self.said:replay()
end

function Stream:close()
  if next(self.open) ~= nil then
    for index in pairs(self.open) do self:stop_block(index) end
  end
  local extra = not self.out.finished[0] and self:replay()
  if extra then self.out:delta { extra_content = extra } end
  self.out:finish(finish_of(self.reason, self.calls), self.reason, 0, self.stop)
end

local EVENTS = {
  message_start = Stream.begin,
  content_block_start = function(self, event)
    self:start_block(common.count(event.index) or 0, event.content_block)
  end,
  content_block_delta = function(self, event)
    local delta = common.table(event.delta)
    local index = common.count(event.index) or 0
    local read = DELTA[delta.type]
    if not read then return end
    if not self.open[index] then
      self:start_block(index, { type = delta.type == "thinking_delta" and "thinking" or "text" })
    end
    read(self, self.open[index], delta)
  end,
  content_block_stop = function(self, event) self:stop_block(common.count(event.index) or 0) end,
  message_delta = function(self, event)
    self.usage = add_usage(self.usage, common.given(event.usage))
    local word, message = self:stopped(common.table(event.delta))
    if word then return word, message end
    if self.reason then self:close() end
  end,
  message_stop = function(self)
    self:close()
    self.out:usage(usage_of(self.usage))
    self.done = true
  end,
}

function Stream:event(name, data)
  if self.done then return self.out:take() end
  local event = host.decode(data)
  if type(event) ~= "table" then
    if common.blank(data) then return self.out:take() end
    return nil, "provider_bad_response", "an event is no JSON object"
  end
  local kind, fault = event.type, event.error
  if type(kind) ~= "string" then kind = name end
  if kind == "error" or (fault and fault ~= NULL) then return nil, failure.read(200, data) end
  local read = EVENTS[kind]
  if read then
    local word, message = read(self, event)
    if word then return nil, word, message end
  end
  return self.out:take()
end

function Stream:counted() return usage_of(self.usage) end

function Stream:finish()
  if not self.done then
    if not self.out.finished[0] then
      return nil, "provider_cut_stream", "the stream ended before the message did"
    end
    self.out:usage(usage_of(self.usage))
    self.done = true
  end
  return self.out:take()
end

return answer
