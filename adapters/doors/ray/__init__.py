"""The parts of the Ray Serve application: the API with its relay, and the replicas that compute."""
