"""From a network on luminance to larger colour pictures."""
