-- leme.surface: what clients speak, by name. A surface turns a client's body into an
-- OpenAI chat request, which is what the engine routes, and turns OpenAI's answers
-- and chunks into what that client expects. Pure: a stream remembers its own blocks
-- and nothing else.
--
--   s:request(body, ctx) -> { body, stream, notes, ours, foreign } or nil, error type,
--                    message; ours: true when the body brings back what only we put
--                    there; foreign: instead of a body, what of the client's nobody
--                    understands but perhaps those who take its format
--   s:answer(answer, ctx) -> the body of the answer
--   s:stream(ctx) -> state; state:start(), state:event(chunk), state:finish() and
--                    state:failure(error type, status, message) -> events as text
--   s.failure(error type, status, type, code, message, ctx) -> body (a value, or
--                    text that goes as it is), headers, the status to send if another
--   s:ping() -> text that keeps a connection alive
--
-- ctx = { id = of the request, model = as the client named it, created = Unix
-- seconds, request = the client's body, verb = Gemini's: "generateContent",
-- or Mistral's: "embeddings" }. A
-- request is read with model and verb alone.
--
-- What a chat request has no word for stands beside it, under the names that the
-- dialects read:
--   message.thinking_blocks      Anthropic's thinking with its signatures
--   message.reasoning_content    the same thoughts, or unsigned ones, as plain text
--   message.extra_content        { anthropic = { content = a turn with blocks that only
--                                Anthropic knows } }, { openai = { reasoning = items
--                                that only OpenAI can read } }, or a vendor's own
--   message.is_error             on tool messages
--   cache_control                on parts, tools, calls, and tool messages
--   tool_call.extra_content      what a vendor wants back with a call
--   tools of other types         tools that Anthropic runs or knows by its own name
--   members of the body          those in surface.carriers, as in Anthropic's body;
--                                extra_body.google, as in a body of Google's
--   tools and parts without type those of Google alone, as they came

local surface = {}

local FILES = { messages = "leme.surface.messages", responses = "leme.surface.responses",
  gemini = "leme.surface.gemini", mistral = "leme.surface.mistral" }

-- Members of a body that Anthropic alone takes: other vendors are not sent them.
surface.carriers = { "thinking", "output_config", "context_management", "mcp_servers",
  "container", "cache_control", "inference_geo", "speed", "fallbacks", "user_profile_id",
  "anthropic_beta", "top_k" }

-- The surface called ${name}; raises when there is none.
function surface.find(name)
  local file = FILES[name]
  if not file then
    error(("unknown surface %q; known are gemini, messages, mistral and responses")
      :format(tostring(name)), 2)
  end
  return require(file)
end

-- An estimate of what a body of the surface ${name} weighs, in its clients' words. Of 79
-- recorded requests to /messages half are within 23 % of Anthropic's own count, nine
-- of ten within 67 %; of 76 to Gemini half within 17 %, nine of ten within 92 %.
-- Texts that servers and models add of their own are not known here.
function surface.count_tokens(body, name)
  local tokens = require "leme.surface.tokens"
  if name == "gemini" then return { totalTokens = tokens.gemini(body) } end
  return { input_tokens = tokens.messages(body) }
end

return surface
