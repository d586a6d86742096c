"""Picture files with their metadata: 8 and 16 bits, transparency, CMYK, profile, EXIF, XMP. Without JAX."""
