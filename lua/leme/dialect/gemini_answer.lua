-- leme.dialect.gemini_answer: Google's GenerateContentResponse, whole or in events,
-- as OpenAI's completions and chunks. What OpenAI has no word for (code that ran,
-- several signatures) travels in extra_content.google, so that the next request can
-- send the turn as it was. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local chat = require "leme.dialect.chat"
local failure = require "leme.dialect.failure"
local words = require "leme.dialect.gemini_words"

local answer = {}

-- --- finish reasons --------------------------------------------------------------------

local NUMBERS = { "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST",
  "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL" }

local function reason_of(value)
  if type(value) == "number" then return NUMBERS[value] or "OTHER" end
  if common.filled(value) and value ~= "FINISH_REASON_UNSPECIFIED" then return value end
end

local function finish_of(choice)
  local finish = words.finish[choice.reason] or "stop"
  if finish == "stop" and #choice.calls > 0 then return "tool_calls" end
  return finish
end

-- --- arguments that come in pieces -----------------------------------------------------

-- "$.a[0]['b c']" -> { "a", 1, "b c" }: indices count from 1 here.
local function keys_of(path)
  local keys, at = {}, path:sub(1, 1) == "$" and 2 or 1
  while at <= #path do
    local _, last, index = path:find("^%[(%d+)%]", at)
    if index then
      keys[#keys + 1] = math.min(math.tointeger(tonumber(index)) or 0, 10000) + 1
    else
      local name
      _, last, name = path:find("^%[['\"](.-)['\"]%]", at)
      if not name then _, last, name = path:find("^%.?([^.%[]+)", at) end
      if not name then break end
      keys[#keys + 1] = name
    end
    at = last + 1
  end
  return keys
end

local function container_for(key)
  return type(key) == "number" and host.array {} or {}
end

local function put(tree, path, value, append)
  local keys = keys_of(path)
  if #keys == 0 or type(keys[1]) == "number" then return end
  for i = 1, #keys - 1 do
    local key = keys[i]
    if type(tree[key]) ~= "table" then tree[key] = container_for(keys[i + 1]) end
    for hole = #tree + 1, type(key) == "number" and key - 1 or 0 do tree[hole] = host.null end
    tree = tree[key]
  end
  local key = keys[#keys]
  for hole = #tree + 1, type(key) == "number" and key - 1 or 0 do tree[hole] = host.null end
  local present = tree[key]
  if append and type(present) == "string" and type(value) == "string" then
    value = present .. value
  end
  tree[key] = value
end

local function value_of(piece)
  for _, key in ipairs { "stringValue", "numberValue", "boolValue" } do
    if common.given(piece[key]) ~= nil then return piece[key] end
  end
  return host.null
end

local function add_pieces(call, pieces)
  for _, piece in ipairs(common.table(common.given(pieces))) do
    local path = common.text(common.table(piece).jsonPath)
    if path then
      put(call.args, path, value_of(piece), call.open[path])
      call.open[path] = piece.willContinue == true
    end
  end
end

-- --- one candidate ---------------------------------------------------------------------

local Choice = {}
Choice.__index = Choice

local function new_choice(index, facts)
  return setmetatable({ index = index, text = {}, reasoning = {}, calls = {}, images = {},
    annotations = {}, citations = {}, parts = host.array {}, facts = facts }, Choice)
end

-- sink: takes what a part gives as soon as it is known; nil for a whole answer.
function Choice:say(kind, delta, value)
  self[kind][#self[kind] + 1] = value
  self.spoke = true
  if self.sink then self.sink:delta(delta, self.index) end
end

local function id_of(choice, call)
  local seed = table.concat({ tostring(choice.answer_id or host.wall()), choice.index,
    #choice.calls, call.name }, "/")
  return common.filled(call.id) or "call_" .. common.letters(seed, 24)
end

function Choice:close_call()
  local call = self.pending
  if not call then return end
  self.pending = nil
  self.spoke = true
  local renamed = common.table(self.facts.renamed)
  local made = { id = id_of(self, call), name = renamed[call.name] or call.name,
    arguments = host.encode(call.args),
    extra = call.signature and { google = { thought_signature = call.signature } } or nil }
  self.calls[#self.calls + 1] = made
  if self.sink then
    self.sink:call(#self.calls - 1, made.id, made.name, made.arguments, self.index, made.extra)
  end
end

function Choice:call(part, said)
  if common.filled(said.name) then
    self:close_call()
    local args = type(said.args) == "table" and said.args or {}
    self.pending = { name = said.name, id = said.id, open = {}, args = common.with(args, {}),
      signature = common.filled(part.thoughtSignature) }
  end
  if not self.pending then return end
  add_pieces(self.pending, said.partialArgs)
  if said.willContinue ~= true then self:close_call() end
end

function Choice:part(part)
  local text, said = common.text(part.text), part.functionCall
  if type(said) == "table" then
    self:call(part, said)
    if said.willContinue == nil and not said.partialArgs then self:keep(part) end
    return
  end
  self:keep(part)
  if common.filled(text) then
    if part.thought == true then
      self:say("reasoning", { reasoning_content = text }, text)
    else
      self:say("text", { content = text }, text)
    end
  end
  local data = common.table(part.inlineData)
  if common.filled(data.data) and part.thought ~= true then
    local image = { type = "image_url", image_url = {
      url = "data:" .. (common.text(data.mimeType) or "image/png") .. ";base64," .. data.data } }
    self:say("images", { images = host.array { image } }, image)
  end
end

-- Does the turn need its parts as they were? The signature of a text goes with the
-- message, that of a call with the call.
function Choice:keep(part)
  self.parts[#self.parts + 1] = part
  local signature = common.filled(part.thoughtSignature)
  if part.functionCall then
    self.called = true
  elseif common.text(part.text) then
    if signature and (self.signature or self.called) then self.foreign = true end
    if not part.thought then self.signature = signature or self.signature end
  elseif next(part) ~= nil and part.inlineData == nil then
    self.foreign = true
  end
end

local function annotation(uri, title, from, to)
  return { type = "url_citation", url_citation = { url = uri, title = common.text(title) or "",
    start_index = from, end_index = to } }
end

-- Google counts bytes, OpenAI characters.
local function characters(text, bytes)
  bytes = math.min(common.count(bytes) or 0, #text)
  return utf8.len(text, 1, bytes, true) and common.length(text:sub(1, bytes)) or bytes
end

function Choice:cite(candidate)
  local grounds = common.table(common.given(candidate.groundingMetadata))
  local chunks = common.table(grounds.groundingChunks)
  local text = common.join(self.text)
  for _, support in ipairs(common.table(grounds.groundingSupports)) do
    support = common.table(support)
    local segment = common.table(support.segment)
    for _, at in ipairs(common.table(support.groundingChunkIndices)) do
      local chunk = common.table(chunks[(common.count(at) or -1) + 1])
      local web = common.table(chunk.web or chunk.retrievedContext or chunk.maps)
      if common.filled(web.uri) then
        self.annotations[#self.annotations + 1] = annotation(web.uri, web.title,
          characters(text, segment.startIndex), characters(text, segment.endIndex))
      end
    end
  end
  local cites = common.table(candidate.citationMetadata)
  for _, cited in ipairs(common.table(common.given(cites.citations) or cites.citationSources)) do
    if common.filled(common.table(cited).uri) then
      self.annotations[#self.annotations + 1] = annotation(cited.uri, cited.title,
        characters(text, cited.startIndex), characters(text, cited.endIndex))
    elseif type(cited) == "table" then
      self.citations[#self.citations + 1] = cited
    end
  end
end

local function logprob(token, more)
  return { token = common.text(token.token) or "", bytes = host.null,
    logprob = common.number(token.logProbability) or 0, top_logprobs = more }
end

local function logprobs_of(result)
  if type(result) ~= "table" then return nil end
  local content = host.array {}
  for i, token in ipairs(common.table(result.chosenCandidates)) do
    local top = host.array {}
    local others = common.table(common.table(result.topCandidates)[i]).candidates
    for j, other in ipairs(common.table(others)) do top[j] = logprob(common.table(other)) end
    content[i] = logprob(common.table(token), top)
  end
  return { content = content, refusal = host.null }
end

function Choice:read(candidate)
  local content = common.table(common.given(candidate.content))
  for _, part in ipairs(common.table(common.given(content.parts))) do
    if type(part) == "table" then self:part(part) end
  end
  self.reason = reason_of(candidate.finishReason) or self.reason
  self.message = common.filled(candidate.finishMessage) or self.message
  local logged = logprobs_of(common.given(candidate.logprobsResult))
  if logged and self.logprobs then
    table.move(logged.content, 1, #logged.content, #self.logprobs.content + 1,
      self.logprobs.content)
  else
    self.logprobs = logged or self.logprobs
  end
  if candidate.groundingMetadata or candidate.citationMetadata then self:cite(candidate) end
end

function Choice:replay()
  if self.foreign then return { google = { parts = self.parts } } end
  if self.signature then return { google = { thought_signature = self.signature } } end
end

-- --- a sequence of responses -----------------------------------------------------------

local Reading = {}
Reading.__index = Reading

local function new_reading(facts, sink)
  return setmetatable({ choices = {}, facts = facts, sink = sink }, Reading)
end

function Reading:choice(index)
  local choice = self.choices[index]
  if not choice then
    choice = new_choice(index, self.facts)
    choice.sink = self.sink
    choice.answer_id = self.id
    self.choices[index] = choice
    self.last = math.max(self.last or 0, index)
  end
  return choice
end

-- Tokens of the prompt that are sound; nil when there are none.
local function sound_of(known)
  local sum
  for _, part in ipairs(common.table(common.given(known.promptTokensDetails))) do
    if common.table(part).modality == "AUDIO" then
      sum = (sum or 0) + (common.count(part.tokenCount) or 0)
    end
  end
  return sum
end

local function usage_of(known)
  local prompt = common.count(known.promptTokenCount)
  if not prompt then return nil end
  local thoughts = common.count(known.thoughtsTokenCount)
  return chat.usage { prompt = prompt + (common.count(known.toolUsePromptTokenCount) or 0),
    completion = (common.count(known.candidatesTokenCount) or 0) + (thoughts or 0),
    total = common.count(known.totalTokenCount), reasoning = thoughts,
    cached = common.count(known.cachedContentTokenCount), audio_in = sound_of(known) }
end

function Reading:add(event)
  self.id = common.filled(event.responseId) or self.id
  self.model = common.filled(event.modelVersion) or self.model
  if self.sink then self.sink:head(self.id, self.model) end
  self.known = common.with(self.known or {}, common.table(common.given(event.usageMetadata)))
  self.usage = usage_of(self.known)
  local candidates = common.table(common.given(event.candidates))
  local counted = false
  for _, candidate in ipairs(candidates) do
    counted = counted or common.count(common.table(candidate).index) ~= nil
  end
  for i, candidate in ipairs(candidates) do
    if type(candidate) == "table" then
      local index = common.count(candidate.index) or counted and 0 or i - 1
      if index < 128 then self:choice(index):read(candidate) end
    end
  end
  local feedback = common.table(common.given(event.promptFeedback))
  local blocked = common.given(feedback.blockReason) or common.given(feedback.blockReasonMessage)
  if blocked and #candidates == 0 then
    self.blocked = common.filled(feedback.blockReasonMessage)
      or "The prompt was blocked: " .. tostring(blocked)
  end
end

-- Error type and message of an answer that says nothing.
function Reading:fault()
  if self.blocked then return "provider_content_filtered", self.blocked end
  local why, message = "provider_bad_response", "the answer has no candidates"
  for index = 0, self.last or -1 do
    local choice = self.choices[index]
    if choice then
      choice:close_call()
      local finish = words.finish[choice.reason]
      if choice.spoke or (finish and finish ~= "content_filter") then return nil end
      message = choice.message or "the answer is empty: " .. (choice.reason or "no reason given")
      if finish == "content_filter" then why = "provider_content_filtered" end
    end
  end
  return why, message
end

-- Was the stream cut? Every server that names its model or answer says why it ended.
function Reading:cut()
  for _, choice in pairs(self.choices) do
    if choice.reason then return false end
  end
  return self.id ~= nil or self.model ~= nil
end

-- --- a whole answer --------------------------------------------------------------------

function answer.read(text, facts)
  local body = host.decode(text)
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  local reading = new_reading(facts)
  for _, event in ipairs(common.is_list(body) and body or { body }) do
    if type(event) == "table" then
      if common.given(event.error) then return nil, failure.read(200, text) end
      reading:add(event)
    end
  end
  local why, message = reading:fault()
  if why then return nil, why, message end
  local list = {}
  for index = 0, reading.last do
    local choice = reading:choice(index)
    choice.extra = choice:replay()
    list[index + 1] = { message = chat.message(choice), finish = finish_of(choice),
      native = choice.reason, logprobs = choice.logprobs }
  end
  return chat.completion({ functions = facts.functions, id = reading.id,
    model = reading.model or facts.model }, list, reading.usage)
end

-- --- a stream of events ----------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

function answer.stream(facts)
  local out = chat.writer(facts)
  return setmetatable({ out = out, reading = new_reading(facts, out) }, Stream)
end

function Stream:event(_, data)
  if self.done or common.blank(data) then return host.array {} end
  if data == "[DONE]" then
    self.done = true
    return host.array {}
  end
  local event = host.decode(data)
  if common.is_list(event) then event = event[1] end
  if type(event) ~= "table" then
    return nil, "provider_bad_response", "an event is no JSON object"
  end
  if common.given(event.error) then return nil, failure.read(200, data) end
  self.reading:add(event)
  return host.array(self.out:take())
end

function Stream:counted() return self.reading.usage end

function Stream:finish()
  if self.ended then return host.array {} end
  local why, message = self.reading:fault()
  if why then return nil, why, message end
  if self.reading:cut() then
    return nil, "provider_cut_stream", "the stream ended before the answer did"
  end
  self.ended, self.done = true, true
  for index = 0, self.reading.last do
    local choice = self.reading:choice(index)
    for _, key in ipairs { "annotations", "citations" } do
      if #choice[key] > 0 then self.out:delta({ [key] = host.array(choice[key]) }, index) end
    end
    if choice.logprobs then self.out:delta({}, index, choice.logprobs) end
    local extra = choice:replay()
    if extra then self.out:delta({ extra_content = extra }, index) end
    self.out:finish(finish_of(choice), choice.reason, index)
  end
  self.out:usage(self.reading.usage)
  return host.array(self.out:take())
end

-- --- embeddings ------------------------------------------------------------------------

local function values_of(item)
  item = common.table(item)
  local held = common.table(item.embeddings or item.embedding)
  return item.values or held.values, common.count(common.table(held.statistics).token_count)
end

function answer.embedded(text, facts)
  local body = host.decode(text)
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  if common.given(body.error) then return nil, failure.read(200, text) end
  local data = host.array {}
  local tokens = common.count(common.table(body.usageMetadata).promptTokenCount)
  local list = common.given(body.embeddings) or common.given(body.predictions)
    or { { embedding = body.embedding } }
  for i, item in ipairs(common.table(list)) do
    local values, count = values_of(item)
    if type(values) ~= "table" then
      return nil, "provider_bad_response", "an embedding has no values"
    end
    if count then tokens = (tokens or 0) + count end
    data[i] = { object = "embedding", index = i - 1, embedding = values }
  end
  if #data == 0 then return nil, "provider_bad_response", "the answer has no embeddings" end
  return { object = "list", model = facts.model or "", data = data,
    usage = tokens and { prompt_tokens = tokens, total_tokens = tokens } or nil }
end

return answer
