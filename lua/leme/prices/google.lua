-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "google/gemini-2.0-flash" { input = 0.1, output = 0.4, cached = 0.025, audio = 0.7,
  context = 1048576, max_output = 8192,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "structured_output" } }
price "google/gemini-2.0-flash-lite" { input = 0.075, output = 0.3, context = 1048576,
  max_output = 8192,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "structured_output" } }
price "google/gemini-2.5-flash" { input = 0.3, output = 2.5, cached = 0.03, audio = 1,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-2.5-flash-lite" { input = 0.1, output = 0.4, cached = 0.01, audio = 0.3,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-2.5-flash-preview" { input = 0.15, output = 0.6 }
price "google/gemini-2.5-pro" { input = 1.25, output = 10, cached = 0.125,
  when = { { above = 200000, input = 2.5, output = 15, cached = 0.25 } }, context = 1048576,
  max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3-flash-preview" { input = 0.5, output = 3, cached = 0.05, audio = 1,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3-pro-preview" { input = 2, output = 12, cached = 0.2,
  when = { { above = 200000, input = 4, output = 18, cached = 0.4 } }, context = 1048576,
  max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.1-flash-lite" { input = 0.25, output = 1.5, cached = 0.025, audio = 0.5,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.1-flash-lite-preview" { input = 0.25, output = 1.5, cached = 0.025,
  audio = 0.5, context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.1-pro-preview" { input = 2, output = 12, cached = 0.2,
  when = { { above = 200000, input = 4, output = 18, cached = 0.4 } }, context = 1048576,
  max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.1-pro-preview-customtools" { input = 2, output = 12, cached = 0.2,
  when = { { above = 200000, input = 4, output = 18, cached = 0.4 } }, context = 1048576,
  max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.5-flash" { input = 1.5, output = 9, cached = 0.15, context = 1048576,
  max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "google/gemini-3.5-flash-lite" { input = 0.3, output = 2.5, cached = 0.03,
  context = 1000000 }
price "google/gemini-3.6-flash" { input = 0.75, output = 3.75, cached = 0.075,
  when = { { since = "2027-01-01", input = 1.5, output = 7.5, cached = 0.15 } },
  context = 1000000 }
price "google/gemini-3.7-flash" { input = 0.75, output = 3.75, cached = 0.075,
  when = { { since = "2027-01-01", input = 1.5, output = 7.5, cached = 0.15 } },
  context = 1000000 }
price "google/gemini-3.8-flash" { input = 0.75, output = 3.75, cached = 0.075,
  when = { { since = "2027-01-01", input = 1.5, output = 7.5, cached = 0.15 } },
  context = 1000000 }
price "google/gemini-flash-latest" { input = 0.3, output = 2.5, cached = 0.075, audio = 1,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "google/gemini-flash-lite-latest" { input = 0.1, output = 0.4, cached = 0.025,
  context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "google/gemma-4-26b-a4b-it-maas" { input = 0.15, output = 0.6, cached = 0.015,
  context = 262144 }
price "google/gemini-embedding-001" { input = 0.15, context = 2048,
  caps = { "embedding", "no_temperature" } }
price "google/gemini-embedding-2" { input = 0.2, audio = 6.5, context = 8192,
  caps = { "embedding" } }
