"""The supervisor of ``dagfusion serve``: starts the web process and the workers, and starts again what dies."""
