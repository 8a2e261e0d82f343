-- camelCase drift.
provider "openai" {
  baseUrl = "https://api.openai.com/v1",
  apiKey = env "OPENAI_API_KEY",
  extraHeaders = {},
}
service "facts" { base = "http://127.0.0.1:9000", timeoutMs = 500 }
target "openai/gpt-4o" { maxInFlight = 3, contextWindow = 128000 }
model "fast" { "openai/gpt-4o", maxAttempts = 2 }
settings { idleTimeoutMs = 5000, logLevel = "info" }
