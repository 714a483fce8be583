"""UI-form workflows (LiteGraph JSON, what ComfyUI's front end saves) converted to API form (what it submits)."""

from engine.convert.prompt import Conversion, convert
from engine.notes import Note

__all__ = ["Conversion", "Note", "convert"]
