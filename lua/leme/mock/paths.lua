-- leme.mock.paths: what a request to a mock is, by its path. One mock plays all
-- providers at once:
--
--   /v1/messages, :generateContent, /v2/chat, /v1/responses, /v1/chat/completions ...
--                        choose the wire format
--   /VENDOR/...          before any of them, a dialect's name ("deepseek") chooses
--                        whose particulars it has
--
-- Pure.

local dialects = require "leme.dialect.vendors"
local vendors = require "leme.mock.vendors"

local paths = {}

-- Dialects with a format of their own.
local FORMATS = { anthropic = "anthropic", gemini = "gemini", google = "gemini",
  vertex = "gemini", cohere = "cohere" }

-- pattern of the path, format, what is asked for
local OPERATIONS = {
  { "/messages/count_tokens$", "anthropic", "count" }, { "/messages$", "anthropic", "chat" },
  { ":rawPredict$", "anthropic", "chat" }, { ":streamRawPredict$", "anthropic", "chat" },
  { ":countTokens$", "gemini", "count" }, { ":generateContent$", "gemini", "chat" },
  { ":streamGenerateContent$", "gemini", "stream" },
  { ":embedContent$", "gemini", "embeddings" },
  { ":batchEmbedContents$", "gemini", "embeddings" },
  { ":predict$", "gemini", "embeddings" },
  { "/chat/completions$", "openai", "chat" }, { "/completions$", "openai", "completions" },
  { "/embeddings$", "openai", "embeddings" }, { "/responses$", "responses", "chat" },
  { "/chat$", "cohere", "chat" }, { "/embed$", "cohere", "embeddings" },
  { "/service/([^/]+)$", "service", "service" },
  { "/models$", nil, "models" }, { "/models/([^:]+)$", nil, "models" },
}

-- The vendor that ${name} means, or nil.
function paths.vendor(name)
  name = dialects.aliases[name] or name
  if FORMATS[name] or dialects.list[name] then return name end
end

-- Whose list of models it is, when the path names no vendor.
local function lister(path, headers, default)
  if headers["anthropic-version"] then return "anthropic" end
  if headers["x-goog-api-client"] or path:find "^/v1beta/" then return "gemini" end
  return path:find "^/v2/" and "cohere" or default
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- find(target, headers, default vendor) -> { path, query, vendor = name, format =
-- name, kind, name = of a model in the path }; format is nil for unknown paths.
function paths.find(target, headers, default)
  local path, query = target:match "^([^?]*)%??(.*)$"
  local asked = { path = path, query = query }
  local first, rest = path:match "^/([^/]+)(/.*)$"
  local named = first and paths.vendor(first)
  if named == "openai" and rest:find "^/deployments/" then
    asked.vendor = "azure"
  else
    path, asked.vendor = named and rest or path, named or default
  end
  for _, row in ipairs(OPERATIONS) do
    local found, _, name = path:find(row[1])
    if found then
      asked.kind, asked.name = row[3], name and decoded(name)
      asked.format = row[2] or FORMATS[named or lister(path, headers, default)] or "openai"
      break
    end
  end
  if asked.format == "gemini" and asked.kind ~= "models" then
    local name = path:match "/models/([^:]+):" or path:match "/([^/:]+):%a+$" or ""
    asked.name = decoded(name)
    asked.vertex = path:find "/publishers/" ~= nil or asked.vendor == "vertex"
  end
  return asked
end

-- The particulars of a vendor in OpenAI's formats.
function paths.particulars(vendor)
  return vendors.list[vendor or "openai"] or vendors.list.openai
end

return paths
