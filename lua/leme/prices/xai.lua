-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "xai/grok-3" { input = 3, output = 15, cached = 0.75, context = 131072 }
price "xai/grok-3-mini" { input = 0.3, output = 0.5, cached = 0.075, context = 131072 }
price "xai/grok-4-0709" { input = 3, output = 15, cached = 0.75, context = 256000 }
price "xai/grok-4-1-fast-non-reasoning" { input = 0.2, output = 0.5, cached = 0.05,
  context = 2000000 }
price "xai/grok-4-1-fast-reasoning" { input = 0.2, output = 0.5, cached = 0.05,
  context = 2000000 }
price "xai/grok-4-fast-non-reasoning" { input = 0.2, output = 0.5, cached = 0.05,
  context = 2000000 }
price "xai/grok-4-fast-reasoning" { input = 0.2, output = 0.5, cached = 0.05, context = 2000000 }
price "xai/grok-4.20" { input = 1.25, output = 2.5, cached = 0.2, when = { { above = 199999,
  input = 2.5, output = 5, cached = 0.4 } }, context = 1000000 }
price "xai/grok-4.20-0309-non-reasoning" { input = 1.25, output = 2.5, cached = 0.2,
  when = { { above = 200000, input = 2.5, output = 5, cached = 0.4 } }, context = 1000000,
  max_output = 30000, caps = { "tools", "vision", "pdf", "structured_output" },
  date = "2026-07-02" }
price "xai/grok-4.20-0309-reasoning" { input = 1.25, output = 2.5, cached = 0.2,
  when = { { above = 200000, input = 2.5, output = 5, cached = 0.4 } }, context = 1000000,
  max_output = 30000, caps = { "tools", "vision", "pdf", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "xai/grok-4.20-multi-agent" { input = 2, output = 6, cached = 0.2, context = 1000000 }
price "xai/grok-4.20-multi-agent-0309" { input = 1.25, output = 2.5, cached = 0.2,
  when = { { above = 200000, input = 2.5, output = 5, cached = 0.4 } }, context = 1000000,
  max_output = 30000, caps = { "vision", "pdf", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "xai/grok-4.3" { input = 1.25, output = 2.5, cached = 0.2, when = { { above = 199999,
  input = 2.5, output = 5, cached = 0.4 } }, context = 1000000, max_output = 30000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "xai/grok-4.5" { input = 2, output = 6, cached = 0.3, when = { { above = 199999, input = 4,
  output = 12, cached = 0.6 } }, context = 500000 }
price "xai/grok-4.6" { input = 2, output = 6, cached = 0.5, when = { { above = 199999, input = 4,
  output = 12, cached = 1 } }, context = 500000 }
price "xai/grok-build-0.1" { input = 1, output = 2, cached = 0.2, when = { { above = 199999,
  input = 2, output = 4, cached = 0.4 } }, context = 256000, max_output = 256000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "xai/grok-code-fast-1" { input = 0.2, output = 1.5, cached = 0.02, context = 256000 }
