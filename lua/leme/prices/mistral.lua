-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "mistral/codestral-2508" { input = 0.3, output = 0.9, cached = 0.03, context = 256000 }
price "mistral/codestral-latest" { input = 0.3, output = 0.9, context = 256000, max_output = 4096,
  caps = { "tools" } }
price "mistral/devstral-2512" { input = 0.4, output = 2, cached = 0.04, context = 262144,
  max_output = 262144, caps = { "tools" } }
price "mistral/devstral-latest" { input = 0.4, output = 2, context = 262144, max_output = 262144,
  caps = { "tools" }, date = "2026-07-02" }
price "mistral/devstral-medium-2507" { input = 0.4, output = 2, context = 128000,
  max_output = 128000, caps = { "tools" }, date = "2026-07-02" }
price "mistral/devstral-medium-latest" { input = 0.4, output = 2, context = 262144,
  max_output = 262144, caps = { "tools" }, date = "2026-07-02" }
price "mistral/devstral-small-2505" { input = 0.1, output = 0.3, context = 128000,
  max_output = 128000, caps = { "tools" } }
price "mistral/devstral-small-2507" { input = 0.1, output = 0.3, context = 128000,
  max_output = 128000, caps = { "tools" } }
price "mistral/labs-devstral-small-2512" { input = 0.1, output = 0.3, context = 256000,
  max_output = 256000, caps = { "tools", "vision" } }
price "mistral/magistral-medium-latest" { input = 2, output = 5, context = 128000,
  max_output = 16384, caps = { "tools", "reasoning" } }
price "mistral/magistral-small" { input = 0.5, output = 1.5, context = 128000,
  max_output = 128000, caps = { "tools", "reasoning" } }
price "mistral/ministral-14b-2512" { input = 0.2, output = 0.2, cached = 0.02, context = 262144 }
price "mistral/ministral-3b-2512" { input = 0.1, output = 0.1, cached = 0.01, context = 131072 }
price "mistral/ministral-3b-latest" { input = 0.04, output = 0.04, context = 128000,
  max_output = 128000, caps = { "tools" }, date = "2026-07-02" }
price "mistral/ministral-8b-2512" { input = 0.15, output = 0.15, cached = 0.015,
  context = 262144 }
price "mistral/ministral-8b-latest" { input = 0.15, output = 0.15, cached = 0.015,
  context = 128000, max_output = 128000, caps = { "tools" } }
price "mistral/mistral-large-2411" { input = 2, output = 6, context = 131072, max_output = 16384,
  caps = { "tools" } }
price "mistral/mistral-large-2512" { input = 0.5, output = 1.5, cached = 0.05, context = 262144,
  max_output = 262144, caps = { "tools", "vision" } }
price "mistral/mistral-large-latest" { input = 2, output = 6, context = 262144,
  max_output = 262144, caps = { "tools", "vision" } }
price "mistral/mistral-medium-2505" { input = 0.4, output = 2, cached = 0.04, context = 131072,
  max_output = 131072, caps = { "tools", "vision" } }
price "mistral/mistral-medium-2508" { input = 0.4, output = 2, cached = 0.04, context = 262144,
  max_output = 262144, caps = { "tools", "vision" } }
price "mistral/mistral-medium-2604" { input = 1.5, output = 7.5, context = 262144,
  max_output = 262144, caps = { "tools", "vision", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "mistral/mistral-medium-3-1" { input = 0.4, output = 2, cached = 0.04 }
price "mistral/mistral-medium-3-5" { input = 1.5, output = 7.5, cached = 0.15, context = 262144 }
price "mistral/mistral-medium-latest" { input = 1.5, output = 7.5, cached = 0.15,
  context = 262144, max_output = 262144, caps = { "tools", "vision" } }
price "mistral/mistral-small-2506" { input = 0.1, output = 0.3, context = 128000,
  max_output = 16384, caps = { "tools", "vision" }, date = "2026-07-02" }
price "mistral/mistral-small-2603" { input = 0.15, output = 0.6, cached = 0.015, context = 256000,
  max_output = 256000, caps = { "tools", "vision", "reasoning" } }
price "mistral/mistral-small-latest" { input = 0.1, output = 0.3, context = 256000,
  max_output = 256000, caps = { "tools", "vision", "reasoning" } }
price "mistral/pixtral-12b" { input = 0.15, output = 0.15, context = 128000, max_output = 128000,
  caps = { "tools", "vision" } }
price "mistral/pixtral-large-latest" { input = 2, output = 6, context = 128000,
  max_output = 128000, caps = { "tools", "vision" } }
price "mistral/voxtral-small-24b-2507" { input = 0.1, output = 0.4, cached = 0.01,
  context = 32768 }
price "mistral/codestral-embed" { input = 0.15, context = 8192, caps = { "embedding" },
  date = "2025-10-01" }
price "mistral/mistral-embed" { input = 0.1, output = 0.1, context = 8000,
  caps = { "embedding", "no_temperature" } }
