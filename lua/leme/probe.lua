-- leme.probe: does a key work? How each provider is asked as cheaply as it allows,
-- and what its answer says about the key. Most have a list of their models, which
-- costs nothing; a completion of one token asks the rest. Pure.

local host = require "leme.host"
local context = require "leme.context"
local dialect = require "leme.dialect"
local common = require "leme.dialect.common"

local probe = {}

-- What is asked before a completion, by dialect, in order; the last is the list of
-- models. A list that anybody may read says nothing about a key, so those who show
-- theirs to everybody are asked for something else first, or for a completion.
local USUAL = { "/models" }
local ASKED = {
  anthropic = { "/models?limit=1000" },
  gemini = { "/models?pageSize=1000" },
  google = { "/models?pageSize=1000" },
  openrouter = { "/key", "/models" },
  ["vercel-gateway"] = { "/credits", "/models" },
  vertex = {}, cohere = {}, azure = {}, perplexity = {}, huggingface = {}, snowflake = {},
  databricks = {},
}
local HEADERS = { anthropic = { ["anthropic-version"] = "2023-06-01" } }

local function steps_of(name, own_path)
  if own_path then return {} end
  local vendors = require "leme.dialect.vendors"
  name = vendors.aliases[name] or name
  return ASKED[name] or USUAL
end

local function models_of(text)
  local models = {}
  for model in text:gmatch "[^\n]+" do models[#models + 1] = model end
  return models
end

-- A completion of one token: body, path, headers.
local function completion(name, model)
  local body = { model = model, max_tokens = 1, messages = { { role = "user", content = "hi" } } }
  local facts = { model = model, provider = name, api = "chat", stream = false, caps = {},
    unsupported = "drop" }
  local made, refusal = dialect.find(name):request(body, facts)
  if not made then return nil, refusal.message end
  local whole = made.body
  if not whole then
    for key, value in pairs(made.edits) do
      if value == host.null then value = nil end
      body[key] = value
    end
    whole = body
  end
  return host.encode(whole), made.path or "/chat/completions", made.headers
end

-- ask(dialect, step, models, own_path) -> body ("": GET), path, headers; nil and why
-- when there is nothing (more) to ask. ${models}: those configured, a line each.
-- ${own_path}: the provider has one path for all, so no list can be asked for.
function probe.ask(name, step, models, own_path)
  local asked = steps_of(name, own_path ~= "")[step]
  if asked then return "", asked, HEADERS[name] or {} end
  local model = models_of(models)[1]
  if not model then return nil, "no model of it is configured, so there is nothing to ask it" end
  return completion(name, model)
end

-- --- what an answer says -----------------------------------------------------------

-- The names in a list of models, as a set and in order; nil when it is none. And
-- whether there are more of them.
local function names_in(text)
  local value = common.table(host.decode(text))
  local list = common.given(value.data) or common.given(value.models)
  if common.is_list(value) then list = value end
  if type(list) ~= "table" then return nil end
  local names = {}
  local function add(name)
    name = common.text(name)
    if not name or name == "" then return end
    name = name:gsub("^models/", "")
    if not names[name] then names[#names + 1] = name end
    names[name] = true
  end
  for i = 1, #list do
    local item = common.table(list[i])
    add(common.text(item.id) or common.text(item.name) or list[i])
    local aliases = common.table(item.aliases)
    for k = 1, #aliases do add(aliases[k]) end
  end
  return names, value.has_more == true or common.text(value.nextPageToken) ~= nil
end

-- A list has dated names where short ones are taken too, and bare ones where a
-- variant may be asked for.
local function listed(names, model)
  if names[model] or names[model .. ":latest"] or model:find "%-latest$" then return true end
  local bare = model:match "^(.-):"
  if bare and names[bare] then return true end
  for i = 1, #names do
    local rest = names[i]:sub(1, #model) == model and names[i]:sub(#model + 1)
    if rest and rest:find "^[-@]%d%d%d%d" then return true end
  end
  return false
end

local function missing_in(names, models)
  local missing = {}
  for _, model in ipairs(models) do
    if not listed(names, model) then
      missing[#missing + 1] = ("%q is not among its models%s"):format(model,
        context.hint(model, names))
    end
  end
  return table.concat(missing, "\n")
end

local function read_list(text, models)
  local names, more = names_in(text)
  if not names then return "again" end
  return "works", ("%d model%s%s"):format(#names, #names == 1 and "" or "s",
    more and " and more" or ""), more and "" or missing_in(names, models)
end

-- What the closed words for failures say about a key.
local VERDICTS = { provider_auth = "refused", provider_billing = "unpaid",
  provider_quota_exhausted = "unpaid", provider_rate_limited = "limited" }

-- An answer to a completion that is none, but that only a good key gets.
local ACCEPTED = { provider_invalid_request = true, provider_content_filtered = true,
  provider_context_too_long = true }

local SENTENCE = 300

local function sentence(status, message)
  message = (message or ""):gsub("[%s%c]+", " ")
  if #message > SENTENCE then
    -- Not in the middle of a character.
    message = message:sub(1, SENTENCE):gsub("[\xC0-\xFF][\x80-\xBF]*$", "") .. "..."
  end
  return message ~= "" and message or ("answered %d without a word"):format(status)
end

local function read_failure(name, status, text, is_list, models)
  local err, message = dialect.find(name):error(status, text)
  local words = sentence(status, message)
  if VERDICTS[err] then return VERDICTS[err], words, "" end
  if is_list and status < 500 then return "again" end
  if ACCEPTED[err] and status < 500 then return "works", words, "" end
  if err == "provider_model_gone" and words:lower():find("model", 1, true) then
    return "works", "the key is taken", ("%q is not there: %s"):format(models[1], words)
  end
  return "failed", words, ""
end

-- read(dialect, step, models, own_path, status, text) -> verdict, words, what is
-- missing (a line each). Verdicts: works, limited (good, but at its limit), refused,
-- unpaid, failed (says nothing about the key), again (ask the next step).
function probe.read(name, step, models, own_path, status, text)
  local steps = steps_of(name, own_path ~= "")
  models = models_of(models)
  if status < 200 or status > 299 then
    return read_failure(name, status, text, step <= #steps, models)
  end
  if step < #steps then return "again" end
  if step == #steps then return read_list(text, models) end
  return "works", "answered a completion", ""
end

return probe
