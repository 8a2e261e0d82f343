-- Typos in the names of providers and models.
provider "openai" { key = env "OPENAI_API_KEY" }
target "openai/gpt-4o-mini" { weight = 2 }
model "fast" {
  "opnai/gpt-4o",
  "openai/gpt-4o-mni",
  "openai",
  "fast",
}
