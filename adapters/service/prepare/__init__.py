"""From an outside workflow, or plain parameters, to a checked prompt, for every door."""
