"""What a sender says of a file: the header `Upload-Metadata` of the tus protocol."""

from __future__ import annotations

import base64

LONGEST = 16_000


def parse(header: str) -> dict[str, str]:
    """Return its pairs: keys, and their values, which are in Base64 and in UTF-8 there.

    Raises:
        ValueError: it is of another form, or longer than anybody needs.
    """
    if len(header) > LONGEST:
        raise ValueError("The upload's metadata is too long.")
    pairs = [pair.strip().partition(" ") for pair in header.split(",") if pair.strip()]
    try:
        return {
            key: base64.b64decode(value.strip(), validate=True).decode() for key, _, value in pairs
        }
    except ValueError:  # also what the decoding of UTF-8 raises
        raise ValueError("The upload's metadata is not Base64 of UTF-8.") from None
