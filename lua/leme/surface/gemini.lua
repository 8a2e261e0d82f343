-- leme.surface.gemini: Gemini's generateContent for clients: answers, streams (of
-- events, or one JSON array), embeddings and errors. The request is read by
-- gemini_request. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local words = require "leme.dialect.gemini_words"
local blocks = require "leme.surface.blocks"
local embed = require "leme.surface.gemini_embed"
local parts = require "leme.surface.gemini_parts"

local member = words.member

local gemini = {}

function gemini.request(_, body, ctx)
  if embed.verbs[ctx.verb] then return embed.request(body, ctx) end
  return require("leme.surface.gemini_request")(body, ctx)
end

local function wants_thoughts(ctx)
  local config = common.table(member(common.table(ctx.request), "generationConfig"))
  return member(common.table(member(config, "thinkingConfig")), "includeThoughts") == true
end

-- --- why it ended, and what it cost ----------------------------------------------------------

local REASONS = { length = "MAX_TOKENS", content_filter = "SAFETY" }

-- Google's own word, where it came from Google and still says the same.
local function reason_of(finish, native, refused)
  local same = finish == "tool_calls" and "stop" or finish
  if native and (words.finish[native] == same or words.vague[native] and same == "stop") then
    return native
  end
  return refused and "SAFETY" or REASONS[finish] or "STOP"
end

-- Google counts thoughts apart from what is said. What is not known is not told.
local function usage_of(usage)
  if type(common.given(usage)) ~= "table" then return nil end
  local known = blocks.usage(usage)
  return { promptTokenCount = known.prompt,
    candidatesTokenCount = math.max(known.completion - known.reasoning, 0),
    thoughtsTokenCount = known.reasoning > 0 and known.reasoning or nil,
    cachedContentTokenCount = known.cached > 0 and known.cached or nil,
    totalTokenCount = known.total }
end

local function logprob(token)
  return { token = common.text(token.token) or "",
    logProbability = common.number(token.logprob) or 0 }
end

-- -> logprobsResult, and their mean
local function logprobs_of(logprobs)
  local content = common.table(common.given(logprobs)).content
  if not common.is_list(content) then return nil end
  local chosen, top, sum = host.array {}, host.array {}, 0
  for i, token in ipairs(content) do
    token = common.table(token)
    chosen[i] = logprob(token)
    sum = sum + chosen[i].logProbability
    local list = host.array {}
    for k, other in ipairs(common.table(common.given(token.top_logprobs))) do
      list[k] = logprob(common.table(other))
    end
    top[i] = { candidates = list }
  end
  return { chosenCandidates = chosen, topCandidates = top }, sum / #chosen
end

-- Google counts bytes, OpenAI characters.
local function byte_at(text, characters)
  local at = characters and utf8.offset(text, characters + 1)
  return at and at - 1 or nil
end

