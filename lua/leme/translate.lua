-- leme.translate: what the engine calls to speak another wire format: JSON texts
-- in, JSON texts or event-stream bytes out. leme.dialect knows the providers'
-- side, leme.surface the clients'. Every function answers nil, error type,
-- message when something cannot be said in the other format.

local host = require "leme.host"
local dialect = require "leme.dialect"
local common = require "leme.dialect.common"
local completions = require "leme.dialect.completions"
local fold = require "leme.dialect.fold"
local provider_tools = require "leme.dialect.provider_tools"
local surface = require "leme.surface"
local tool_names = require "leme.surface.names"
local carried = require "leme.surface.gemini_carried"
local ipairs, next, type = ipairs, next, type

local translate = {}

-- What clients speak when it is not OpenAI's; bodies of theirs were written here.
local GEMINI = { gemini = true, gemini_embeddings = true }
local MISTRAL = { mistral = true, mistral_embeddings = true }
local OURS = { messages = true, responses = true, gemini = true, gemini_embeddings = true,
  mistral = true, mistral_embeddings = true }
local EMBEDS = { embeddings = true, gemini_embeddings = true, mistral_embeddings = true }

local NONE = {}

local function data_line(chunk)
  if type(chunk) == "string" then return chunk end
  return "data: " .. host.encode(chunk) .. "\n\n"
end

-- Chunks, or the lines that a writer has made of them already.
local function data_lines(chunks)
  if #chunks == 0 then return "" end
  if #chunks == 1 then return data_line(chunks[1]) end
  local out = {}
  for i = 1, #chunks do out[i] = data_line(chunks[i]) end
  return table.concat(out)
end

