-- leme.mock.recordings: recorded exchanges, played as they are. A request plays the
-- case whose name is its model: "NAME", or "FOLDER/NAME" where folders have cases of
-- one name. A case is a set of files:
--
--   NAME.meta.json            { status, response_headers }; without it, 200
--   NAME.resp.json, .txt, .html   the body of an answer
--   NAME.resp.sse             the bytes of an event stream
--
-- Files with other endings (requests, parsed or packed bodies) are not played.

local host = require "leme.host"

local recordings = {}

local BODIES = { json = "application/json", txt = "text/plain", html = "text/html",
  sse = "text/event-stream" }
-- Of the recorded headers, those that a client may go by.
local KEPT = { "^content%-type$", "^retry%-after", "^x%-ratelimit", "^anthropic%-ratelimit",
  "^ratelimit", "^request%-id$", "^x%-should%-retry$", "^x%-generation%-id$" }

-- All cases below the folder: by "folder/name", and by name the first of them.
function recordings.index()
  local files, cases = host.recorded(), {}
  table.sort(files)
  for _, file in ipairs(files) do
    local place, kind = file:match "^(.*)%.resp%.(%a+)$"
    if place and BODIES[kind] then
      local case = { body = file, kind = kind, meta = place .. ".meta.json", place = place }
      cases[place] = cases[place] or case
      local name = place:match "[^/]*$"
      cases[name] = cases[name] or case
    end
  end
  return cases
end

-- The case of this request, or nil. ${vendor}: whose folder comes first.
function recordings.find(cases, model, vendor)
  return vendor and cases[vendor .. "/" .. model] or cases[model]
end

local function kept_headers(meta, kind)
  local headers = { ["content-type"] = BODIES[kind] }
  for name, value in pairs(meta.response_headers or {}) do
    local lower = tostring(name):lower()
    for _, pattern in ipairs(KEPT) do
      if lower:find(pattern) and type(value) == "string" then headers[lower] = value end
    end
  end
  return headers
end

-- A stream in pieces that end with an event.
local function events_of(bytes)
  local list, from = {}, 1
  while from <= #bytes do
    local _, plain = bytes:find("\n\n", from, true)
    local _, crlf = bytes:find("\r\n\r\n", from, true)
    local stop = plain and crlf and math.min(plain, crlf) or plain or crlf or #bytes
    list[#list + 1] = bytes:sub(from, stop)
    from = stop + 1
  end
  return list
end

-- What was recorded: { status, headers, body } or { status, headers, events }; nil
-- and why not.
function recordings.read(case)
  local bytes, why = host.recording(case.body)
  if not bytes then return nil, why end
  local meta = host.decode(host.recording(case.meta) or "") or {}
  local headers = kept_headers(meta, case.kind)
  headers["x-mock-recording"] = case.place
  local made = { status = math.tointeger(meta.status) or 200, headers = headers }
  if case.kind == "sse" then made.events = events_of(bytes) else made.body = bytes end
  return made
end

return recordings
