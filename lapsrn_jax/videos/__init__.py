"""Reads and writes videos with FFmpeg, through PyAV (the extra `video`). Networks are not known here."""
