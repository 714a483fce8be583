"""Puts a request's texts (its workflow) into copies of files that are encoded already; nothing is encoded again."""
