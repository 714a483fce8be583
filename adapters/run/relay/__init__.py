"""Has jobs of the queue run far away: claims them here, sends them as documents, records what comes back."""
