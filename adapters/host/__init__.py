"""What belongs to one machine: settings, logs, model files. Knows no job."""
