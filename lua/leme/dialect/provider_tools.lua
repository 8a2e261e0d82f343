-- leme.dialect.provider_tools: tools that are no functions: run by a provider (web
-- search, code), or known to a model by their type alone (Anthropic's bash). Each
-- means something to the provider it was made for; for others it becomes the nearest
-- thing or is left out, as the target's `unsupported` says. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local provider_tools = {}

-- By its type, or Google's by the member they have: whose it is and what it does.
local TYPES = {
  { "^web_search_%d%d%d%d%d%d%d%d$", "anthropic", "search" },
  { "^web_fetch_%d", "anthropic", "fetch" }, { "^code_execution_%d", "anthropic", "code" },
  { "^bash_%d", "anthropic", "bash" }, { "^text_editor_%d", "anthropic", "editor" },
  { "^computer_%d", "anthropic" }, { "^memory_%d", "anthropic" },
  { "^tool_search_tool", "anthropic" }, { "^advisor_%d", "anthropic" },
  { "^mcp_toolset", "anthropic" },
}
-- These names mean other things to other vendors: they are those of OpenAI's responses
-- when a client of that format wrote them. Chat completions know none of them.
local RESPONSES = {
  { "^web_search", "responses", "search" }, { "^code_interpreter$", "responses", "code" },
  { "", "responses" },
}
local MEMBERS = { googleSearch = "search", google_search = "search",
  googleSearchRetrieval = "search", google_search_retrieval = "search",
  codeExecution = "code", code_execution = "code", urlContext = "fetch", url_context = "fetch",
  googleMaps = "maps", fileSearch = "files", computerUse = "computer" }

-- What a wire format calls a purpose. Others have no such tool.
local NAMES = {
  anthropic = { search = { type = "web_search_20250305", name = "web_search" } },
  gemini = { search = { googleSearch = {} }, fetch = { urlContext = {} },
    code = { codeExecution = {} } },
}

-- Tools that the client runs itself, so that a function with their arguments will do.
local TEXT = { type = "string" }
local FUNCTIONS = {
  bash = { description = "Runs a command in the user's bash session, or restarts the session.",
    parameters = { type = "object", properties = { command = TEXT,
      restart = { type = "boolean" } } } },
  editor = { description = "Views, creates and edits text files of the user.",
    parameters = { type = "object", required = host.array { "command", "path" }, properties = {
      command = { type = "string", enum = host.array { "view", "create", "str_replace",
        "insert" } }, path = TEXT, file_text = TEXT, old_str = TEXT, new_str = TEXT,
      insert_text = TEXT, insert_line = { type = "integer" },
      view_range = { type = "array", items = { type = "integer" } } } } },
}

local function row_of(rows, kind)
  for _, row in ipairs(rows) do
    if kind:find(row[1]) then return { owner = row[2], purpose = row[3], name = kind } end
  end
end

-- nil: a function, or what only the target's own vendor can know.
local function known(tool, api)
  local kind = common.text(tool.type)
  if kind == "function" or kind == "custom" then return nil end
  if kind then
    return row_of(TYPES, kind) or (api == "responses" and row_of(RESPONSES, kind)) or nil
  end
  for member in pairs(tool) do
    if MEMBERS[member] then
      return { owner = "gemini", purpose = MEMBERS[member], name = member }
    end
  end
end

local function as_function(tool, found)
  local fn = FUNCTIONS[found.purpose]
  return fn and common.filled(tool.name) and { type = "function", ["function"] = {
    name = tool.name, description = fn.description, parameters = fn.parameters } }
end

-- What becomes of one such tool on this wire; nil: nothing.
local function fitted(tool, found, wire, ledger)
  local what = "tool " .. found.name
  local own = NAMES[wire] and NAMES[wire][found.purpose]
  if own then
    return ledger:map(what, common.filled(own.type) or next(own)) and own or nil
  end
  local fn = as_function(tool, found)
  if fn then return ledger:map(what, "a function of that name") and fn or nil end
  ledger:drop(what, "no provider but its own runs it")
end

-- A choice of what is not there any more, or of a kind that only OpenAI knows.
local function fit_choice(body, gone, ledger)
  local choice = common.given(body.tool_choice)
  if type(choice) ~= "table" or choice.type == "allowed_tools" then return end
  local name = common.text(common.table(choice["function"]).name) or common.text(choice.name)
  if name and not gone[name] then return end
  ledger:note("dropped tool_choice " .. tostring(name or choice.type) .. ": that tool is not there")
  body.tool_choice = nil
  return true
end

-- apply(dialect, body, facts) -> what changed of the body ({ tools =, tool_choice = } as
-- edits), notes; or nil, { error =, message = }. ${body} is changed in place.
function provider_tools.apply(d, body, facts)
  local tools = common.given(body.tools)
  if type(tools) ~= "table" then return {}, {} end
  local ledger = common.ledger(d.name, facts)
  local kept, gone, changed = host.array {}, {}, false
  for _, tool in ipairs(tools) do
    local found = type(tool) == "table" and known(tool, facts.api)
    if not found or found.owner == d.wire then
      kept[#kept + 1] = tool
    else
      changed = true
      local made = fitted(tool, found, d.wire, ledger)
      if made then kept[#kept + 1] = made
      elseif common.filled(tool.name) then gone[tool.name] = true end
    end
  end
  local edits = {}
  if changed then
    body.tools = #kept > 0 and kept or nil
    edits.tools = body.tools or host.null
  end
  if (changed or facts.api == "responses") and fit_choice(body, gone, ledger) then
    edits.tool_choice = host.null
  end
  if changed and not body.tools then
    for _, key in ipairs { "tool_choice", "parallel_tool_calls" } do
      if body[key] ~= nil then body[key], edits[key] = nil, host.null end
    end
  end
  local fine, why = ledger:result()
  if not fine then return nil, why end
  return edits, ledger.notes
end

return provider_tools