local function grounding_of(annotations, text)
  local chunks, supports, known = host.array {}, host.array {}, {}
  for _, annotation in ipairs(common.table(common.given(annotations))) do
    local url = common.table(common.table(annotation).url_citation)
    if common.filled(url.url) then
      if not known[url.url] then
        chunks[#chunks + 1] = { web = { uri = url.url, title = common.text(url.title) } }
        known[url.url] = #chunks
      end
      local from = byte_at(text, common.count(url.start_index))
      local to = byte_at(text, common.count(url.end_index))
      if from and to and from < to then
        supports[#supports + 1] = { groundingChunkIndices = host.array { known[url.url] - 1 },
          segment = { startIndex = from, endIndex = to, text = text:sub(from + 1, to) } }
      end
    end
  end
  if #chunks > 0 then return { groundingChunks = chunks, groundingSupports = supports } end
end

-- --- a whole answer --------------------------------------------------------------------------

local function candidate_of(choice, i, thoughts)
  local message = common.table(choice.message)
  local list, told = parts.of(choice, thoughts)
  local result, mean = logprobs_of(choice.logprobs)
  return { index = common.count(choice.index) or i - 1,
    content = { role = "model", parts = list }, logprobsResult = result, avgLogprobs = mean,
    finishReason = reason_of(common.text(choice.finish_reason),
      common.text(choice.native_finish_reason), told.refused),
    groundingMetadata = grounding_of(message.annotations,
      common.plain(common.given(message.content))) }
end

function gemini.answer(_, answer, ctx)
  if embed.verbs[ctx.verb] then return embed.answer(answer, ctx) end
  local candidates, thoughts = host.array {}, wants_thoughts(ctx)
  for i, choice in ipairs(common.table(common.given(answer.choices))) do
    candidates[i] = candidate_of(common.table(choice), i, thoughts)
  end
  return { candidates = candidates, usageMetadata = usage_of(answer.usage),
    modelVersion = ctx.model or answer.model, responseId = ctx.id }
end

-- --- errors ----------------------------------------------------------------------------------

local STATUSES = { [400] = "INVALID_ARGUMENT", [401] = "UNAUTHENTICATED",
  [402] = "FAILED_PRECONDITION", [403] = "PERMISSION_DENIED", [404] = "NOT_FOUND",
  [408] = "DEADLINE_EXCEEDED", [409] = "ABORTED", [429] = "RESOURCE_EXHAUSTED",
  [499] = "CANCELLED", [501] = "UNIMPLEMENTED", [502] = "UNAVAILABLE", [503] = "UNAVAILABLE",
  [504] = "DEADLINE_EXCEEDED", [529] = "UNAVAILABLE" }

local function error_of(error_type, status, message)
  return { error = { code = status, message = message,
    status = STATUSES[status] or (status < 500 and "INVALID_ARGUMENT" or "INTERNAL"),
    details = host.array { { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo",
      reason = error_type:upper(), domain = "leme", metadata = { error_type = error_type } } } } }
end

-- A prompt that was blocked is no error to Google's clients: an answer without
-- candidates says why.
local function blocked(message, ctx)
  return { promptFeedback = { blockReason = "SAFETY", blockReasonMessage = message },
    modelVersion = ctx.model, responseId = ctx.id }
end

-- --- streams ---------------------------------------------------------------------------------

local ARRAY, EVENTS = "streamGenerateContent", "streamGenerateContent?alt=sse"

local function event_text(value)
  return "data: " .. host.encode(value) .. "\r\n\r\n"
end

local Stream = {}
Stream.__index = Stream

function gemini.stream(_, ctx)
  return setmetatable({ ctx = ctx, array = ctx.verb == ARRAY, thoughts = wants_thoughts(ctx),
    flows = {}, last = 0 }, Stream)
end

function Stream:say(value)
  if not self.array then return event_text(value) end
  local before = self.begun and ",\r\n" or ""
  self.begun = true
  return before .. host.encode(value)
end

function Stream:response(candidates)
  return { candidates = host.array(candidates), modelVersion = self.ctx.model,
    responseId = self.ctx.id }
end

function Stream:start()
  return self.array and "[" or ""
end

function Stream:flow(index)
  if not self.flows[index] then
    self.flows[index] = parts.flow(self.thoughts)
    self.last = math.max(self.last, index)
  end
  return self.flows[index]
end

-- Candidates beyond these are no answer of a provider that was asked for eight.
local MOST = 128

function Stream:event(chunk)
  self.usage = common.given(chunk.usage) or self.usage
  local candidates = {}
  for _, choice in ipairs(common.table(common.given(chunk.choices))) do
    choice = common.table(choice)
    local index = common.count(choice.index) or 0
    if index < MOST then
      local flow = self:flow(index)
      flow:chunk(choice, chunk)
      local list = flow:take()
      if #list > 0 then
        candidates[#candidates + 1] = { index = index, content = { role = "model", parts = list } }
      end
    end
  end
  return #candidates > 0 and self:say(self:response(candidates)) or ""
end

-- Clients keep a turn only when each of its events has a part.
local function last_parts(flow)
  flow:finish()
  local list = flow:take()
  if #list == 0 then list[1] = { text = "" } end
  return list
end

function Stream:finish()
  local candidates = {}
  for index = 0, self.last do
    local flow = self:flow(index)
    local list, row = last_parts(flow), flow.row
    local result, mean = logprobs_of(flow.logprobs)
    candidates[#candidates + 1] = { index = index, content = { role = "model", parts = list },
      finishReason = reason_of(row.finish, row.native, row.refused), logprobsResult = result,
      avgLogprobs = mean, groundingMetadata = grounding_of(flow.annotations, flow.text or "") }
  end
  local response = self:response(candidates)
  response.usageMetadata = usage_of(self.usage)
  return self:say(response) .. (self.array and "]" or "")
end

function Stream:failure(error_type, status, message)
  return self:say(error_of(error_type, status, message)) .. (self.array and "]" or "")
end

-- -> body, headers, status; a body that is text is sent as it is.
function gemini.failure(error_type, status, _, _, message, ctx)
  local verb = ctx.verb
  if error_type ~= "provider_content_filtered" or embed.verbs[verb] then
    local body = error_of(error_type, status, message)
    return verb == ARRAY and host.array { body } or body
  end
  local body = blocked(message, ctx)
  if verb == EVENTS then
    return event_text(body), { ["content-type"] = "text/event-stream" }, 200
  end
  return verb == ARRAY and host.array { body } or body, nil, 200
end

return gemini
