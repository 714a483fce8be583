"""The parts that diffusion nodes call; each submodule is imported when it is first used, since they need torch."""

import lazy_loader as lazy

from nodes.diffusion import deferred_imports

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

deferred_imports.install()
