"""Makes small videos, and reads what matters of a video."""

import os
import pathlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np

from tests import tiny
from tests.upscaling.command import upscale

SHAPE = (32, 48)


def frames(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """A picture that moves, uint8 [H, W, 3] each."""
    picture = tiny.photograph(rng, *SHAPE)
    return [np.roll(picture, n, axis=1) for n in range(count)]


def write(
    path: pathlib.Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    options: dict[str, str] | None = None,
    rotation: int = 0,
    tracks: int = 0,
    subtitles: pathlib.Path | None = None,
    tags: dict[str, int] | None = None,
    aspect: Fraction | None = None,
    attachment: bytes = b"",
    about: dict[str, str] | None = None,
    sound: str = "aac",
    sound_start: int = 0,
) -> pathlib.Path:
    """Writes a video of RGB pictures, 25 a second unless `times` has ticks, with `tracks` tones as audio tracks."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options or {})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixels
        video.codec_context.time_base = video.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        container.metadata.update(about or {})
        audio = [container.add_stream(sound, rate=48000, layout="mono") for _ in range(tracks)]
        for stream, language in zip(audio, ("eng", "deu"), strict=False):
            stream.metadata["language"] = language
        if attachment:
            container.add_attachment("font.ttf", "application/x-truetype-font", attachment)
        texts = None
        if subtitles:
            container.set_chapters([{"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000),
                                     "metadata": {"title": "Opening"}}])  # fmt: skip
            texts = av.open(str(subtitles))
            text = container.add_stream_from_template(texts.streams[0])
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = times[n] if times else n * int(1 / (25 * time_base)), time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number, stream in enumerate(audio):
            for n in range(20):
                size = stream.codec_context.frame_size
                tone = 0.3 * np.sin(np.arange(size) * (0.05 + 0.1 * number) + n).astype(np.float32)
                form = stream.codec_context.format.name
                samples = tone if form.startswith("flt") else (tone * 32767).astype(np.int16)
                wave = av.AudioFrame.from_ndarray(samples[None], format=form, layout="mono")
                wave.sample_rate, wave.pts, wave.time_base = 48000, sound_start + size * n, Fraction(1, 48000)
                container.mux(stream.encode(wave))
            container.mux(stream.encode(None))
        if texts:
            for packet in texts.demux():
                if packet.size:
                    packet.stream = text
                    container.mux(packet)
            texts.close()
    return path


class Found(NamedTuple):
    """What a video holds.

    Attributes:
      times: of the frames, in seconds.
      frames: PyAV's frames.
      packets: bytes and time of each packet of the other streams, by kind and language.
      stream: properties of the video stream.
      chapters: beginnings and names.
      about: titles and other metadata of the whole.
    """

    times: list[Fraction]
    frames: list[Any]
    packets: dict[tuple[str, str | None], list[tuple[bytes, Fraction]]]
    stream: dict[str, Any]
    chapters: list[tuple[Fraction, str]]
    about: dict[str, str]


def read(path: str | os.PathLike[str]) -> Found:
    """Reads a video."""
    with av.open(os.fspath(path)) as container:
        decoded = list(container.decode(video=0))
        context, stream = container.streams.video[0].codec_context, container.streams.video[0]
        names = ("color_primaries", "color_trc", "colorspace", "color_range", "chroma_sample_location", "pix_fmt",
                 "width", "height")  # fmt: skip
        properties = {name: getattr(context, name) for name in names}
        properties |= {"aspect": stream.sample_aspect_ratio, "rotation": decoded[0].rotation, "codec": context.name}
        chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
        about = dict(container.metadata)
    packets: dict[tuple[str, str | None], list[tuple[bytes, Fraction]]] = {}
    with av.open(os.fspath(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type in ("audio", "subtitle"):
                key = packet.stream.type, packet.stream.language
                packets.setdefault(key, []).append((bytes(packet), packet.pts * packet.time_base))
    return Found([f.pts * f.time_base for f in decoded], decoded, packets, properties, chapters, about)


def enlarge(source: object, target: object, weights: object, *options: object) -> int:
    """Enlarges a video by 2 and returns the exit status."""
    return upscale(source, "-o", target, "--scale", 2, "--weights", weights, *options)


def check_all_but_the_frames(source: pathlib.Path, target: pathlib.Path) -> tuple[Found, Found]:
    """Compares a result with its source."""
    before, after = read(source), read(target)
    assert after.times == before.times
    assert after.packets == before.packets
    assert after.chapters == before.chapters
    changed = {name for name in before.stream if before.stream[name] != after.stream[name]}
    assert changed <= {"width", "height", "codec"}
    assert (after.stream["width"], after.stream["height"]) == (2 * before.stream["width"], 2 * before.stream["height"])
    return before, after
