"""Changes to how a model samples: hooks into its UNet and into how its predictions are combined."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
