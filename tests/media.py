"""Makes the media files that the tests read: sound in every container, PDFs, damaged ones."""

from __future__ import annotations

import io
import json
import wave
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from services.jobs.models import Options

DATA = Path(__file__).parent / "data"
PROMPTS: dict[str, str] = json.loads((DATA / "prompts.json").read_text())
"""What is said in each recording in tests/data."""

PCM = {"pcm_s16le": "s16", "pcm_s24le": "s32", "pcm_f32le": "flt", "pcm_s16be": "s16"}


def a_job(id: str, name: str = "a.wav") -> Any:
    """Return what the files beside a recording's result know of its job."""
    return SimpleNamespace(id=id, name=name, options=Options())


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0, level: float = 0.5) -> Any:
    """Return a sine as 1-D float32 samples."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def single_notes(chance: np.random.Generator, seconds: int) -> Any:
    """Return notes at random, two a second, that fade at random: 1-D float32 samples at 16 kHz."""
    time = np.arange(8000) / 16_000
    played = []
    for hertz in chance.choice((220, 247, 262, 294, 330, 392, 440), 2 * seconds):
        parts = [np.sin(2 * np.pi * hertz * part * time) / part for part in range(1, 6)]
        played.append(sum(parts) * np.exp(-chance.uniform(1, 4) * time))
    made = np.concatenate(played)
    return (made / np.abs(made).max() / 2).astype(np.float32)


def pink_noise(chance: np.random.Generator, size: int) -> Any:
    """Return `size` samples of noise as loud in every octave, with a standard deviation of 1."""
    spectrum = np.fft.rfft(chance.normal(size=size))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    made = np.fft.irfft(spectrum, size)
    return made / made.std()


def write_sound(
    path: Path,
    samples: Any,
    rate: int = 44_100,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    video: bool = False,
) -> Path:
    """Encode `samples` into the container that the suffix names.

    They are in both channels of stereo, and in the centre of 5.1 as speech in films is.
    """
    with av.open(str(path), "w") as container:
        picture = _picture(container) if video else None
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        if codec in PCM:
            stream.format = PCM[codec]
        else:
            stream.bit_rate = 128_000
        if codec == "vorbis":  # FFmpeg's own encoder
            stream.options = {"strict": "-2"}
        if picture is not None:
            _encode_picture(container, picture, len(samples) / rate)
        channels = np.tile(samples, (av.AudioLayout(layout).nb_channels, 1))
        if layout == "5.1":
            channels[[0, 1, 3, 4, 5]] = 0
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def write_tracks(
    path: Path,
    *sounds: Any,
    rate: int = 8000,
    codec: str = "pcm_s16le",
    video: bool = False,
) -> Path:
    """Write a file with a mono track for each of `sounds`, a second of each in turn.

    A second that begins with NaN is left out, as of a microphone that is switched off.
    """
    with av.open(str(path), "w") as container:
        picture = _picture(container) if video else None
        streams = [container.add_stream(codec, rate=rate, layout="mono") for _ in sounds]
        for stream in streams:
            stream.format = PCM.get(codec, stream.codec.audio_formats[0].name)
        if picture is not None:
            _encode_picture(container, picture, max(map(len, sounds)) / rate)
        for at in range(0, max(map(len, sounds)), rate):
            for stream, sound in zip(streams, sounds, strict=True):
                if (part := sound[at : at + rate]).size and not np.isnan(part[0]):
                    frame = av.AudioFrame.from_ndarray(
                        np.asarray(part, np.float32)[None], "fltp", "mono"
                    )
                    frame.sample_rate, frame.pts = rate, at
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def write_silent_video(path: Path, seconds: float = 1.0) -> Path:
    """Write a video that has no audio track."""
    with av.open(str(path), "w") as container:
        _encode_picture(container, _picture(container), seconds)
    return path


def write_wav(path: Path, samples: Any, rate: int = 16_000) -> Path:
    """Write 1-D float samples as a 16-bit mono WAV, without our own code."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> tuple[Any, int]:
    """Return a 16-bit mono WAV as float32 samples, with their rate."""
    with wave.open(str(path)) as reader:
        data = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return (data / 32768).astype(np.float32), reader.getframerate()


