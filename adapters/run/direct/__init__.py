"""Runs jobs in this process: a job document goes in, messages come out. No queue, no database."""
