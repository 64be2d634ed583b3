"""Which clips share a call of the model.

A batch costs as much as its longest clip times their number, so neighbours in length go together;
and the clip that has waited longest is in the next batch, so none is left behind.
"""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass

from services.audio.clips import Clip
from services.jobs.recording import Recording, Slot


@dataclass(frozen=True, eq=False)
class Piece:
    """A clip and the recording that it belongs to."""

    recording: Recording
    clip: Clip
    slot: Slot


class Window:
    """The clips that wait for the model."""

    def __init__(self) -> None:
        self._arrived: deque[Piece] = deque()
        self._by_length: list[Piece] = []
        self.seconds = 0.0
        """Length of the clips in it."""

    def __len__(self) -> int:
        return len(self._arrived)

    def add(self, piece: Piece) -> None:
        """Let a clip wait."""
        self._arrived.append(piece)
        bisect.insort(self._by_length, piece, key=_seconds)
        self.seconds += piece.clip.seconds

    def take(self, most_seconds: float) -> list[Piece]:
        """Take the clip that has waited longest, and with it those nearest to it in length.

        Together they are `most_seconds` long at most, padding included, or one clip. Clips of
        recordings that are over are left out. The longest comes first; empty when none waits.
        """
        self._drop_over()
        if not self._arrived:
            return []
        oldest = self._arrived[0]
        clips = self._by_length
        low = bisect.bisect_left(clips, oldest.clip.seconds, key=_seconds)
        low = next(i for i in range(low, len(clips)) if clips[i] is oldest)
        high = low + 1
        while True:
            room = int(most_seconds / clips[high - 1].clip.seconds)
            # A longer one makes all others longer, a shorter one is made longer itself.
            longer = clips[high].clip.seconds if high < len(clips) else float("inf")
            shorter = clips[low - 1].clip.seconds if low > 0 else 0.0
            fits_longer = longer * (high - low + 1) <= most_seconds
            if (
                low > 0
                and room > high - low
                and (
                    not fits_longer
                    or clips[high - 1].clip.seconds - shorter
                    <= (longer - clips[high - 1].clip.seconds)
                )
            ):
                low -= 1
            elif fits_longer:
                high += 1
            else:
                break
        taken = clips[low:high]
        del clips[low:high]
        chosen = set(map(id, taken))
        self._arrived = deque(piece for piece in self._arrived if id(piece) not in chosen)
        self.seconds -= sum(piece.clip.seconds for piece in taken)
        return taken[::-1]

    def _drop_over(self) -> None:
        if any(piece.recording.over for piece in self._arrived):
            kept = [piece for piece in self._arrived if not piece.recording.over]
            self._arrived = deque(kept)
            self._by_length = sorted(kept, key=_seconds)
            self.seconds = sum(piece.clip.seconds for piece in kept)


def _seconds(piece: Piece) -> float:
    return piece.clip.seconds
