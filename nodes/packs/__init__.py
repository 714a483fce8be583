"""ComfyUI's node packs, unmodified, as node classes (docs/packs.md)."""
