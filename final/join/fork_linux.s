// This file is empty: it lets fork.go declare functions whose bodies are in the runtime of Go.
