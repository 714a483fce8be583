"""Text encoders from files of their own or from a whole checkpoint: by what they are, which family reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import ModelUnreadable
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.family import EncoderKind, Family, TextSet
from nodes.families.found import encoder_kinds, families
from nodes.families.marks import Shapes, any_fits
from nodes.values import Clip


def load_clip(paths: Sequence[Path], type: str = "") -> Clip:
    """The encoders in the files, in any order, as the family reads them whose set they are.

    ``type``: the loader's; it decides where several families read the same encoders. Raises ``ModelUnreadable`` for
    files that hold no encoder, or encoders that no family reads together.
    """
    views: dict[str, WeightView] = {}
    for path in paths:
        view = WeightFile(path).view("")
        kind = _kind_of(view)
        if kind.name in views:
            raise ModelUnreadable(
                f"'{views[kind.name].file.path.name}' and '{path.name}' are both a {kind.title}",
                remedy="take one file of each kind",
            )
        views[kind.name] = view
    return _clip(*_reader(views, type), views)


def clip_in(file: WeightFile, family: Family) -> Clip | None:
    """The encoders of a whole checkpoint: the largest of the family's sets that is all there, or None."""
    for texts in sorted(family.texts, key=lambda each: -len(each.encoders)):
        views = {kind: file.view(*texts.prefixes.get(kind, ("\0",))) for kind in texts.encoders}
        if all(views.values()):
            return _clip(family, texts, views)
    return None


def encoder_kind(shapes: Shapes) -> EncoderKind | None:
    """Which kind of encoder a file with these tensors is."""
    return next((kind for kind in encoder_kinds().values() if any_fits(kind.marks, shapes)), None)


def _kind_of(view: WeightView) -> EncoderKind:
    kind = encoder_kind(view.shapes)
    if kind is None:
        known = ", ".join(kind.title for kind in encoder_kinds().values())
        raise ModelUnreadable(
            f"'{view.file.path.name}' holds no text encoder of a kind that is known{what_it_is(view.file)}",
            input="clip_name",
            remedy=f"the kinds are {known}",
        )
    return kind


def _reader(views: Mapping[str, WeightView], type: str) -> tuple[Family, TextSet]:
    """Who reads these encoders: the family that ``type`` means, or else the one that reads them whatever it says."""
    fitting = [(family, texts) for family, texts in _text_sets() if set(texts.encoders) == views.keys()]
    for family, texts in fitting:
        if type in texts.types:
            return family, texts
    for family, texts in fitting:
        if not texts.types:
            return family, texts
    raise _unread(views, type, fitting)


def _unread(views: Mapping[str, WeightView], type: str, fitting: Iterable[tuple[Family, TextSet]]) -> ModelUnreadable:
    kinds = " and ".join(encoder_kinds()[kind].title for kind in views)
    files = " and ".join(f"'{view.file.path.name}'" for view in views.values())
    types = sorted({each for _, texts in fitting for each in texts.types})
    if types:
        return ModelUnreadable(
            f"{files}: {kinds} cannot be read for models of type '{type}'",
            input="type",
            remedy=f"types that are read by these encoders: {', '.join(types)}",
        )
    wanted = "; ".join(
        f"{family.title} reads {' and '.join(encoder_kinds()[kind].title for kind in texts.encoders)}"
        for family, texts in _text_sets()
        if type in texts.types or views.keys() & set(texts.encoders)
    )
    return ModelUnreadable(f"{files}: no family is read by {kinds} together", remedy=wanted)


def _text_sets() -> Iterator[tuple[Family, TextSet]]:
    return ((family, texts) for family in families().values() for texts in family.texts)


def _clip(family: Family, texts: TextSet, views: Mapping[str, WeightView]) -> Clip:
    weights = tuple(encoder_kinds()[kind].part.load(views[kind], kind) for kind in texts.encoders)
    return Clip(weights, texts.encoders, family, texts.name)
