"""``serve run adapters.ray_serve:app``: the name by which Ray Serve finds ``adapters/doors/ray``."""

from adapters.doors.ray.app import app

__all__ = ["app"]
