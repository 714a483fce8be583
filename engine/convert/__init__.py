"""UI-form workflows (LiteGraph JSON, what ComfyUI's front end saves) converted to API form (what it submits)."""

from engine.convert.notes import Note
from engine.convert.prompt import Conversion, convert

__all__ = ["Conversion", "Note", "convert"]
