-- Roots of another gateway, carried over.
model_list { { model_name = "gpt" } }
litellm_settings { num_retries = 3 }
general_settings { master_key = "sk-1234" }
router_settings { routing_strategy = "simple-shuffle" }
master_key = "sk-1234567890"
model "fast" { "openai/gpt-4o" }
provider "openai" { key = env "OPENAI_API_KEY" }
