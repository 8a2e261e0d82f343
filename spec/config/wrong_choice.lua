provider "openai" {
  key = env "OPENAI_API_KEY",
  auth = "berer",
  usage = "aks",
  mock = "sometimes",
  dialect = "opnai",
}
provider "x" { base = "http://127.0.0.1:1", api = "openai", dialect = "openai" }
provider "y" { base = "http://127.0.0.1:1", api = "grpc" }
model "fast" { "openai/gpt-4o" }
