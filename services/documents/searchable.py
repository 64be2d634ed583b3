"""Invisible text over the image of a page, so that a scan can be searched and copied from."""

from __future__ import annotations

from typing import Any

from pypdf import PageObject, PdfWriter, Transformation
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from services.documents.document import Page

_NAME = "/ScriptoriumOCR"
_WIDTH = 0.5
"""Width of every character of the font, in its size."""


class TextLayer:
    """Lays text over pages of one file.

    The font has no shapes and one width: text in rendering mode 3 (ISO 32000-1, 9.3.6) is not
    drawn. Its codes are UTF-16 and its map to Unicode says so.
    """

    def __init__(self, writer: PdfWriter) -> None:
        self._font = writer._add_object(_font(writer))

    def lay(self, page: Page, target: PageObject) -> None:
        """Add the lines of `page`, each stretched over its box, to a page of the file."""
        content = DecodedStreamObject()
        content.set_data(_content(page))
        # As a page of its own, so that pypdf renames what both use.
        layer = PageObject.create_blank_page(width=page.width, height=page.height)
        layer[NameObject("/Contents")] = content
        fonts = DictionaryObject({NameObject(_NAME): self._font})
        layer[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        box = target.cropbox
        turned = Transformation().rotate(target.rotation)
        wide, high = float(box.width), float(box.height)
        moved = {90: (wide, 0.0), 180: (wide, high), 270: (0.0, high)}.get(
            target.rotation % 360, (0.0, 0.0)
        )
        place = turned.translate(float(box.left) + moved[0], float(box.bottom) + moved[1])
        target.merge_transformed_page(layer, place, over=True)


def _content(page: Page) -> bytes:
    lines = [b"BT 3 Tr"]
    for text, box in zip(page.text.split("\n"), page.boxes, strict=False):
        if box is None or not text.strip():
            continue
        left, top, right, bottom = box[:4]
        size = max(bottom - top, 1.0)
        stretch = 100 * (right - left) / (len(text) * _WIDTH * size)
        code = text.encode("utf-16-be").hex()
        line = (
            f"{_NAME} {size:.2f} Tf {stretch:.2f} Tz "
            f"1 0 0 1 {left:.2f} {page.height - bottom + 0.2 * size:.2f} Tm <{code}> Tj"
        )
        lines.append(line.encode())
    return b"\n".join([*lines, b"ET"])


def _font(writer: PdfWriter) -> DictionaryObject:
    system = {
        "/Registry": TextStringObject("Adobe"),
        "/Ordering": TextStringObject("Identity"),
        "/Supplement": NumberObject(0),
    }
    descriptor = _dictionary(
        Type=NameObject("/FontDescriptor"),
        FontName=NameObject(_NAME),
        Flags=NumberObject(4),
        FontBBox=ArrayObject([NumberObject(v) for v in (0, -200, 500, 800)]),
        ItalicAngle=NumberObject(0),
        Ascent=NumberObject(800),
        Descent=NumberObject(-200),
        CapHeight=NumberObject(700),
        StemV=NumberObject(80),
    )
    glyphs = _dictionary(
        Type=NameObject("/Font"),
        Subtype=NameObject("/CIDFontType2"),
        BaseFont=NameObject(_NAME),
        CIDSystemInfo=DictionaryObject({NameObject(k): v for k, v in system.items()}),
        FontDescriptor=writer._add_object(descriptor),
        DW=FloatObject(1000 * _WIDTH),
    )
    unicode = DecodedStreamObject()
    unicode.set_data(_UNICODE_MAP)
    return _dictionary(
        Type=NameObject("/Font"),
        Subtype=NameObject("/Type0"),
        BaseFont=NameObject(_NAME),
        Encoding=NameObject("/Identity-H"),
        DescendantFonts=ArrayObject([writer._add_object(glyphs)]),
        ToUnicode=writer._add_object(unicode),
    )


def _dictionary(**values: Any) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): value for name, value in values.items()})


# Each code is its own character; a range may not run over a change of the first byte.
_RANGES = [f"<{high:02x}00> <{high:02x}ff> <{high:02x}00>" for high in range(256)]
_UNICODE_MAP = "\n".join(
    [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <ffff> endcodespacerange",
        *(
            "\n".join(["64 beginbfrange", *_RANGES[start : start + 64], "endbfrange"])
            for start in range(0, 256, 64)
        ),
        "endcmap CMapName currentdict /CMap defineresource pop end end",
    ]
).encode()
