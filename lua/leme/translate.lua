-- leme.translate: what the engine calls to speak another wire format: JSON texts
-- in, JSON texts or event-stream bytes out. leme.dialect knows the providers'
-- side, leme.surface the clients'. Every function answers nil, error type,
-- message when something cannot be said in the other format.

local host = require "leme.host"
local dialect = require "leme.dialect"
local surface = require "leme.surface"

local translate = {}

local function data_lines(chunks)
  local out = {}
  for i = 1, #chunks do out[i] = "data: " .. host.encode(chunks[i]) .. "\n\n" end
  return table.concat(out)
end

-- Extension headers as whole lines; values come from dialects, not from clients.
local function header_lines(headers)
  local names, out = {}, {}
  for name in pairs(headers or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do out[i] = name .. ": " .. headers[name] .. "\n" end
  return table.concat(out)
end

-- Top-level members to be spliced: JSON texts, false for those to be removed.
local function texts_of(edits)
  local out = {}
  for name, value in pairs(edits or {}) do
    out[name] = value ~= host.null and host.encode(value)
  end
  return out
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

-- What a client of /v1/messages said to Anthropic alone is not for others.
local function take_carriers(d, body)
  if d.wire == "anthropic" then return end
  for _, name in ipairs(surface.carriers) do
    if name ~= "top_k" or d.wire == "openai" then body[name] = nil end
  end
  forget_cache_marks(body.messages)
  forget_cache_marks(body.tools)
end

-- A body of ours, not the client's bytes, is written anew with its edits.
local function with_edits(body, edits)
  for name, value in pairs(edits or {}) do
    if value == host.null then value = nil end
    body[name] = value
  end
  return body
end

-- request(dialect, text, facts) -> body, path, header lines, notes, native, edits
-- body is false when the OpenAI text only needs ${edits}; native: answers pass
-- as they are.
function translate.request(name, text, facts)
  local body, why = host.decode(text)
  if not body then return nil, "gateway_internal", why end
  local d = dialect.find(name)
  local ours = facts.api == "messages" or facts.api == "responses"
  local made, refusal
  if ours then take_carriers(d, body) end
  if facts.api == "embeddings" and d.embeddings then
    made, refusal = d:embeddings(body, facts)
  else
    made, refusal = d:request(body, facts)
  end
  if not made then return nil, refusal.error, refusal.message end
  local whole = made.body or ours and with_edits(body, made.edits)
  return whole and host.encode(whole) or false, made.path or "",
    header_lines(made.headers), table.concat(made.notes or {}, "\n"),
    d.wire == "openai" and d.answers ~= "clean", texts_of(made.edits)
end

-- answer(dialect, text, facts) -> OpenAI text
function translate.answer(name, text, facts)
  local d = dialect.find(name)
  local read = facts.api == "embeddings" and d.embedded or d.answer
  local answer, err, message = read(d, text, facts)
  if not answer then return nil, err, message end
  return host.encode(answer)
end

-- failure(dialect, status, text) -> error type, message, code, param, retry after
function translate.failure(name, status, text)
  return dialect.find(name):error(status, text)
end

function translate.open(name, facts) return dialect.find(name):stream(facts) end

-- event(state, event name, data) -> event-stream bytes in OpenAI's format
function translate.event(state, name, data)
  local chunks, err, message = state:event(name, data)
  if not chunks then return nil, err, message end
  return data_lines(chunks)
end

function translate.finish(state)
  local chunks, err, message = state:finish()
  if not chunks then return nil, err, message end
  return data_lines(chunks) .. "data: [DONE]\n\n"
end

-- The clients' side.

-- surface_request(surface, text) -> OpenAI body, and whether all of the client's is
-- its vendor's own, so that the vendor may be sent it as it is
function translate.surface_request(name, text)
  local body, why = host.decode(text)
  if type(body) ~= "table" then
    return nil, "caller_invalid_request", "the body is not a JSON object"
      .. (why and ": " .. why or "")
  end
  local made, err, message = surface.find(name):request(body)
  if not made then return nil, err, message end
  return host.encode(made.body), not made.ours
end

local function context_of(id, model, created, text)
  return { id = id, model = model, created = created, request = (host.decode(text)) }
end

function translate.surface_answer(name, text, id, model, created, request)
  return host.encode(surface.find(name):answer(host.decode(text),
    context_of(id, model, created, request)))
end

-- surface_open(...) -> state, the bytes that begin the stream
function translate.surface_open(name, id, model, created, request)
  local state = surface.find(name):stream(context_of(id, model, created, request))
  return state, state:start()
end

function translate.surface_event(state, data)
  if data == "[DONE]" then return state:finish() end
  local chunk = host.decode(data)
  return chunk and state:event(chunk) or ""
end

function translate.surface_stream_failure(state, err, status, message)
  return state:failure(err, status, message)
end

-- surface_failure(...) -> body, header lines
function translate.surface_failure(name, err, status, kind, code, message, id)
  local body, headers = surface.find(name).failure(err, status, kind, code, message,
    { id = id })
  return host.encode(body), header_lines(headers)
end

function translate.count_tokens(text)
  return host.encode(surface.count_tokens(host.decode(text) or {}))
end

return translate
