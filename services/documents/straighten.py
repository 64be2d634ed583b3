"""Turns the image of a page upright and straight, so that its lines of text are level.

Level lines make rows of ink and rows of white: of all angles the right one makes the sums over
rows differ most (projection profiles, Postl 1986).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

_WORKING = 900
"""Pixels along the longer side of the small image that angles are tried on."""
_LARGEST = 8.0
"""Degrees by which a sheet may lie askew."""
_CLEARLY = 1.3


@dataclass(frozen=True)
class Straightened:
    """A greyscale image (height x width, uint8) and how it was turned.

    Attributes:
        quarters: Quarter turns, against the clock.
        degrees: The rest of the turn, against the clock.
        shape: Height and width of the image before.
    """

    pixels: Any
    quarters: int
    degrees: float
    shape: tuple[int, int]

    def turned(self, quarters: int) -> Straightened:
        """Return the image turned by so many more quarters, against the clock."""
        return Straightened(
            np.ascontiguousarray(np.rot90(self.pixels, quarters)),
            (self.quarters + quarters) % 4,
            self.degrees,
            self.shape,
        )

    def on_page(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """Return the box on the image as it was before that holds a box on this one."""
        height, width = self.pixels.shape
        before_high, before_wide = self.shape
        angle = math.radians(self.degrees + 90 * self.quarters)
        cos, sin = math.cos(angle), math.sin(angle)
        xs, ys = [], []
        for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
            dx, dy = x - width / 2, y - height / 2
            xs.append(cos * dx - sin * dy + before_wide / 2)
            ys.append(sin * dx + cos * dy + before_high / 2)
        return min(xs), min(ys), max(xs), max(ys)


def straighten(pixels: Any) -> Straightened:
    """Return the image (height x width, uint8) with level lines; it may stand on its head."""
    ink = _ink(pixels)
    quarters = 1 if _contrast(ink.T) > _CLEARLY * _contrast(ink) and _levels(ink) else 0
    turned = np.rot90(pixels, quarters)
    degrees = _skew(np.rot90(ink, quarters))
    if abs(degrees) >= 0.1:
        image = Image.fromarray(np.ascontiguousarray(turned))
        turned = np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255))
    else:
        degrees = 0.0
    return Straightened(np.ascontiguousarray(turned), quarters, degrees, pixels.shape)


def _ink(pixels: Any) -> Any:
    """Return a small image (float32) of 1 where there is ink and 0 where there is paper."""
    image = Image.fromarray(pixels)
    image.thumbnail((_WORKING, _WORKING), Image.Resampling.BOX)
    small = np.asarray(image, dtype=np.float32)
    return (small < small.mean() - 0.5 * small.std() - 5).astype(np.float32)


def _contrast(ink: Any) -> float:
    """Return how much neighbouring rows differ in their ink."""
    sums = ink.sum(axis=1)
    return float(np.square(np.diff(sums)).sum() / max(ink.shape[1], 1))


def _levels(ink: Any) -> bool:
    """Whether no small angle makes the rows as different as the columns are."""
    askew = max(_contrast(_rotated(ink, degrees)) for degrees in (-4.0, -2.0, 2.0, 4.0))
    return _contrast(ink.T) > _CLEARLY * askew


def _skew(ink: Any) -> float:
    """Return the degrees, against the clock, by which the image has to be turned."""
    coarse = np.arange(-_LARGEST, _LARGEST + 0.1, 1.0)
    best = max(coarse, key=lambda degrees: _contrast(_rotated(ink, degrees)))
    fine = np.arange(best - 0.9, best + 0.95, 0.1)
    found = max(fine, key=lambda degrees: _contrast(_rotated(ink, degrees)))
    gain = _contrast(_rotated(ink, found)) / max(_contrast(ink), 1e-9)
    return float(found) if gain > 1.05 else 0.0


def _rotated(ink: Any, degrees: float) -> Any:
    image = Image.fromarray(ink)
    return np.asarray(image.rotate(float(degrees), Image.Resampling.BILINEAR))
