"""What makes masks: our own cut, alone or guided by the model in the box, or a user's library."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from data_prep.auto_mask.cutout import pieces
from data_prep.auto_mask.cutout.confidence import Confidence
from data_prep.auto_mask.cutout.cut import Cut, cut

ENGINES = ("cutout", "cutout_strict", "guided", "rembg")
Engine = Callable[[np.ndarray], Cut]  # uint8 [height, width, 3], BGR -> Cut


def load_engine(name: str) -> Engine:
    """Loads an engine.

    Raises:
        ValueError: There is no such engine, or its library or weights are missing.
    """
    if name == "cutout":
        return cut
    if name == "cutout_strict":
        return partial(cut, strict=True)
    if name == "guided":
        return _load_guided()
    if name == "rembg":
        return _load_rembg()
    raise ValueError(f"--engine={name}: no such engine; expected one of {', '.join(ENGINES)}.")


def _load_guided() -> Engine:
    # Not imported above: Beam's workers have no model, and fewer libraries.
    from data_prep.auto_mask.guided import GuidedCut
    from tfseg.zoo import packaged_models

    packaged_models.saved_model()  # made before many processes want it
    return GuidedCut()


def _load_rembg() -> Engine:
    try:
        import rembg
    except ImportError as error:
        raise ValueError(
            "--engine=rembg: the library is not installed; run pip install 'rembg[cpu]', or use "
            "--engine=cutout, which needs no weights."
        ) from error
    try:
        session = rembg.new_session()
    except Exception as error:  # downloads its weights, with many kinds of errors
        raise ValueError(
            f"--engine=rembg: its weights cannot be loaded ({error}); put them into ~/.u2net, or "
            "use --engine=cutout, which needs none."
        ) from error

    def cut_by_rembg(photo: np.ndarray) -> Cut:
        alpha = np.asarray(rembg.remove(photo[..., ::-1].copy(), session=session, only_mask=True))
        return judged_by_cut(photo, (alpha > 127).astype(np.uint8))

    return cut_by_rembg


def judged_by_cut(photo: np.ndarray, mask: np.ndarray) -> Cut:
    """A foreign mask (uint8 [height, width] of 0 and 1), trusted as far as our own cut agrees."""
    mask = pieces.drop_crumbs(mask)
    own = cut(photo)
    union = np.count_nonzero(mask | own.mask)
    if not mask.any():
        return replace(own, mask=mask, products=[], confidence=_NOTHING)
    agreement = np.count_nonzero(mask & own.mask) / union
    reasons = () if agreement >= 0.93 else ("engines_disagree",)
    confidence = Confidence(max(0.0, min(1.0, 5 * (agreement - 0.8))), reasons, {})
    return Cut(mask, pieces.split_products(mask), confidence)


_NOTHING = Confidence(0.0, ("no_clear_product",), {})
