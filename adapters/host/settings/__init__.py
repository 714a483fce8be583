"""Settings from the environment (``DAGFUSION_*``); nothing else reads the environment."""

from adapters.host.settings.environment import (
    environment_and,
    environment_passed_on,
    environment_with,
    keep_compiled_code_in,
    let_waiting_threads_sleep,
)
from adapters.host.settings.service import EMBEDDED_MODELS, MIB, Settings, read_settings

__all__ = [
    "EMBEDDED_MODELS",
    "MIB",
    "Settings",
    "environment_and",
    "environment_passed_on",
    "environment_with",
    "keep_compiled_code_in",
    "let_waiting_threads_sleep",
    "read_settings",
]
