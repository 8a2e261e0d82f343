-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "anthropic/claude-3-5-haiku-latest" { input = 0.8, output = 4, cached = 0.08,
  cache_write = 1, cache_write_1h = 1.6, context = 200000 }
price "anthropic/claude-3-5-haiku-20241022" { input = 0.8, output = 4, cached = 0.08,
  cache_write = 1, cache_write_1h = 1.6, context = 200000 }
price "anthropic/claude-3-7-sonnet-20250219" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, cache_write_1h = 6, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-3-7-sonnet-latest" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, cache_write_1h = 6, context = 200000 }
price "anthropic/claude-3-haiku" { input = 0.25, output = 1.25, cached = 0.03, cache_write = 0.3,
  cache_write_1h = 0.5, context = 200000 }
price "anthropic/claude-3-haiku-20240307" { input = 0.25, output = 1.25, cached = 0.03,
  cache_write = 0.3, cache_write_1h = 0.5, context = 200000, max_output = 4096,
  caps = { "tools", "vision", "pdf" } }
price "anthropic/claude-fable-5" { input = 10, output = 50, cached = 1, cache_write = 12.5,
  cache_write_1h = 20, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "no_temperature" } }
price "anthropic/claude-fable-5-1" { input = 10, output = 50, cached = 0.25, cache_write = 12.5,
  cache_write_1h = 20, context = 1000000 }
price "anthropic/claude-haiku-4-5" { input = 1, output = 5, cached = 0.1, cache_write = 1.25,
  cache_write_1h = 2, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-haiku-4-5-20251001" { input = 1, output = 5, cached = 0.1,
  cache_write = 1.25, cache_write_1h = 2, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-0" { input = 15, output = 75, cached = 1.5, cache_write = 18.75,
  cache_write_1h = 30, context = 200000, max_output = 32000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-20250514" { input = 15, output = 75, cached = 1.5,
  cache_write = 18.75, cache_write_1h = 30, context = 200000, max_output = 32000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-1" { input = 15, output = 75, cached = 1.5, cache_write = 18.75,
  cache_write_1h = 30, context = 200000, max_output = 32000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-1-20250805" { input = 15, output = 75, cached = 1.5,
  cache_write = 18.75, cache_write_1h = 30, context = 200000, max_output = 32000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-5" { input = 5, output = 25, cached = 0.5, cache_write = 6.25,
  cache_write_1h = 10, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-5-20251101" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, cache_write_1h = 10, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-6" { input = 5, output = 25, cached = 0.5, cache_write = 6.25,
  cache_write_1h = 10, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-opus-4-7" { input = 5, output = 25, cached = 0.5, cache_write = 6.25,
  cache_write_1h = 10, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "no_temperature" } }
price "anthropic/claude-opus-4-8" { input = 5, output = 25, cached = 0.5, cache_write = 6.25,
  cache_write_1h = 10, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "no_temperature" } }
price "anthropic/claude-opus-5" { input = 5, output = 25, cached = 0.5, cache_write = 6.25,
  cache_write_1h = 10, context = 1000000 }
price "anthropic/claude-opus-5-5" { input = 4, output = 20, cached = 0.2, cache_write = 5,
  cache_write_1h = 8, context = 1000000 }
price "anthropic/claude-sonnet-4-0" { input = 3, output = 15, cached = 0.3, cache_write = 3.75,
  cache_write_1h = 6, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-sonnet-4-20250514" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, cache_write_1h = 6, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-sonnet-4-5" { input = 3, output = 15, cached = 0.3, cache_write = 3.75,
  cache_write_1h = 6, when = { { above = 200000, input = 6, output = 22.5, cached = 0.6,
  cache_write = 7.5, cache_write_1h = 12 } }, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-sonnet-4-5-20250929" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, cache_write_1h = 6, when = { { above = 200000, input = 6, output = 22.5,
  cached = 0.6, cache_write = 7.5, cache_write_1h = 12 } }, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-sonnet-4-6" { input = 3, output = 15, cached = 0.3, cache_write = 3.75,
  cache_write_1h = 6, context = 1000000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning" } }
price "anthropic/claude-sonnet-5" { input = 2, output = 10, cached = 0.2, cache_write = 2.5,
  cache_write_1h = 4, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "no_temperature" } }
