-- Clients of OpenAI's Responses: what the engine is asked for them, and what they are
-- told. Run from the project's root: lua5.4 /usr/bin/busted spec/lua
package.path = "./spec/lua/?.lua;" .. package.path
local room = require "surface_room"

local s = room.surface.find "responses"

local function value(text) return assert(room.decode(text)) end

local function body_of(text)
  local body = value((text:gsub("'", '"')))
  body.model = body.model or "m"
  return body
end

local function asked(text)
  local made, word, message = s:request(body_of(text))
  assert(made, word and word .. ": " .. message)
  return made.body, made
end

local function refused(text)
  local made, word, message = s:request(body_of(text))
  assert.is_nil(made)
  assert.equal("caller_invalid_request", word)
  return message
end

local function ctx(request)
  return { id = "req_1", model = "m", created = 1, request = request or {} }
end

local function answered(message, finish, request)
  return s:answer({ choices = { { message = message, finish_reason = finish or "stop" } } },
    ctx(request))
end

local function streamed(deltas, finish, request)
  local state = s:stream(ctx(request))
  local text = state:start()
  for _, delta in ipairs(deltas) do
    text = text .. state:event { choices = { { index = 0, delta = delta } } }
  end
  text = text .. state:event { choices = { { index = 0, delta = {}, finish_reason = finish } } }
  local list = {}
  for name, data in (text .. state:finish()):gmatch "event: (%S+)\ndata: ([^\n]*)\n\n" do
    list[#list + 1] = value(data)
    assert.equal(name, list[#list].type)
    assert.equal(#list - 1, list[#list].sequence_number)
  end
  return list
end

local function names(list)
  local words = {}
  for i, event in ipairs(list) do words[i] = event.type:gsub("^response%.", "") end
  return table.concat(words, " ")
end

describe("a request to /v1/responses", function()
  it("takes a text, with instructions before it", function()
    local body = asked [[{'input': 'hi', 'instructions': 'be brief', 'max_output_tokens': 9}]]
    assert.same({ role = "system", content = "be brief" }, body.messages[1])
    assert.same({ role = "user", content = "hi" }, body.messages[2])
    assert.equal(9, body.max_completion_tokens)
  end)

  it("joins thoughts, text and calls in a row into one message", function()
    local body = asked [[{'input': [{'role': 'user', 'content': 'q'},
      {'type': 'reasoning', 'id': 'r', 'summary': [{'type': 'summary_text', 'text': 'hm'}]},
      {'type': 'message', 'role': 'assistant', 'content': [{'type': 'output_text', 'text': 'a'}]},
      {'type': 'function_call', 'call_id': 'c1', 'name': 'f', 'arguments': '{}'},
      {'type': 'function_call', 'call_id': 'c2', 'name': 'g', 'arguments': '{}'},
      {'type': 'function_call_output', 'call_id': 'c1', 'output': 'one'},
      {'type': 'function_call_output', 'call_id': 'c2', 'output': 'two'}]}]]
    assert.equal(4, #body.messages)
    local turn = body.messages[2]
    assert.same({ "a", "hm", 2 }, { turn.content, turn.reasoning_content, #turn.tool_calls })
    assert.same({ role = "tool", tool_call_id = "c2", content = "two" }, body.messages[4])
  end)

  it("puts results right behind their call", function()
    local body = asked [[{'input': [
      {'type': 'function_call', 'call_id': 'c', 'name': 'f', 'arguments': '{}'},
      {'role': 'user', 'content': 'hurry'},
      {'type': 'function_call_output', 'call_id': 'c', 'output': 'x'}]}]]
    assert.same({ "assistant", "tool", "user" },
      { body.messages[1].role, body.messages[2].role, body.messages[3].role })
  end)

  it("turns a custom tool into a function with one text, and back", function()
    local request = body_of [[{'input': [{'role': 'user', 'content': 'x'},
      {'type': 'custom_tool_call', 'call_id': 'c', 'name': 'patch', 'input': 'p1'}],
      'tools': [{'type': 'custom', 'name': 'patch', 'description': 'd'}]}]]
    local made = assert(s:request(request)).body
    assert.equal("string", made.tools[1]["function"].parameters.properties.input.type)
    local arguments = made.messages[2].tool_calls[1]["function"].arguments
    assert.same({ input = "p1" }, value(arguments))
    local item = answered({ tool_calls = { { id = "c",
      ["function"] = { name = "patch", arguments = arguments } } } }, "tool_calls", request).output[1]
    assert.same({ "custom_tool_call", "p1", "patch" }, { item.type, item.input, item.name })
  end)

  it("carries a namespace in the tool's name, and back", function()
    local request = body_of [[{'input': 'x', 'tools': [{'type': 'namespace', 'name': 'crm',
      'tools': [{'type': 'function', 'name': 'find', 'parameters': {}}]}]}]]
    local made = assert(s:request(request)).body
    assert.equal("crm__find", made.tools[1]["function"].name)
    local item = answered({ tool_calls = { { id = "c",
      ["function"] = { name = "crm__find", arguments = "{}" } } } }, "tool_calls", request).output[1]
    assert.same({ "crm", "find" }, { item.namespace, item.name })
  end)

  it("nests schema, tools and choice as chat does", function()
    local body = asked [[{'input': 'x', 'text': {'format': {'type': 'json_schema', 'name': 'n',
      'schema': {'type': 'object'}, 'strict': true}}, 'reasoning': {'effort': 'low'},
      'tools': [{'type': 'function', 'name': 'f', 'parameters': {}, 'strict': true}],
      'tool_choice': {'type': 'function', 'name': 'f'}}]]
    assert.same({ "n", true }, { body.response_format.json_schema.name,
      body.response_format.json_schema.strict })
    assert.equal("low", body.reasoning_effort)
    assert.is_true(body.tools[1]["function"].strict)
    assert.equal("f", body.tool_choice["function"].name)
  end)

  it("goes on without thoughts that are only referred to", function()
    local body, made = asked [[{'input': [{'role': 'user', 'content': 'x'},
      {'type': 'item_reference', 'id': 'rs_1'}]}]]
    assert.same({ 1, 1 }, { #body.messages, #made.notes })
  end)

  it("keeps tools that OpenAI runs: each target decides about them", function()
    local body, made = asked [[{'input': 'x', 'tools': [{'type': 'web_search'},
      {'type': 'mcp', 'server_label': 's'}], 'tool_choice': {'type': 'mcp'}}]]
    assert.same({ { type = "web_search" }, { type = "mcp", server_label = "s" } }, body.tools)
    assert.same({ type = "mcp" }, body.tool_choice)
    assert.equal(0, #made.notes)
  end)

  local faults = {
    { "{'input': 'x', 'previous_response_id': 'resp_1'}", "previous_response_id: answers are not kept" },
    { "{'input': 'x', 'conversation': 'c'}", "conversation: " },
    { "{'input': 'x', 'background': true}", "background: " },
    { "{'input': 'x', 'prompt': {'id': 'p'}}", "prompt: " },
    { "{}", "input: expected a text or a list of items" },
    { "{'input': [{'type': 'item_reference', 'id': 'i'}]}", "input[0]: item_reference refers" },
    { "{'input': [{'type': 'function_call_output', 'call_id': 'c', 'output': ''}]}",
      'input[0]: no call with the call_id "c"' },
    { "{'input': 'x', 'tools': [{'name': 'file_search'}]}", "tools[0]: expected an object with a type" },
    { "{'input': [{'role': 'user', 'content': [{'type': 'input_image'}]}]}",
      "input[0].content[0]: an image needs an image_url" },
  }
  for i, row in ipairs(faults) do
    it("is told what cannot be served, fault " .. i, function()
      assert.equal(1, refused(row[1]):find(row[2], 1, true))
    end)
  end
end)

describe("a request to /v1/responses", function()
  it("has what only a newer OpenAI may know named, and nothing made of it", function()
    local _, item = asked "{'input': [{'type': 'dance'}]}"
    local _, part = asked "{'input': [{'role': 'user', 'content': [{'type': 'smell'}]}]}"
    assert.same({ 'input[0]: unknown item type "dance"', nil }, { item.foreign, item.body })
    assert.same({ 'input[0].content[0]: unknown content type "smell"', nil },
      { part.foreign, part.body })
  end)

  it("may hold calls of tools that the client runs for OpenAI", function()
    local body = asked [[{'input': [{'role': 'user', 'content': 'q'},
      {'type': 'shell_call', 'call_id': 'c', 'action': {'commands': ['ls']}},
      {'type': 'shell_call_output', 'call_id': 'c', 'output': [{'stdout': 'x'}]},
      {'type': 'computer_call', 'call_id': 'd', 'action': {'type': 'click'}},
      {'type': 'computer_call_output', 'call_id': 'd',
       'output': {'type': 'computer_screenshot', 'image_url': 'data:image/png;base64,AA=='}}]}]]
    local call = body.messages[2].tool_calls[1]
    assert.same({ "shell", '{"action":{"commands":["ls"]}}', "c", '[{"stdout":"x"}]' },
      { call["function"].name, call["function"].arguments, body.messages[3].tool_call_id,
        body.messages[3].content })
    assert.equal("computer", body.messages[4].tool_calls[1]["function"].name)
    assert.equal("image_url", body.messages[6].content[2].type)
  end)

  it("keeps arguments and results that are objects", function()
    local body = asked [[{'input': [{'role': 'user', 'content': 'q'},
      {'type': 'function_call', 'call_id': 'c', 'name': 'f', 'arguments': {'x': 1}},
      {'type': 'function_call_output', 'call_id': 'c', 'output': {'y': 2}}]}]]
    assert.same({ '{"x":1}', '{"y":2}' },
      { body.messages[2].tool_calls[1]["function"].arguments, body.messages[3].content })
  end)

  it("may name a picture by its file", function()
    local body = asked [[{'input': [{'role': 'user', 'content': [{'type': 'input_image',
      'file_id': 'f'}]}]}]]
    assert.same({ { type = "file", file = { file_id = "f" } } }, body.messages[1].content)
  end)
end)

describe("what must come back with the next turn", function()
  -- The assistant's message that a client's next request becomes.
  local function next_turn(output)
    output[#output + 1] = { type = "message", role = "assistant", content = "x" }
    return assert(s:request { model = "m", input = output }).body.messages[1]
  end

  it("is a signed thought in a reasoning item", function()
    local block = { type = "thinking", thinking = "hm", signature = "S" }
    local output = answered({ content = "x", thinking_blocks = { block } }).output
    assert.same({ block }, { next_turn(output).thinking_blocks[1] })
  end)

  it("is a vendor's mark on a call in a reasoning item before it", function()
    local call = { id = "c", extra_content = { google = { thought_signature = "T" } },
      ["function"] = { name = "f", arguments = "{}" } }
    local output = answered({ tool_calls = { call } }, "tool_calls").output
    assert.same({ "reasoning", "function_call" }, { output[1].type, output[2].type })
    assert.equal("T", next_turn(output).tool_calls[1].extra_content.google.thought_signature)
  end)

  it("is OpenAI's own encrypted thought, for OpenAI", function()
    local turn = next_turn { { type = "reasoning", id = "r", summary = {}, encrypted_content = "gAAA" } }
    assert.equal("gAAA", turn.extra_content.openai.reasoning[1].encrypted_content)
  end)
end)

describe("an answer of /v1/responses", function()
  it("is incomplete when tokens ran out", function()
    local body = answered({ content = "x" }, "length")
    assert.same({ "incomplete", "max_output_tokens" }, { body.status, body.incomplete_details.reason })
    assert.equal("incomplete", body.output[1].status)
  end)

  it("says nothing with one empty message", function()
    assert.equal("", answered({ content = room.null }).output[1].content[1].text)
  end)

  it("shows thoughts as a summary only when one was asked for", function()
    local plain = answered({ content = "x", reasoning_content = "hm" }).output[1]
    assert.same({ 0, "hm" }, { #plain.summary, plain.content[1].text })
    local asked_for = answered({ content = "x", reasoning_content = "hm" }, "stop",
      { reasoning = { summary = "auto" } }).output[1]
    assert.equal("hm", asked_for.summary[1].text)
  end)
end)

describe("a stream of /v1/responses", function()
  it("tells a text in the order clients rely on", function()
    assert.equal("created in_progress output_item.added content_part.added output_text.delta "
      .. "output_text.delta output_text.done content_part.done output_item.done completed",
      names(streamed({ { content = "a" }, { content = "b" } }, "stop")))
  end)

  it("tells a call with its arguments", function()
    local list = streamed({ { tool_calls = { { index = 0, id = "c",
      ["function"] = { name = "f", arguments = '{"a":1}' } } } } }, "tool_calls")
    assert.equal("created in_progress output_item.added function_call_arguments.delta "
      .. "function_call_arguments.done output_item.done completed", names(list))
    assert.equal('{"a":1}', list[#list].response.output[1].arguments)
  end)

  it("tells thoughts as a summary when one was asked for", function()
    assert.equal("created in_progress output_item.added reasoning_summary_part.added "
      .. "reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done "
      .. "output_item.done output_item.added content_part.added output_text.delta "
      .. "output_text.done content_part.done output_item.done incomplete",
      names(streamed({ { reasoning_content = "hm" }, { content = "a" } }, "length",
        { reasoning = { summary = "auto" } })))
  end)

  it("shows the input of a custom tool when it is whole", function()
    local list = streamed({ { tool_calls = { { index = 0, id = "c",
      ["function"] = { name = "patch", arguments = '{"input":"a\\nb"}' } } } } }, "tool_calls",
      { tools = { { type = "custom", name = "patch" } } })
    assert.equal("created in_progress output_item.added custom_tool_call_input.delta "
      .. "custom_tool_call_input.done output_item.done completed", names(list))
    assert.equal("a\nb", list[5].input)
  end)

  it("fails with an error event and a failed response", function()
    local state = s:stream(ctx())
    state:start()
    local text = state:failure("provider_cut_stream", 502, "gone")
    local error_event = value(text:match "event: error\ndata: ([^\n]*)")
    local failed = value(text:match "event: response.failed\ndata: ([^\n]*)").response
    assert.same({ "provider_cut_stream", "gone", 2 },
      { error_event.code, error_event.error.message, error_event.sequence_number })
    assert.same({ "failed", "server_error" }, { failed.status, failed.error.code })
  end)
end)
