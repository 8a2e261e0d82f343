provider "openai"
target "openai/gpt-4o"
model "fast"
