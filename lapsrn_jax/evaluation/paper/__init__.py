"""The tables of the CMS-LapSRN paper, computed from networks and compared with published numbers."""
