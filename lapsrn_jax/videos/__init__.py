"""Reads and writes videos with FFmpeg, through PyAV (the extra `video`). Networks are not known here."""

import av

if int(av.__version__.partition(".")[0]) < 19:  # older ones do not know the place of colours and the display matrix
    raise ImportError(f"PyAV {av.__version__} is too old")
