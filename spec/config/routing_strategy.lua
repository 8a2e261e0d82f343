-- An unknown routing strategy was ignored elsewhere.
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" {
  "openai/gpt-4o",
  routing_strategy = "latency-based",
}
settings { routing_strategy = "least-busy", num_retries = 2 }
