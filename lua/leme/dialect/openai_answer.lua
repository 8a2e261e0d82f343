-- leme.dialect.openai_answer: answers in OpenAI's format with the liberties vendors
-- take, made sound: what a client of OpenAI's own API may rely on holds. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local chat = require "leme.dialect.chat"
local failure = require "leme.dialect.failure"

local answer = {}

local NULL = host.null
local MILLISECONDS = 100000000000

-- --- finish, usage, text ---------------------------------------------------------------

local FINISH = { stop = "stop", length = "length", tool_calls = "tool_calls",
  content_filter = "content_filter", function_call = "function_call", max_tokens = "length",
  model_length = "length", MAX_TOKENS = "length", safety = "content_filter",
  SAFETY = "content_filter", refusal = "content_filter", tool_use = "tool_calls",
  sensitive = "content_filter", model_context_window_exceeded = "length" }

-- Reasons that are failures.
local FAILED = { error = "provider_server_error",
  insufficient_system_resource = "provider_overloaded",
  network_error = "provider_server_error" }

-- Those that are when nothing was said.
local EMPTY = { function_call_filter = "provider_bad_response" }

local function reason_of(value)
  if common.filled(value) and value ~= "null" then return value end
end

-- What ${list} has for a reason; Google's compatible face says "content_filter: SAFETY".
local function known(list, reason)
  return reason and (list[reason] or list[reason:sub(1, 64):match "^([%w_]+): "])
end

local function finish_of(reason, calls, old)
  local finish = known(FINISH, reason) or "stop"
  if finish == "stop" and calls > 0 then return "tool_calls" end
  if finish == "stop" and old then return "function_call" end
  if finish == "tool_calls" and calls == 0 then return old and "function_call" or "stop" end
  return finish
end

local function first_count(...)
  for i = 1, select("#", ...) do
    local n = common.count((select(i, ...)))
    if n then return n end
  end
end

local function add_counts(to, counts)
  for key, value in pairs(counts) do
    if to[key] == nil then to[key] = common.count(value) end
  end
end

-- In OpenAI's terms, with the vendor's own counts beside them.
local function usage_of(usage)
  usage = common.table(common.given(usage))
  local prompt = common.count(usage.prompt_tokens)
  if not prompt then return nil end
  local completion = common.count(usage.completion_tokens) or 0
  local inp = common.table(common.given(usage.prompt_tokens_details))
  local outp = common.table(common.given(usage.completion_tokens_details))
  local total = common.count(usage.total_tokens)
  local reasoning = first_count(outp.reasoning_tokens, usage.reasoning_tokens)
  if reasoning and reasoning > 0 and total == prompt + completion + reasoning then
    completion = completion + reasoning
  end
  local made = chat.usage { prompt = prompt, completion = completion, total = total,
    reasoning = reasoning,
    cached = first_count(inp.cached_tokens, usage.cached_tokens, usage.num_cached_tokens,
      usage.prompt_cache_hit_tokens),
    written = first_count(inp.cache_write_tokens, inp.cache_creation_tokens),
    audio_in = common.count(inp.audio_tokens), audio_out = common.count(outp.audio_tokens) }
  for key, value in pairs(usage) do
    if made[key] == nil and common.given(value) ~= nil then made[key] = value end
  end
  add_counts(made.prompt_tokens_details, inp)
  add_counts(made.completion_tokens_details, outp)
  return made
end

local function find_usage(event, choice)
  return usage_of(event.usage) or usage_of(common.table(choice).usage)
    or usage_of(common.table(common.given(event.x_groq)).usage)
end

local function token_of(said)
  local bytes = common.given(said.bytes)
  local whole = common.is_list(bytes)
  for _, byte in ipairs(whole and bytes or {}) do whole = whole and math.type(byte) == "integer" end
  return { token = common.text(said.token) or "", logprob = common.number(said.logprob) or -9999,
    bytes = whole and bytes or NULL }
end

local function tokens_of(list)
  if type(common.given(list)) ~= "table" then return NULL end
  local made = host.array {}
  for i, said in ipairs(list) do
    said = common.table(said)
    made[i] = token_of(said)
    made[i].top_logprobs = host.array {}
    for j, other in ipairs(common.table(common.given(said.top_logprobs))) do
      made[i].top_logprobs[j] = token_of(common.table(other))
    end
  end
  return made
end

