"""RunPod's queue: jobs come from its platform, one reply or stream goes back. Only the door itself imports its SDK."""
