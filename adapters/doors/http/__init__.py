"""The HTTP door: the native API, ComfyUI's protocol and a page. Runs without torch."""
