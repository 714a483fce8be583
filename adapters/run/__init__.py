"""Who computes: worker, direct run, relay to far machines, and the supervisor over the processes."""
