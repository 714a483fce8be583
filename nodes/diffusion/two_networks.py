"""Two models under one guidance: one predicts for the positive prompt, the other one for the negative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.passes import Network
from nodes.diffusion.regions import Placed
from nodes.hooks import NetworkPatches
from nodes.sampling_values import Guider
from nodes.values import Model

OPTION = "negative_model"
_NEGATIVE = 1  # the role's number, see nodes.diffusion.guidance


class TwoNetworks(Network):
    """``first`` predicts for every role but the negative one, ``second`` for that. Neither knows of the other."""

    def __init__(self, first: Network, second: Network) -> None:
        self._first, self._second = first, second

    def predict(
        self,
        roles: Mapping[int, Sequence[Placed] | None],
        x: Tensor,
        sigma: Tensor,
        patches: NetworkPatches | None = None,
    ) -> dict[int, Tensor]:
        """See :meth:`Network.predict`."""
        own = {role: entries for role, entries in roles.items() if role != _NEGATIVE}
        found = self._first.predict(own, x, sigma, patches) if own else {}
        if roles.get(_NEGATIVE) is not None:
            found |= self._second.predict({_NEGATIVE: roles[_NEGATIVE]}, x, sigma, patches)
        return found


def negative_model(guider: Guider) -> Model | None:
    """The model for the negative prompt, if ``guider`` has one of its own.

    Raises ``InputInvalid`` where it works on other latents than the guider's model.
    """
    model: Model | None = guider.options.get(OPTION)
    if model is not None and model.space != guider.model.space:
        raise InputInvalid(
            f"a model of {model.family.title} works on other latents than one of {guider.model.family.title}",
            input="model_negative",
            remedy="take two models of one family",
        )
    return model
