-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "zai/glm-4.5" { input = 0.6, output = 2.2, cached = 0.11, cache_write = 0, context = 131072,
  max_output = 98304, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.5-air" { input = 0.2, output = 1.1, cached = 0.03, cache_write = 0,
  context = 131072, max_output = 98304, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.5-flash" { input = 0, output = 0, cached = 0, cache_write = 0, context = 131072,
  max_output = 98304, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.5v" { input = 0.6, output = 1.8, context = 64000, max_output = 16384,
  caps = { "tools", "vision", "video_in", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.6" { input = 0.6, output = 2.2, cached = 0.11, cache_write = 0, context = 204800,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.6v" { input = 0.3, output = 0.9, context = 128000, max_output = 32768,
  caps = { "tools", "vision", "video_in", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.7" { input = 0.6, output = 2.2, cached = 0.11, cache_write = 0, context = 204800,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.7-flash" { input = 0, output = 0, cached = 0, cache_write = 0, context = 200000,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-4.7-flashx" { input = 0.07, output = 0.4, cached = 0.01, cache_write = 0,
  context = 200000, max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-5" { input = 1, output = 3.2, cached = 0.2, cache_write = 0, context = 204800,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "zai/glm-5-turbo" { input = 1.2, output = 4, cached = 0.24, cache_write = 0,
  context = 200000, max_output = 131072, caps = { "tools", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "zai/glm-5.1" { input = 1.4, output = 4.4, cached = 0.26, cache_write = 0, context = 200000,
  max_output = 131072, caps = { "tools", "reasoning", "structured_output" }, date = "2026-07-02" }
price "zai/glm-5.2" { input = 1.4, output = 4.4, cached = 0.26, context = 1000000,
  max_output = 131072, caps = { "tools", "reasoning", "structured_output" } }
price "zai/GLM-5.2" { input = 1.4, output = 4.4, cached = 0.26, context = 1000000 }
price "zai/GLM-5.3" { input = 1.4, output = 4.4, cached = 0.26, context = 1000000 }
price "zai/glm-5.3" { input = 1.4, output = 4.4, cached = 0.26, context = 1000000 }
price "zai/GLM-5.3-Flash" { input = 0.075, output = 0.25, cached = 0.015, context = 1000000 }
price "zai/glm-5.3-flash" { input = 0.075, output = 0.25, cached = 0.015, context = 1000000 }
price "zai/glm-5v-turbo" { input = 1.2, output = 4, cached = 0.24, cache_write = 0,
  context = 200000, max_output = 131072,
  caps = { "tools", "vision", "pdf", "video_in", "reasoning" }, date = "2026-07-02" }
