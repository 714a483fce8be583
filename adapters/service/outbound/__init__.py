"""HTTP to addresses that users give (URL inputs, webhooks): to public hosts and those that the operator lists."""
