"""Media files as people have them: made, and read by this project, the ffmpeg program and a ComfyUI."""
