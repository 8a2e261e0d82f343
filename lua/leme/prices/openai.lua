-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "openai/chatgpt-4o-latest" { input = 5, output = 15, context = 128000 }
price "openai/codex-mini" { input = 1.5, output = 6, cached = 0.375, context = 200000 }
price "openai/gpt-3.5-turbo" { input = 0.5, output = 1.5, context = 16385, max_output = 4096 }
price "openai/gpt-4" { input = 30, output = 60, context = 8192, max_output = 8192,
  caps = { "tools" } }
price "openai/gpt-4-turbo" { input = 10, output = 30, context = 128000, max_output = 4096,
  caps = { "tools", "vision" } }
price "openai/gpt-4.1" { input = 2, output = 8, cached = 0.5, context = 1047576,
  max_output = 32768, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openai/gpt-4.1-mini" { input = 0.4, output = 1.6, cached = 0.1, context = 1047576,
  max_output = 32768, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openai/gpt-4.1-nano" { input = 0.1, output = 0.4, cached = 0.025, context = 1047576,
  max_output = 32768, caps = { "tools", "vision", "structured_output" } }
price "openai/gpt-4o" { input = 2.5, output = 10, cached = 1.25, context = 128000,
  max_output = 16384, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openai/gpt-4o-2024-05-13" { input = 5, output = 15, context = 128000, max_output = 4096,
  caps = { "tools", "vision", "structured_output" } }
price "openai/gpt-4o-2024-08-06" { input = 2.5, output = 10, cached = 1.25, context = 128000,
  max_output = 16384, caps = { "tools", "vision", "structured_output" } }
price "openai/gpt-4o-2024-11-20" { input = 2.5, output = 10, cached = 1.25, context = 128000,
  max_output = 16384, caps = { "tools", "vision", "structured_output" } }
price "openai/gpt-4o-mini" { input = 0.15, output = 0.6, cached = 0.075, context = 128000,
  max_output = 16384, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openai/gpt-4o-search-preview" { input = 2.5, output = 10, context = 128000 }
price "openai/gpt-5" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5-chat-latest" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000, caps = { "vision", "reasoning", "structured_output" } }
price "openai/gpt-5-codex" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5-mini" { input = 0.25, output = 2, cached = 0.025, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5-nano" { input = 0.05, output = 0.4, cached = 0.005, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5-pro" { input = 15, output = 120, context = 400000, max_output = 272000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.1" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.1-chat-latest" { input = 1.25, output = 10, cached = 0.125, context = 128000,
  max_output = 16384,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.1-codex" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.1-codex-max" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.1-codex-mini" { input = 0.25, output = 2, cached = 0.025, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.2" { input = 1.75, output = 14, cached = 0.175, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.2-chat-latest" { input = 1.75, output = 14, cached = 0.175, context = 128000,
  max_output = 16384,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.2-codex" { input = 1.75, output = 14, cached = 0.175, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.2-pro" { input = 21, output = 168, context = 400000, max_output = 128000,
  caps = { "tools", "vision", "reasoning", "no_temperature" } }
price "openai/gpt-5.3" { input = 1.75, output = 14, cached = 0.175, context = 128000 }
price "openai/gpt-5.3-chat-latest" { input = 1.75, output = 14, cached = 0.175, context = 128000,
  max_output = 16384, caps = { "tools", "vision", "structured_output" } }
price "openai/gpt-5.3-codex" { input = 1.75, output = 14, cached = 0.175, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.3-codex-spark" { input = 1.75, output = 14, cached = 0.175, context = 128000,
  max_output = 32000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" },
  date = "2026-07-02" }
price "openai/gpt-5.4" { input = 2.5, output = 15, cached = 0.25, when = { { above = 271999,
  input = 5, output = 22.5, cached = 0.5 } }, context = 1050000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.4-mini" { input = 0.75, output = 4.5, cached = 0.075, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.4-nano" { input = 0.2, output = 1.25, cached = 0.02, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.4-pro" { input = 30, output = 180, when = { { above = 271999, input = 60,
  output = 270 } }, context = 1050000, max_output = 128000,
  caps = { "tools", "vision", "reasoning", "no_temperature" } }
price "openai/gpt-5.5" { input = 5, output = 30, cached = 0.5, when = { { above = 271999,
  input = 10, output = 45, cached = 1 } }, context = 1050000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.5-pro" { input = 30, output = 180, when = { { above = 271999, input = 60,
  output = 270 } }, context = 1050000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/gpt-5.6-luna" { input = 0.2, output = 1.2, cached = 0.02, cache_write = 0.25,
  when = { { above = 271999, input = 0.4, output = 1.8, cached = 0.04, cache_write = 0.5 } },
  context = 1050000 }
