provider "openai" { key = env "OPENAI_API_KEY" }
while true do end