local function logprobs_of(said)
  said = common.given(said)
  if type(said) ~= "table" or next(said) == nil then return nil end
  return { content = tokens_of(said.content), refusal = tokens_of(said.refusal) }
end

local function add_texts(list, parts)
  for _, part in ipairs(common.table(parts)) do
    list[#list + 1] = common.text(common.table(part).text)
  end
end

-- Text and thoughts of a content, a string or an array of parts.
local function content_of(content)
  content = common.given(content)
  if type(content) == "string" then return content, "" end
  local text, thoughts = {}, {}
  for _, part in ipairs(common.table(content)) do
    part = common.table(part)
    if part.type == "thinking" then
      if type(part.thinking) == "string" then
        thoughts[#thoughts + 1] = part.thinking
      else
        add_texts(thoughts, part.thinking)
      end
    elseif part.type == "reasoning" then
      add_texts(thoughts, part.summary)
    else
      text[#text + 1] = common.text(part.text)
    end
  end
  return common.join(text), common.join(thoughts)
end

local function thoughts_of(message)
  return common.filled(message.reasoning_content) or common.filled(message.reasoning)
    or common.text(message.reasoning_text) or ""
end

local function head_of(body, facts)
  local created = common.count(body.created)
  if created and created > MILLISECONDS then created = created // 1000 end
  return { id = common.filled(body.id), created = created and created > 0 and created or nil,
    model = common.filled(body.model) or facts.model }
end

-- Arguments as JSON text of an object where they are one.
local function arguments_text(value)
  if type(value) == "string" and value:sub(1, 64):find "^%s*{" then return value end
  local object = common.arguments(value)
  if object then return host.encode(object) end
  return type(value) == "string" and value or host.encode(value)
end

-- The error in a body or an event: at the top, in a choice, in x_groq; or DashScope's
-- own form, a code and a message where the choices should be, or MiniMax's.
local function has_error(body)
  local own = common.filled(body.code) and common.text(body.message)
    or failure.base_status(body) ~= 0
  if own and common.given(body.choices) == nil then return true end
  if common.filled(body.error) or next(common.table(body.error)) ~= nil then return true end
  return common.given(common.table(common.given(body.x_groq)).error) ~= nil
    or (body.object == "error")
end

-- --- a whole answer --------------------------------------------------------------------

local function call_of(call, at, used)
  local custom = common.given(call.custom)
  local id = common.filled(call.id)
  if not id or used[id] then
    id = "call_" .. common.letters((id or "") .. at .. tostring(host.wall()), 24)
  end
  used[id] = true
  if type(custom) == "table" and common.text(custom.name) and common.text(custom.input) then
    return common.with(call, { id = id, type = "custom" })
  end
  local fn = common.table(call["function"])
  local made = common.with(call, { id = id, type = "function", ["function"] = {
    name = common.text(fn.name) or "", arguments = arguments_text(fn.arguments) } })
  made.index = nil
  return made
end

-- Members of a message that pass on when they hold something.
local EXTRAS = { "annotations", "citations", "audio", "images", "reasoning_details",
  "extra_content", "thinking_blocks", "provider_specific_fields", "context" }

local function cites(annotation)
  local where = common.table(common.table(annotation).url_citation)
  return common.table(annotation).type == "url_citation"
    and common.text(where.url) and common.text(where.title)
    and math.type(where.start_index) == "integer" and math.type(where.end_index) == "integer"
end

-- Some servers fill in every field with an empty value. Annotations that cite no
-- address (OpenRouter's of files) are no annotations of OpenAI's: they get a name of
-- their own, and that name back in the next request.
local function add_extras(made, said)
  for _, key in ipairs(EXTRAS) do
    local value = common.given(said[key])
    if type(value) == "table" and next(value) ~= nil and value.data ~= "" then made[key] = value end
  end
  if not made.annotations then return end
  local cited, others = host.array {}, host.array {}
  for _, one in ipairs(made.annotations) do
    local list = cites(one) and cited or others
    list[#list + 1] = one
  end
  made.annotations = #cited > 0 and cited or nil
  made.file_annotations = #others > 0 and others or nil
end

local function message_of(said)
  local text, thoughts = content_of(said.content)
  thoughts = thoughts .. thoughts_of(said)
  local made, used = { role = "assistant", refusal = common.filled(said.refusal) or NULL }, {}
  for i, call in ipairs(common.table(common.given(said.tool_calls))) do
    made.tool_calls = made.tool_calls or host.array {}
    if type(call) == "table" then
      made.tool_calls[#made.tool_calls + 1] = call_of(call, i, used)
    end
  end
  local old = common.table(common.given(said.function_call))
  if common.filled(old.name) then
    made.function_call = { name = old.name, arguments = arguments_text(old.arguments) }
  end
  add_extras(made, said)
  if thoughts ~= "" then made.reasoning_content = thoughts end
  local audio = made.audio
  if audio and not (common.text(audio.id) and common.text(audio.data)
      and common.text(audio.transcript) and math.type(audio.expires_at) == "integer") then
    made.audio = nil
  end
  local silent = made.tool_calls or made.function_call or made.audio or common.filled(said.refusal)
  made.content = (text ~= "" or not silent) and text or NULL
  return made, text ~= "" or silent ~= nil or thoughts ~= "" or made.images ~= nil
end

-- Members at the top that pass on.
local TOP = { "system_fingerprint", "provider", "citations", "search_results", "service_tier",
  "prompt_filter_results", "timings" }
local TIERS = { auto = true, default = true, flex = true, scale = true, priority = true }

local function add_top(to, body)
  for _, key in ipairs(TOP) do
    local value = common.given(body[key])
    if value ~= nil and (key ~= "service_tier" or TIERS[value])
        and (key ~= "system_fingerprint" or common.text(value)) then
      to[key] = value
    end
  end
  return to
end

local function choice_of(choice, i)
  local message, spoke = message_of(common.table(common.given(choice.message)))
  local reason = reason_of(choice.finish_reason)
  local finish = finish_of(reason, #common.table(message.tool_calls), message.function_call)
  local made = { index = common.count(choice.index) or i - 1, message = message,
    finish_reason = finish, logprobs = logprobs_of(choice.logprobs) or NULL,
    native_finish_reason = common.given(choice.native_finish_reason),
    content_filter_results = common.given(choice.content_filter_results) }
  if reason and reason ~= finish and not made.native_finish_reason then
    made.native_finish_reason = reason
  end
  return made, spoke, reason
end

function answer.read(text, facts)
  local body = host.decode(text)
  if common.is_list(body) then body = body[1] end
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  local choices = common.table(common.given(body.choices))
  if has_error(body) and #choices == 0 then return nil, failure.read(200, text) end
  if #choices == 0 then return nil, "provider_bad_response", "the answer has no choices" end
  local list, usage = host.array {}, find_usage(body, choices[1])
  local filtered, failed, spoke = false, nil, false
  for i, choice in ipairs(choices) do
    local made, said, reason = choice_of(common.table(choice), i)
    if common.given(common.table(choice).error) then reason = "error" end
    filtered = filtered or made.finish_reason == "content_filter"
    failed = failed or known(FAILED, reason) or not said and known(EMPTY, reason)
    spoke = spoke or said
    list[i] = made
  end
  if facts.functions then chat.as_functions(list) end
  if failed then
    local _, message = failure.read(200, text)
    return nil, failed, common.filled(message) or "the provider gave up: " .. failed
  end
  if filtered and not spoke then
    return nil, "provider_content_filtered", "the answer was filtered"
  end
  local head = head_of(body, facts)
  local made = chat.completion(head, {}, usage)
  made.choices = list
  return add_top(made, body)
end

-- --- a stream of chunks ----------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

function answer.stream(facts)
  return setmetatable({ out = chat.writer(facts), facts = facts, choices = {}, used = {} }, Stream)
end

function Stream:choice(index)
  local choice = self.choices[index]
  if not choice then
    choice = { index = index, slots = {}, order = {}, sent = 0 }
    self.choices[index] = choice
  end
  return choice
end

-- Does a piece begin another call than that of ${slot}? It does with a name and another
-- id, with another name, and, where there are no ids, with a name and new arguments
-- behind an object's end: some servers number all calls 0, or not at all.
local function begins_anew(slot, id, name, arguments)
  if not name then return false end
  if id and slot.id then return id ~= slot.id or name ~= slot.name end
  if slot.name and name ~= slot.name then return true end
  return slot.seen.ended and (type(arguments) == "table"
    or type(arguments) == "string" and arguments:sub(1, 64):find "^%s*{")
end

-- Which call a piece belongs to: by its index, by its id, or the newest.
local function slot_of(choice, call, at)
  local fn = common.table(call["function"])
  local id, name = common.filled(call.id), common.filled(fn.name)
  local index, slot = common.count(call.index), nil
  if index then
    slot = choice.slots[index]
  elseif id then
    for _, one in ipairs(choice.order) do
      if one.id == id and (not name or one.name == name) then slot = one end
    end
  else
    slot = choice.order[math.max(#choice.order, at)]
  end
  if slot and begins_anew(slot, id, name, fn.arguments) then slot = nil end
  if not slot then
    slot = { pieces = {}, length = 0, seen = { depth = 0 } }
    choice.slots[index or #choice.order] = slot
    choice.order[#choice.order + 1] = slot
  end
  return slot
end

-- Text of arguments goes on as it comes when it is an object's; anything else is
-- kept back until it is whole.
local function take_arguments(slot, value)
  if value == nil or value == NULL or value == "" then return "" end
  if type(value) ~= "string" then value = host.encode(value) end
  slot.length = slot.length + #value
  common.follow(slot.seen, value)
  if slot.held == nil then
    local head = value:sub(1, 64):match "^%s*(.)" or (#value > 64 and "{")
    if head then slot.held = head ~= "{" end
  end
  if slot.held == false then
    slot.pieces[#slot.pieces + 1] = value
    local whole = common.join(slot.pieces)
    slot.pieces = {}
    return whole
  end
  slot.pieces[#slot.pieces + 1] = value
  return ""
end

-- What of one call can be sent now.
function Stream:piece(choice, call, at)
  local slot = slot_of(choice, call, at)
  local fn = common.table(call["function"])
  slot.id = slot.id or common.filled(call.id)
  slot.name = slot.name or common.filled(fn.name)
  slot.extra = slot.extra or common.given(call.extra_content)
  local text = take_arguments(slot, fn.arguments)
  if not slot.name then
    if text ~= "" then table.insert(slot.pieces, text) end
    return nil
  end
  if slot.k then
    if text == "" then return nil end
    return { index = slot.k, ["function"] = { arguments = text } }
  end
  slot.k = choice.sent
  choice.sent = choice.sent + 1
  local id = slot.id
  if not id or self.used[id] then
    id = "call_" .. common.letters((id or "") .. slot.k .. self.out.id, 24)
  end
  self.used[id] = true
  if slot.held == false and #slot.pieces > 0 then
    text = common.join(slot.pieces) .. text
    slot.pieces = {}
  end
  return { index = slot.k, id = id, type = "function", extra_content = slot.extra,
    ["function"] = { name = slot.name, arguments = text } }
end

-- A call of a custom tool passes as it is, but for its place.
local function custom_piece(_, choice, call, at)
  local slot = slot_of(choice, call, at)
  if not slot.k then
    slot.k, slot.closed = choice.sent, true
    choice.sent = choice.sent + 1
  end
  return common.with(call, { index = slot.k })
end

function Stream:calls(choice, calls)
  local list = host.array {}
  for at, call in ipairs(common.table(common.given(calls))) do
    if type(call) == "table" then
      local custom = common.text(common.table(call.custom).input)
      local read = custom and custom_piece or self.piece
      list[#list + 1] = read(self, choice, call, at)
    end
  end
  if #list == 0 then return nil end
  return list
end

-- What was kept back of a choice's calls.
function Stream:held(choice)
  local list = host.array {}
  for _, slot in ipairs(choice.order) do
    if slot.k and not slot.closed then
      slot.closed = true
      if slot.length == 0 then
        list[#list + 1] = { index = slot.k, ["function"] = { arguments = "{}" } }
      elseif slot.held ~= false then
        local text = arguments_text(common.join(slot.pieces))
        list[#list + 1] = { index = slot.k, ["function"] = { arguments = text } }
      end
    end
  end
  if #list > 0 then self.out:delta({ tool_calls = list }, choice.index) end
end

local function old_function(choice, said)
  local old = common.given(said.function_call)
  if type(old) ~= "table" then return nil end
  choice.old = true
  return { name = not choice.old_named and common.filled(old.name) or nil,
    arguments = common.text(old.arguments) or "" }
end

function Stream:delta_of(choice, said)
  local text, thoughts = content_of(said.content)
  thoughts = thoughts .. thoughts_of(said)
  local delta = { content = text ~= "" and text or nil,
    reasoning_content = thoughts ~= "" and thoughts or nil, refusal = common.filled(said.refusal),
    tool_calls = self:calls(choice, said.tool_calls), function_call = old_function(choice, said) }
  if delta.function_call and delta.function_call.name then choice.old_named = true end
  add_extras(delta, said)
  return delta
end

function Stream:read_choice(choice, said)
  local delta = self:delta_of(choice, common.table(common.given(said.delta)))
  if next(delta) ~= nil then
    choice.spoke = true
    self.spoke = true
  end
  local logprobs = logprobs_of(said.logprobs)
  if next(delta) ~= nil or logprobs then
    self.out:delta(delta, choice.index, logprobs)
  elseif type(common.given(said.delta)) == "table" then
    self.out:begin(choice.index)
  end
  local reason = reason_of(said.finish_reason)
  if not reason then return end
  local failed = known(FAILED, reason) or not choice.spoke and known(EMPTY, reason)
  if failed then return failed end
  if not choice.reason then choice.reason = reason end
  self:close(choice)
end

function Stream:close(choice)
  if self.out.finished[choice.index] then return end
  if choice.sent == 0 and not choice.reason and not choice.spoke then return end
  self:held(choice)
  local finish = finish_of(choice.reason, choice.sent, choice.old)
  self.out:finish(finish, choice.reason ~= finish and choice.reason or nil, choice.index)
end

function Stream:read(event)
  local head = head_of(event, self.facts)
  if not self.headed then
    self.out:head(head.id, head.model, head.created)
    self.headed = head.id ~= nil
  end
  local choices = common.table(common.given(event.choices))
  local usage = find_usage(event, choices[1])
  if usage and (usage.total_tokens > 0 or not self.usage) then self.usage = usage end
  self.out.extras = add_top(self.out.extras or {}, event)
  for i, said in ipairs(choices) do
    said = common.table(said)
    local index = common.count(said.index) or i - 1
    if index < 128 then
      if common.given(said.error) then return "provider_server_error" end
      local failed = self:read_choice(self:choice(index), said)
      if failed then return failed end
    end
  end
end

function Stream:event(name, data)
  if self.done or common.blank(data) then return host.array {} end
  if #data < 16 and data:match "^%s*%[DONE%]%s*$" then
    self.done = true
    return host.array {}
  end
  local event = host.decode(data)
  if common.is_list(event) then event = event[1] end
  if type(event) ~= "table" then
    return nil, "provider_bad_response", "an event is no JSON object"
  end
  if has_error(event) or name == "error" then return nil, failure.read(200, data) end
  local failed = self:read(event)
  if failed then
    local _, message = failure.read(200, data)
    return nil, failed, common.filled(message) or "the provider gave up"
  end
  return host.array(self.out:take())
end

-- Usage may follow the finish reason, so it goes out at the end.
function Stream:finish()
  if self.ended then return host.array {} end
  local any, filtered = false, false
  for index = 0, 127 do
    local choice = self.choices[index]
    if choice then
      if self.done then self:close(choice) end
      any = any or self.out.finished[index] ~= nil
      filtered = filtered or self.out.finished[index] == "content_filter"
    end
  end
  if filtered and not self.spoke then
    return nil, "provider_content_filtered", "the answer was filtered"
  end
  if not any and not self.done then
    return nil, "provider_cut_stream", "the stream ended before the answer did"
  end
  if not any then return nil, "provider_bad_response", "the stream held no answer" end
  self.ended, self.done = true, true
  self.out:usage(self.usage)
  return host.array(self.out:take())
end

-- --- embeddings ------------------------------------------------------------------------

function answer.embedded(text, facts)
  local body = host.decode(text)
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  if has_error(body) then return nil, failure.read(200, text) end
  local data = host.array {}
  for i, item in ipairs(common.table(common.given(body.data))) do
    item = common.table(item)
    if item.embedding == nil then
      return nil, "provider_bad_response", "an embedding has no values"
    end
    data[i] = { object = "embedding", index = common.count(item.index) or i - 1,
      embedding = item.embedding }
  end
  if #data == 0 then return nil, "provider_bad_response", "the answer has no embeddings" end
  local usage = common.table(common.given(body.usage))
  local prompt = common.count(usage.prompt_tokens) or common.count(usage.total_tokens)
  return { object = "list", model = common.filled(body.model) or facts.model or "", data = data,
    usage = prompt and { prompt_tokens = prompt,
      total_tokens = common.count(usage.total_tokens) or prompt } or nil }
end

return answer