price "openai/gpt-5.6-sol" { input = 4, output = 20, cached = 0.4, cache_write = 5,
  when = { { above = 271999, input = 8, output = 30, cached = 0.8, cache_write = 10 } },
  context = 1050000 }
price "openai/gpt-5.6-terra" { input = 2, output = 12, cached = 0.2, cache_write = 2.5,
  when = { { above = 271999, input = 4, output = 18, cached = 0.4, cache_write = 5 } },
  context = 1050000 }
price "openai/gpt-6-astra" { input = 10, output = 50, cached = 1, cache_write = 12.5,
  when = { { above = 271999, input = 20, output = 75, cached = 2, cache_write = 25 } },
  context = 1050000 }
price "openai/gpt-6-luna" { input = 0.1, output = 0.5, cached = 0.01, cache_write = 0.125,
  when = { { above = 272000, input = 0.2, output = 0.75, cached = 0.02, cache_write = 0.25 } },
  context = 1050000 }
price "openai/gpt-6-sol" { input = 2, output = 10, cached = 0.2, cache_write = 2.5,
  when = { { above = 272000, input = 4, output = 15, cached = 0.4, cache_write = 5 } },
  context = 1050000 }
price "openai/gpt-chat-latest" { input = 5, output = 30, cached = 0.5 }
price "openai/gpt-oss-120b" { input = 0.039, output = 0.18, context = 131072 }
price "openai/gpt-oss-20b" { input = 0.029, output = 0.14, context = 131072 }
price "openai/o1" { input = 15, output = 60, cached = 7.5, context = 200000, max_output = 100000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/o1-mini" { input = 1.1, output = 4.4, cached = 0.55, context = 128000 }
price "openai/o1-pro" { input = 150, output = 600, context = 200000, max_output = 100000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/o3" { input = 2, output = 8, cached = 0.5, context = 200000, max_output = 100000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openai/o3-deep-research" { input = 10, output = 40, cached = 2.5, context = 200000,
  max_output = 100000, caps = { "tools", "vision", "reasoning", "no_temperature" } }
price "openai/o3-mini" { input = 1.1, output = 4.4, cached = 0.55, context = 200000,
  max_output = 100000, caps = { "tools", "reasoning", "structured_output", "no_temperature" } }
price "openai/o3-pro" { input = 20, output = 80, context = 200000, max_output = 100000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/o4-mini" { input = 1.1, output = 4.4, cached = 0.275, context = 200000,
  max_output = 100000,
  caps = { "tools", "vision", "reasoning", "structured_output", "no_temperature" } }
price "openai/o4-mini-deep-research" { input = 2, output = 8, cached = 0.5, context = 200000,
  max_output = 100000, caps = { "tools", "vision", "reasoning", "no_temperature" } }
price "openai/gpt-3.5-turbo-instruct" { input = 1.5, output = 2, context = 16385,
  caps = { "completion" } }
price "openai/text-embedding-3-large" { input = 0.13, context = 8191,
  caps = { "embedding", "no_temperature" } }
price "openai/text-embedding-3-small" { input = 0.02, context = 8191,
  caps = { "embedding", "no_temperature" } }
price "openai/text-embedding-ada-002" { input = 0.1, context = 8192,
  caps = { "embedding", "no_temperature" } }
