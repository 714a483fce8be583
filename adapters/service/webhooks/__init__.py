"""Telling others what became of a job: signed messages from the outbox, sent until they are taken or given up."""
