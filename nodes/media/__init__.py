"""The one reader and the one writer of films and sound; each submodule is imported when it is first used.

docs/media.md has the rules that they keep: orientation, colour, time, sound.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
