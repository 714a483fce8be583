"""``modal deploy -m adapters.modal_app``: the name by which Modal finds ``adapters/doors/modal``."""

from adapters.doors.modal.app import app

__all__ = ["app"]