-- Extension headers as whole lines; values come from dialects, not from clients.
local function header_lines(headers)
  local name, value = next(headers or NONE)
  if not name then return "" end
  if next(headers, name) == nil then return name .. ": " .. value .. "\n" end
  local names, out = {}, {}
  for other in pairs(headers) do names[#names + 1] = other end
  table.sort(names)
  for i, other in ipairs(names) do out[i] = other .. ": " .. headers[other] .. "\n" end
  return table.concat(out)
end

-- Top-level members to be spliced: JSON texts, false for those to be removed.
local function texts_of(edits)
  local out = {}
  for name, value in next, edits or NONE do
    out[name] = value ~= host.null and host.encode(value)
  end
  return out
end

-- Marks on tools that Anthropic alone knows.
local TOOL_MARKS = { "defer_loading", "allowed_callers", "input_examples",
  "eager_input_streaming" }

local function forget_tool_marks(list)
  if type(list) ~= "table" then return end
  for _, tool in ipairs(list) do
    for _, name in ipairs(type(tool) == "table" and TOOL_MARKS or NONE) do tool[name] = nil end
  end
end

local function forget_cache_marks(list)
  if type(list) ~= "table" then return end
  for _, item in ipairs(list) do
    if type(item) == "table" then
      item.cache_control = nil
      forget_cache_marks(item.content)
      forget_cache_marks(item.tool_calls)
    end
  end
end

local NAMED = { properties = true, ["$defs"] = true, definitions = true }
local VALUES = { enum = true, const = true, default = true, required = true, examples = true }
local is_strict

local function all_strict(schemas, depth)
  for _, schema in pairs(schemas) do
    if not is_strict(schema, depth) then return false end
  end
  return true
end

-- What OpenAI calls strict: objects are closed and all of their members required.
function is_strict(schema, depth)
  if type(schema) ~= "table" then return true end
  if depth > 40 then return false end
  local properties = schema.properties
  if schema.type == "object" or type(properties) == "table" then
    if schema.additionalProperties ~= false then return false end
    local required = {}
    for _, name in ipairs(common.table(schema.required)) do required[name] = true end
    for name in pairs(common.table(properties)) do
      if not required[name] then return false end
    end
  end
  for key, value in pairs(schema) do
    local fine = VALUES[key] or type(value) ~= "table"
      or (NAMED[key] and all_strict or is_strict)(value, depth + 1)
    if not fine then return false end
  end
  return true
end

-- Anthropic's strict schemas may have members that can be left out; OpenAI refuses those.
local function loosen(body, ledger)
  local named = common.table(common.table(body.response_format).json_schema)
  if named.strict and not is_strict(named.schema, 0) then
    named.strict = false
    ledger:note "response_format: its schema is not strict as OpenAI means it"
  end
  for _, tool in ipairs(common.table(body.tools)) do
    local fn = common.table(common.table(tool)["function"])
    if fn.strict and not is_strict(fn.parameters, 0) then
      fn.strict = nil
      ledger:note("tool " .. tostring(fn.name) .. ": strict is left out")
    end
  end
end

-- Vendors whose models think unless told not to, and can be told.
local SWITCHED = { qwen = true, deepseek = true, switch = true }
local USER_MOST = 64 -- characters OpenAI takes; Claude Code's own are longer

-- What a client of /v1/messages said to Anthropic alone is not for others.
local function take_carriers(d, body, api, ledger)
  if d.wire == "anthropic" then return end
  if api == "messages" then
    loosen(body, ledger)
    tool_names.shorten(body, ledger)
    local user = common.text(body.user)
    if user and #user > USER_MOST then
      body.user = common.letters(user, USER_MOST)
      ledger:note(("user: letters made of it, for it has more than %d"):format(USER_MOST))
    end
    if common.table(common.given(body.thinking)).type == "disabled" and body.reasoning_effort == nil
        and SWITCHED[common.table(d.vendor).think or ""] then
      body.reasoning_effort = "none"
    end
  end
  for _, name in ipairs(surface.carriers) do
    if name ~= "top_k" or d.wire == "openai" then body[name] = nil end
  end
  forget_cache_marks(body.messages)
  forget_cache_marks(body.tools)
  forget_tool_marks(body.tools)
end

-- A body of ours, not the client's bytes, is written anew with its edits.
local function with_edits(body, edits)
  for name, value in pairs(edits or {}) do
    if value == host.null then value = nil end
    body[name] = value
  end
  return body
end

-- Is a text completion asked of a provider that only chats?
local function chats(d, facts)
  return facts.api == "completions" and d.wire ~= "openai"
end

-- A model that only streams is asked for a stream, whatever the client wants.
local function ask_stream(d, body, facts)
  facts.stream, body.stream = true, true
  local asks = d.usage == "ask" and { include_usage = true } or nil
  body.stream_options = asks
  local made, refusal = d:request(body, facts)
  if made and not made.body then
    made.edits.stream, made.edits.stream_options = true, asks or host.null
  end
  return made, refusal
end

-- request(dialect, text, facts) -> body, path, header lines, notes, native, edits,
-- streams. body is false when the OpenAI text only needs ${edits}; native: answers
-- pass as they are; streams: the provider is asked for a stream.
function translate.request(name, text, facts)
  local body, why = host.decode(text)
  if not body then return nil, "gateway_internal", why end
  local d = dialect.find(name)
  local made, refusal, left
  if EMBEDS[facts.api] and not d.embeddings and d.wire ~= "openai" then
    return nil, "provider_model_gone", name .. " has no embeddings"
  end
  if GEMINI[facts.api] then
    left = common.ledger(name, facts)
    if d.wire ~= "gemini" then carried.leave(body, d, left) end
    if left.refused then return nil, "provider_invalid_request", left.refused end
  elseif OURS[facts.api] then
    left = common.ledger(name, facts)
    take_carriers(d, body, facts.api, left)
    if MISTRAL[facts.api] and name ~= "mistral" then
      surface.find "mistral".leave(body, left)
      if left.refused then return nil, "provider_invalid_request", left.refused end
    end
  end
  if chats(d, facts) then
    left = common.ledger(name, facts)
    body = completions.chat(body, left)
    local good, refusal_of = left:result()
    if not good then return nil, refusal_of.error, refusal_of.message end
  end
  local fitted, notes = provider_tools.apply(d, body, facts)
  if not fitted then return nil, notes.error, notes.message end
  if left then table.move(left.notes, 1, #left.notes, #notes + 1, notes) end
  if EMBEDS[facts.api] and d.embeddings then
    made, refusal = d:embeddings(body, facts)
  elseif facts.api == "completions" and d.wire == "openai" then
    made = { edits = {} }
  else
    made, refusal = d:request(body, facts)
    if made and made.stream_only and facts.may_stream then
      made, refusal = ask_stream(d, body, facts)
    end
  end
  if not made then return nil, refusal.error, refusal.message end
  for key, value in next, fitted do
    if made.edits and made.edits[key] == nil then made.edits[key] = value end
  end
  for _, note in ipairs(made.notes or {}) do notes[#notes + 1] = note end
  local whole = made.body or OURS[facts.api] and with_edits(body, made.edits)
  return whole and host.encode(whole) or false, made.path or "",
    header_lines(made.headers), table.concat(notes, "\n"),
    d.wire == "openai" and (d.answers ~= "clean" or facts.api == "completions"),
    texts_of(made.edits), facts.stream
end

-- answer(dialect, text, facts) -> OpenAI text
function translate.answer(name, text, facts)
  local d = dialect.find(name)
  local read = EMBEDS[facts.api] and d.embedded or d.answer
  local answer, err, message = read(d, text, facts)
  if not answer then return nil, err, message end
  return host.encode(chats(d, facts) and completions.text(answer) or answer)
end

-- failure(dialect, status, text) -> error type, message, code, param, retry after
function translate.failure(name, status, text)
  return dialect.find(name):error(status, text)
end

-- Text completions are read by nobody but here.
local Texts = {}
Texts.__index = Texts

function Texts:event(_, data) -- luacheck: ignore 212/self
  local chunk = host.decode(data)
  if data:match "^%s*%[DONE%]%s*$" then return {} end
  if type(chunk) ~= "table" then
    return nil, "provider_bad_response", "an event is no JSON object"
  end
  if chunk.error then return nil, dialect.find "openai":error(200, data) end
  self.finished = self.finished or type(chunk.choices) == "table" and chunk.choices[1]
    and type(chunk.choices[1].finish_reason) == "string"
  return { chunk }
end

function Texts:finish()
  if not self.finished then
    return nil, "provider_cut_stream", "the stream ended before the answer did"
  end
  return {}
end

-- Events that become one answer, when all have come.
local Folded = {}
Folded.__index = Folded

function Folded:take(chunks, err, message)
  if not chunks then return nil, err, message end
  for i = 1, #chunks do self.fold:add(chunks[i]) end
  return host.array {}
end

function Folded:event(name, data) return self:take(self.stream:event(name, data)) end

function Folded:whole()
  local ok, err, message = self:take(self.stream:finish())
  if not ok then return nil, err, message end
  return host.encode(self.fold:answer())
end

local function folded(stream, into)
  return setmetatable({ stream = stream, fold = into }, Folded)
end

-- open(dialect, facts, folds) -> a state; with ${folds} its end is one answer.
function translate.open(name, facts, folds)
  local d = dialect.find(name)
  if chats(d, facts) then
    local texts = completions.stream(d:stream(facts))
    return folds and folded(texts, fold.texts()) or texts
  end
  if folds and facts.api == "completions" then
    return folded(setmetatable({}, Texts), fold.texts())
  end
  facts.texts = not folds
  local stream = d:stream(facts)
  return folds and folded(stream, fold.new()) or stream
end

-- unfold(dialect, text, facts) -> event-stream bytes in OpenAI's format that say what a
-- complete answer does
function translate.unfold(name, text, facts)
  local d, done = dialect.find(name), "data: [DONE]\n\n"
  if facts.api == "completions" and not chats(d, facts) then
    return data_lines(fold.text_chunks(host.decode(text))) .. done
  end
  local answer, err, message = d:answer(text, facts)
  if not answer then return nil, err, message end
  local chunks = fold.chunks(answer)
  return data_lines(chats(d, facts) and completions.chunks(chunks) or chunks) .. done
end

-- event(state, event name, data) -> event-stream bytes in OpenAI's format, and the
-- text `like`: an event that differs from this one in that text only would become
-- the same chunk with its own, and the engine need not ask. A state says so in its
-- field `like`; what was sent past it since comes in one piece, ${said}.
function translate.event(state, name, data, said)
  if said then state:said_since(said) end
  state.like = nil
  local chunks, err, message = state:event(name, data)
  if not chunks then return nil, err, message end
  return data_lines(chunks), #chunks == 1 and state.like or nil
end

-- said(state, text): the same, when it becomes too much to wait for the next event.
function translate.said(state, said) state:said_since(said) end

-- What a stream that ends too early has counted so far, as an event's JSON; "" nothing.
function translate.counted(state)
  local usage = state.counted and state:counted()
  return usage and host.encode { choices = host.array {}, usage = usage } or ""
end

function translate.finish(state, said)
  if said then state:said_since(said) end
  if state.whole then return state:whole() end
  local chunks, err, message = state:finish()
  if not chunks then return nil, err, message end
  return data_lines(chunks) .. "data: [DONE]\n\n"
end

-- The clients' side.

-- surface_request(surface, text, model, verb) -> OpenAI body, whether all of the
-- client's is its vendor's own, so that the vendor may be sent it as it is, notes, and
-- whether it is foreign: then there is no body, and the notes say why.
-- model: that the path names, or "".
function translate.surface_request(name, text, model, verb)
  local body, why = host.decode(text)
  if type(body) ~= "table" then
    return nil, "caller_invalid_request", "the body is not a JSON object"
      .. (why and ": " .. why or "")
  end
  local made, err, message = surface.find(name):request(body, { model = model, verb = verb })
  if not made then return nil, err, message end
  if made.foreign then return "", not made.ours, made.foreign, true end
  return host.encode(made.body), not made.ours, table.concat(made.notes, "\n")
end

-- The model as the client named it; ${model} is what it found under that name.
local function context_of(id, model, created, text, verb)
  local request = host.decode(text)
  local named = type(request) == "table" and type(request.model) == "string" and request.model
  return { id = id, model = named or model, created = created, request = request, verb = verb }
end

function translate.surface_answer(name, text, id, model, created, request, verb)
  return host.encode(surface.find(name):answer(host.decode(text),
    context_of(id, model, created, request, verb)))
end

-- surface_open(...) -> state, the bytes that begin the stream
function translate.surface_open(name, id, model, created, request, verb)
  local state = surface.find(name):stream(context_of(id, model, created, request, verb))
  return state, state:start()
end

function translate.surface_event(state, data)
  if data == "[DONE]" then return state:finish() end
  local chunk = host.decode(data)
  return chunk and state:event(chunk) or ""
end

function translate.surface_stream_failure(state, err, status, message)
  return state:failure(err, math.tointeger(status), message)
end

-- surface_failure(...) -> body, header lines, the status to send
function translate.surface_failure(name, err, status, kind, code, message, id, verb)
  status = math.tointeger(status)
  local body, headers, other = surface.find(name).failure(err, status, kind, code, message,
    { id = id, verb = verb })
  return type(body) == "string" and body or host.encode(body), header_lines(headers),
    other or status
end

function translate.count_tokens(name, text)
  local body, why = host.decode(text)
  if type(body) ~= "table" or common.is_list(body) then
    return nil, "caller_invalid_request", "the body is not a JSON object"
      .. (why and ": " .. why or "")
  end
  return host.encode(surface.count_tokens(body, name))
end

-- Is a key good? See leme.probe.

-- probe_ask(dialect, step, models, own path) -> body ("": GET), path, header lines
function translate.probe_ask(name, step, models, own_path)
  local probe = require "leme.probe"
  local body, path, headers = probe.ask(name, step, models, own_path)
  if not body then return nil, "gateway_internal", path end
  return body, path, header_lines(headers), ""
end

function translate.probe_read(...)
  return require("leme.probe").read(...)
end

return translate
