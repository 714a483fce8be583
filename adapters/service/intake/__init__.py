"""The input files of a job: taken as base64, data URL, address or upload, checked, stored, and put where nodes look."""
