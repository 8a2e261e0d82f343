-- Cases on the edges of what vendors and clients do. Run from the project's root:
-- lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"
local translate = room.require "leme.translate"
local dialect = room.require "leme.dialect"
local common = room.require "leme.dialect.common"
local blocks = room.require "leme.surface.blocks"
local encode, decode = room.encode, room.decode

local function asked(name, more, api)
  local body = decode('{"model":"m","messages":[{"role":"user","content":"x"}],' .. more .. "}")
  local whole, _, _, notes, _, edits = translate.request(name, encode(body),
    { model = "m", api = api or "chat" })
  return whole and decode(whole), notes, edits
end

local function arguments(...)
  local state, list = dialect.find "compatible":stream { model = "m" }, {}
  for _, piece in ipairs { ... } do
    local chunks = state:event(nil, encode { id = "c", choices = { { index = 0,
      delta = { tool_calls = { { index = 0,
        ["function"] = { name = "f", arguments = piece } } } } } } })
    for _, chunk in ipairs(chunks) do
      for _, call in ipairs(chunk.choices[1].delta.tool_calls or {}) do
        list[call.index + 1] = (list[call.index + 1] or "") .. call["function"].arguments
      end
    end
  end
  return list
end

describe("a client's wish how thoughts are shown", function()
  it("stays when Claude chooses itself how long to think", function()
    local body = asked("anthropic", [["max_tokens":9000,"thinking":{"type":"enabled",
      "budget_tokens":2000,"display":"omitted"}]], "messages")
    assert.equal("omitted", body.thinking.display)
    local made = dialect.find "anthropic":request({ model = "claude-opus-4-8", max_tokens = 9000,
      messages = { { role = "user", content = "x" } }, thinking = { type = "enabled",
        budget_tokens = 2000, display = "omitted" } }, { model = "claude-opus-4-8" })
    assert.same({ "adaptive", "omitted" }, { made.body.thinking.type, made.body.thinking.display })
  end)
end)

describe("a stream for Mistral's clients", function()
  it("has calls wherever their numbers begin, and no harm from what is none", function()
    local state = room.surface.find "mistral":stream { id = "r", model = "m", created = 1, verb = "" }
    local text = state:event { choices = { 7, { index = 0, delta = { tool_calls = { "x",
      { index = 3, id = "c", ["function"] = { name = "f", arguments = "{}" } } } } } } }
      .. state:event { choices = { { index = 0, delta = {}, finish_reason = "tool_calls" } } }
      .. state:finish()
    assert.matches('"name":"f"', text)
  end)
end)

describe("calls of a server that repeats the name and gives no ids", function()
  it("go on while their object is open, and end with it", function()
    assert.same({ [[{"t":"\\frac{a}{b}"}]] }, arguments([[{"t":"\\frac{a}]], [[{b}"}]]))
    assert.same({ [[{"t":"\"}{"}]] }, arguments([[{"t":"\]], [["}]], [[{"}]]))
    assert.same({ "{}\n", "{}" }, arguments("{}", "\n", "{}"))
  end)

  it("cost what they are long", function()
    local host, decoded = room.require "leme.host", 0
    local was = host.decode
    host.decode = function(text) decoded = decoded + #text return was(text) end
    local nothing = function() end
    local row = blocks.row { open = nothing, piece = nothing, close = nothing }
    for _, piece in ipairs { '{"t":"', ("{}"):rep(8), ("{}"):rep(8), ("{}"):rep(8) } do
      row:call({ index = 0, ["function"] = { name = "f", arguments = piece } }, 1)
    end
    host.decode = was
    assert.equal(1, row.called)
    assert.equal(0, decoded)
  end)

  it("are followed over cuts at any place", function()
    for _, size in ipairs { 1, 2, 3, 70000 } do
      local text, seen = [[{"a":["}\"]{",{"b":"\\"}]}]], { depth = 0 }
      for i = 1, #text - 1, size do common.follow(seen, text:sub(i, math.min(i + size - 1, #text - 1))) end
      assert.falsy(seen.ended)
      common.follow(seen, "}")
      assert.truthy(seen.ended)
    end
  end)
end)

describe("requests", function()
  it("keep a call whose custom is null", function()
    local _, _, edits = asked("mistral", [["messages":[{"role":"user","content":"x"},
      {"role":"assistant","tool_calls":[{"id":"a","type":"function","custom":null,
      "function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]
      ]])
    local messages = edits.messages and decode(edits.messages)
    assert.equal("f", messages[2].tool_calls[1]["function"].name)
  end)

  it("have no empty list of tools where none is allowed", function()
    local _, _, edits = asked("groq", [["tools":[{"type":"function","function":{"name":"f"}}],
      "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[
      {"type":"function","function":{"name":"other"}}]}}]])
    assert.equal(false, edits.tools)
    assert.equal(false, edits.tool_choice)
  end)

  it("are strict by their schema, not by the names of its members", function()
    local function strict(properties, required)
      return asked("openai", [["tools":[{"type":"function","function":{"name":"f","strict":true,
        "parameters":{"type":"object","additionalProperties":false,"required":["]] .. required
        .. [["],"properties":]] .. properties .. "}}}]", "messages").tools[1]["function"].strict
    end
    assert.falsy(strict('{"default":{"type":"object","properties":{"a":{}}}}', "default"))
    assert.truthy(strict('{"properties":{"type":"string"}}', "properties"))
  end)

  it("of a messages client note what became of names and users", function()
    local _, notes = asked("groq", '"user":"' .. ("u"):rep(80)
      .. '","tools":[{"type":"function","function":{"name":"' .. ("n"):rep(80)
      .. '","strict":true,"parameters":{"type":"object"}}}]', "messages")
    for _, words in ipairs { "user: ", "its name is shortened", "strict is left out" } do
      assert.truthy(notes:find(words, 1, true), words)
    end
  end)

  it("to Claude survive an output_config that is none, and tell of a text that stays base64",
    function()
      local body = asked("anthropic", [["output_config":"x","response_format":{"type":"json_schema",
        "json_schema":{"name":"a","schema":{"type":"object"}}}]], "chat")
      assert.truthy(body)
      local function file(url)
        local made, notes = asked("anthropic", [["messages":[{"role":"user","content":[
          {"type":"file","file":{"filename":"a.txt","file_data":"]] .. url .. '"}}]}]')
        return made.messages[1].content[1].source.type, notes
      end
      assert.equal("text", (file "data:TEXT/PLAIN;base64,aGk="))
      local kind, notes = file "data:text/plain;base64,/w=="
      assert.equal("base64", kind)
      assert.truthy(notes:find("sent as a document in base64", 1, true))
    end)
end)