def at_16k(path: Path) -> Any:
    """Return a recording of 8 kHz as float32 samples at 16 kHz, by linear interpolation."""
    samples, rate = read_wav(path)
    wanted = np.arange(samples.size * 16_000 // rate) * rate / 16_000
    return np.interp(wanted, np.arange(samples.size), samples).astype(np.float32)


def halved(source: Path, target: Path, share: float = 0.5) -> Path:
    """Write the first part of `source`, as an upload that broke off leaves it."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def write_pdf(
    path: Path,
    pages: list[str],
    title: str | None = None,
    password: str | None = None,
    size: tuple[float, float] = (595, 842),
) -> Path:
    """Write a PDF with a text and an outline entry per page."""
    canvas = Canvas(str(path), pagesize=size, encrypt=password)
    if title:
        canvas.setTitle(title)
        canvas.setAuthor("Ana Ruiz")
    for number, text in enumerate(pages, start=1):
        canvas.bookmarkPage(str(number))
        canvas.addOutlineEntry(f"Part {number}", str(number), level=0)
        for line, words in enumerate(text.splitlines()):
            canvas.drawString(50, size[1] - 100 - 14 * line, words)
        canvas.showPage()
    canvas.save()
    return path


def write_scan(path: Path, source: Path, degrees: float = 0, noise: float = 0) -> Path:
    """Write the pages of a PDF as a scanner does: as images, askew by `degrees`, with noise."""
    random = np.random.default_rng(0)
    images = []
    with pdfium.PdfDocument(source) as document:
        for page in document:
            image = page.render(scale=200 / 72).to_pil().convert("L")
            turned = image.rotate(
                degrees, Image.Resampling.BICUBIC, degrees % 90 == 0, fillcolor=255
            )
            pixels = np.asarray(turned) + random.normal(0, noise, (turned.height, turned.width))
            images.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    images[0].save(path, save_all=True, append_images=images[1:], resolution=200)
    return path


def write_slow_pdf(path: Path, slow: int, pages: int, lines: int = 60_000) -> Path:
    """Write a PDF whose page number `slow` takes its reader many seconds."""
    return write_pdf(
        path, ["word\n" * lines if n == slow else f"Page {n}" for n in range(1, pages + 1)]
    )


def pdf_without_pages() -> bytes:
    """Return a valid PDF whose page tree is empty."""
    return raw_pdf("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>")


def pdf_with_bad_page() -> bytes:
    """Return a PDF of three pages; the second one's content is packed in a way nobody knows."""
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Resources {font} /Contents %s >>"
    return raw_pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R] /Count 3 >>",
        page % "6 0 R",
        page % "8 0 R",
        page % "7 0 R",
        _stream("BT /F 12 Tf 20 200 Td (first page) Tj ET"),
        _stream("BT /F 12 Tf 20 200 Td (third page) Tj ET"),
        _stream("BT /F 12 Tf (second page) Tj ET", "/Filter /NobodyKnows"),
    )


def pdf_with_bomb() -> bytes:
    """Return a PDF of two pages; the second one's content inflates to 400 MB."""
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Resources {font} /Contents %s >>"
    packed = zlib.compress(b" " * 400_000_000, 9).decode("latin-1")
    return raw_pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        page % "5 0 R",
        page % "6 0 R",
        _stream("BT /F 12 Tf 20 200 Td (before) Tj ET"),
        _stream(packed, "/Filter /FlateDecode"),
    )


def raw_pdf(*objects: str) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first one is the catalogue."""
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1"))
    start = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    out.writelines(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def _stream(content: str, more: str = "") -> str:
    return f"<< /Length {len(content)} {more} >>\nstream\n{content}\nendstream"


def _picture(container: Any) -> Any:
    codec = "libvpx" if container.format.name == "webm" else "mpeg4"
    stream = container.add_stream(codec, rate=10)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    return stream


def _encode_picture(container: Any, stream: Any, seconds: float) -> None:
    for number in range(round(seconds * 10)):
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        frame.pts = number
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
