-- leme.surface.threads: conversations that Anthropic's clients leave to the server. What
-- begins one is whole, what goes on with one is its last turn alone; told that it is
-- gone, clients send the whole again. Nothing is kept here. Pure.

local threads = {}

threads.lost = "thread: no conversation is kept here; send the whole of it, with a thread of the"
  .. " type create or without one"

-- Codes of errors that clients act on.
threads.codes = { thread_not_found = true, thread_already_continued = true,
  thread_continue_in_flight = true, thread_unsupported_request = true,
  thread_fingerprint_mismatch = true }

return threads
