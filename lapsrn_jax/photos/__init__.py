"""Image files with their metadata: 8 and 16 bits, transparency, CMYK, ICC profile, EXIF, XMP. Does not import JAX."""
