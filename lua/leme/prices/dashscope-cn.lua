-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "dashscope-cn/deepseek-r1" { input = 0.574, output = 2.294, context = 131072,
  max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-r1-0528" { input = 0.574, output = 2.294, context = 131072,
  max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v3" { input = 0.287, output = 1.147, context = 65536,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v3-1" { input = 0.574, output = 1.721, context = 131072,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v3.1" { input = 0.574, output = 1.721, context = 131072,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v3-2-exp" { input = 0.287, output = 0.431, context = 131072,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v3.2-exp" { input = 0.287, output = 0.431, context = 131072,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/deepseek-v4-flash" { input = 0.14, output = 0.28, cached = 0.0028,
  context = 1000000, max_output = 384000, caps = { "tools", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-cn/deepseek-v4-pro" { input = 0.435, output = 0.87, cached = 0.003625,
  context = 1000000, max_output = 384000, caps = { "tools", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-cn/glm-5" { input = 0.86, output = 3.15, context = 202752, max_output = 16384,
  caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/glm-5.1" { input = 0.87, output = 3.48, cached = 0.17, context = 202752,
  max_output = 128000, caps = { "tools", "reasoning", "structured_output" }, date = "2026-07-02" }
price "dashscope-cn/kimi-k2-thinking" { input = 0.574, output = 2.294, context = 262144,
  max_output = 16384, caps = { "tools", "reasoning", "structured_output" }, date = "2026-07-02" }
price "dashscope-cn/kimi-k2.5" { input = 0.574, output = 2.411, context = 262144,
  max_output = 32768, caps = { "tools", "vision", "video_in", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/kimi-k2.6" { input = 0.929, output = 3.858, context = 262144,
  max_output = 16384, caps = { "tools", "vision", "video_in", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/kimi/kimi-k2.5" { input = 0.6, output = 3, cached = 0.1, context = 262144,
  max_output = 262144,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output", "no_temperature" },
  date = "2026-07-02" }
price "dashscope-cn/MiniMax-M2.5" { input = 0.3, output = 1.2, context = 204800,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/minimax-m2.5" { input = 0.3, output = 1.2, context = 204800,
  max_output = 131072, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/MiniMax/MiniMax-M2.7" { input = 0.3, output = 1.2, cached = 0.06,
  cache_write = 0.375, context = 204800, max_output = 131072, caps = { "tools", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/minimax/minimax-m2.7" { input = 0.3, output = 1.2, cached = 0.06,
  cache_write = 0.375, context = 204800, max_output = 131072, caps = { "tools", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/moonshot-kimi-k2-instruct" { input = 0.574, output = 2.294, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qvq-max" { input = 1.147, output = 4.588, context = 131072, max_output = 8192,
  caps = { "tools", "vision", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen-deep-research" { input = 7.742, output = 23.367, context = 1000000,
  max_output = 32768, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen-doc-turbo" { input = 0.087, output = 0.144, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen-flash" { input = 0.022, output = 0.216, context = 1000000,
  max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen-long" { input = 0.072, output = 0.287, context = 10000000,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen-max" { input = 0.345, output = 1.377, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen-plus" { input = 0.115, output = 0.287, thinking = 1.147,
  context = 1000000, max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen-turbo" { input = 0.044, output = 0.087, thinking = 0.431,
  context = 1000000, max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen-vl-max" { input = 0.23, output = 0.574, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen-vl-plus" { input = 0.115, output = 0.287, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-14b-instruct" { input = 0.144, output = 0.431, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-14b-instruct" { input = 0.144, output = 0.431, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-32b-instruct" { input = 0.287, output = 0.861, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-32b-instruct" { input = 0.287, output = 0.861, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-72b-instruct" { input = 0.574, output = 1.721, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-72b-instruct" { input = 0.574, output = 1.721, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-7b-instruct" { input = 0.072, output = 0.144, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-7b-instruct" { input = 0.072, output = 0.144, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-vl-72b-instruct" { input = 2.294, output = 6.881, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-vl-72b-instruct" { input = 2.294, output = 6.881, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen2-5-vl-7b-instruct" { input = 0.287, output = 0.717, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen2.5-vl-7b-instruct" { input = 0.287, output = 0.717, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-14b" { input = 0.144, output = 0.574, thinking = 1.434,
  context = 131072, max_output = 8192, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-235b-a22b" { input = 0.287, output = 1.147, thinking = 2.868,
  context = 131072, max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-32b" { input = 0.287, output = 1.147, thinking = 2.868,
  context = 131072, max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-8b" { input = 0.072, output = 0.287, thinking = 0.717, context = 131072,
  max_output = 8192, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-coder-30b-a3b-instruct" { input = 0.216, output = 0.861,
  context = 262144, max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-coder-480b-a35b-instruct" { input = 0.861, output = 3.441,
  context = 262144, max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-coder-flash" { input = 0.144, output = 0.574, context = 1000000,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-coder-plus" { input = 1, output = 5, context = 1048576,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-max" { input = 0.861, output = 3.441, context = 262144,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-next-80b-a3b-instruct" { input = 0.144, output = 0.574,
  context = 131072, max_output = 32768, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-next-80b-a3b-thinking" { input = 0.144, output = 1.434,
  context = 131072, max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3-vl-235b-a22b" { input = 0.286705, output = 1.14682, thinking = 2.867051,
  context = 131072, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3-vl-30b-a3b" { input = 0.108, output = 0.431, thinking = 1.076,
  context = 131072, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3-vl-plus" { input = 0.143353, output = 1.433525, thinking = 4.300576,
  context = 262144, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.5-397b-a17b" { input = 0.43, output = 2.58, thinking = 2.58,
  context = 262144, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.5-flash" { input = 0.172, output = 1.72, thinking = 1.72,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.5-plus" { input = 0.573, output = 3.44, thinking = 3.44,
  context = 1000000, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.6-flash" { input = 0.1875, output = 1.125, cache_write = 0.234375,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.6-max-preview" { input = 1.32, output = 7.9, cached = 0.132,
  context = 245800, max_output = 65536, caps = { "tools", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.6-plus" { input = 0.5, output = 3, cached = 0.05, cache_write = 0.625,
  when = { { above = 256000, input = 2, output = 6, cached = 0.2, cache_write = 2.5 } },
  context = 1000000, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwen3.7-max" { input = 2.5, output = 7.5, cached = 0.5, cache_write = 3.125,
  context = 1000000, max_output = 65536, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-cn/qwen3.7-plus" { input = 0.5, output = 3, cached = 0.05, cache_write = 0.625,
  when = { { above = 128000, input = 2, output = 6, cached = 0.2, cache_write = 2.5 } },
  context = 1000000, max_output = 64000, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-cn/qwq-plus" { input = 0.23, output = 0.574, context = 131072, max_output = 8192,
  caps = { "tools", "reasoning" }, date = "2026-07-02" }
