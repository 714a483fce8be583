"""The worker process: takes jobs from the queue, runs them in the engine, and records what happens."""
