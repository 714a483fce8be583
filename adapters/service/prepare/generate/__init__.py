"""Pictures by plain parameters: builds the workflow that somebody who knows nodes would have drawn."""
