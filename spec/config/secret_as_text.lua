local key = env "OPENAI_API_KEY"
provider "openai" { headers = { authorization = "Bearer " .. key } }
