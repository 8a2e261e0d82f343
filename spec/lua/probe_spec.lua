-- How providers are asked about a key, and what their answers say about it.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"

local room = world.room { targets = { "a/x" } }
local probe = room.require "leme.probe"
local dialect = room.require "leme.dialect"
local json = require "dkjson"

local function read(name, step, status, body, models, own_path)
  local text = type(body) == "table" and json.encode(body) or body
  return probe.read(name, step, models or "gpt-4o\n", own_path or "", status, text)
end

local function list(...)
  local data = {}
  for i, id in ipairs { ... } do data[i] = { id = id, object = "model" } end
  return { object = "list", data = data }
end

describe("asking about a key", function()
  it("is possible in every dialect, by a list or a completion of one token", function()
    for _, name in ipairs(dialect.names()) do
      local step = 1
      local body, path = probe.ask(name, step, "some-model\n", "")
      while body == "" do
        assert.equal("/", path:sub(1, 1), name)
        assert.is_nil(path:find("key=", 1, true), name)
        step = step + 1
        body, path = probe.ask(name, step, "some-model\n", "")
      end
      assert.is_true(step <= 3, name)
      assert.truthy(body, name .. ": " .. tostring(path))
      assert.truthy((body .. path):find("some-model", 1, true), name)
      assert.is_true(#body < 400, name)
    end
  end)

  it("goes to the list of models where there is one", function()
    for name, wanted in pairs { openai = "/models", anthropic = "/models?limit=1000",
      gemini = "/models?pageSize=1000", google = "/models?pageSize=1000", mistral = "/models",
      openrouter = "/key", qwen = "/models", alibaba = "/models", ollama = "/models" } do
      local body, path = probe.ask(name, 1, "m\n", "")
      assert.same({ "", wanted }, { body, path }, name)
    end
    local _, _, headers = probe.ask("anthropic", 1, "m\n", "")
    assert.equal("2023-06-01", headers["anthropic-version"])
  end)

  it("is a completion at once when the provider has one path, or its list is open", function()
    local body, path = probe.ask("openai", 1, "gpt-4o\n", "own")
    local sent = json.decode(body)
    assert.same({ "/chat/completions", "gpt-4o", 1 },
      { path, sent.model, sent.max_completion_tokens or sent.max_tokens })
    body, path = probe.ask("cohere", 1, "command\n", "")
    assert.same({ "/chat", "command" }, { path, json.decode(body).model })
    body, path = probe.ask("vertex", 1, "gemini-2.5-pro\n", "")
    assert.truthy(path:find("gemini-2.5-pro", 1, true) and #body > 2)
  end)

  it("needs a model for a completion", function()
    local body, why = probe.ask("cohere", 1, "", "")
    assert.is_nil(body)
    assert.matches("no model of it is configured", why)
  end)
end)

describe("an answer about a key", function()
  it("works: says how many models there are, and which are missing", function()
    local verdict, words, missing = read("openai", 1, 200, list("gpt-4o", "gpt-4o-mini"),
      "gpt-4o\ngpt-4o-mni\nnothing-like-it\n")
    assert.same({ "works", "2 models" }, { verdict, words })
    assert.equal('"gpt-4o-mni" is not among its models; did you mean "gpt-4o-mini"?\n'
      .. '"nothing-like-it" is not among its models', missing)
  end)

  it("knows every shape of list", function()
    local rows = {
      { "gemini", { models = { { name = "models/gemini-2.5-flash" } } }, "gemini-2.5-flash" },
      { "anthropic", { data = { { type = "model", id = "claude-sonnet-4-5-20250929" } },
        has_more = false }, "claude-sonnet-4-5" },
      { "mistral", { data = { { id = "mistral-large-2512", aliases = { "mistral-large-x" } } } },
        "mistral-large-x" },
      { "mistral", list "mistral-large-2512", "mistral-large-latest" },
      { "ollama", list "llama3.2:latest", "llama3.2" },
      { "openrouter", list "meta/llama-4", "meta/llama-4:nitro", 2 },
      { "together", { { id = "Qwen/Qwen3" } }, "Qwen/Qwen3" },
    }
    for _, row in ipairs(rows) do
      local verdict, _, missing = read(row[1], row[4] or 1, 200, row[2], row[3] .. "\n")
      assert.same({ "works", "" }, { verdict, missing }, row[3])
    end
    local _, _, missing = read("ollama", 1, 200, list "llama3.2:latest", "llama3\n")
    assert.equal('"llama3" is not among its models', missing)
  end)

  it("does not judge by the first page of a list", function()
    for _, body in ipairs { { data = { { id = "a" } }, has_more = true },
      { models = { { name = "models/a" } }, nextPageToken = "x" } } do
      local verdict, words, missing = read("openai", 1, 200, body, "b\n")
      assert.same({ "works", "1 model and more", "" }, { verdict, words, missing })
    end
  end)

  it("tells a key that is refused, unpaid or limited from a provider that fails", function()
    local rows = {
      { "openai", 401, { error = { message = "Incorrect API key provided: sk-x" } }, "refused" },
      { "openai", 403, { error = { message = "Country not supported" } }, "refused" },
      { "gemini", 400, { error = { code = 400, message = "API key not valid.",
        status = "INVALID_ARGUMENT", details = { { reason = "API_KEY_INVALID" } } } }, "refused" },
      { "anthropic", 401, { type = "error", error = { type = "authentication_error",
        message = "invalid x-api-key" } }, "refused" },
      { "deepseek", 402, { error = { message = "Insufficient Balance" } }, "unpaid" },
      { "openai", 429, { error = { code = "insufficient_quota", message = "You exceeded" } },
        "unpaid" },
      { "openai", 429, { error = { message = "Rate limit reached" } }, "limited" },
      { "openai", 503, "down", "failed" },
      { "openai", 500, "", "failed" },
    }
    for _, row in ipairs(rows) do
      local verdict, words = read(row[1], 1, row[2], row[3])
      assert.equal(row[4], verdict, row[1] .. row[2])
      assert.is_true(#words > 0)
    end
  end)

  it("asks on where there is no list, and when what came is none", function()
    assert.equal("again", read("openai", 1, 404, "not found"))
    assert.equal("again", read("openai", 1, 405, ""))
    assert.equal("again", read("openai", 1, 200, "<html>"))
    assert.equal("again", read("openrouter", 1, 200, { data = { label = "x" } }))
    assert.equal("refused", (read("openrouter", 1, 401, { error = { message = "No auth" } })))
  end)

  it("to a completion: whatever only a good key gets", function()
    assert.equal("works", (read("openai", 2, 200, "{}")))
    assert.equal("works", (read("openai", 2, 400, { error = { message = "max_tokens too low" } })))
    local verdict, _, missing = read("openai", 2, 404,
      { error = { code = "model_not_found", message = "The model does not exist" } })
    assert.equal("works", verdict)
    assert.equal('"gpt-4o" is not there: The model does not exist', missing)
    assert.equal("failed", (read("openai", 2, 404, "page not found")))
    assert.equal("failed", (read("openai", 1, 404, "page not found", nil, "own")))
  end)

  it("keeps words short and whole", function()
    local _, words = read("openai", 1, 500, { error = { message = "a\27[2Jb\n" .. ("é"):rep(400) } })
    assert.is_nil(words:find "%c")
    assert.is_true(#words < 320 and utf8.len(words) ~= nil)
  end)
end)
