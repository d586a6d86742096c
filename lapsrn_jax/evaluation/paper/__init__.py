"""The CMS-LapSRN paper's tables and figures, from networks, beside printed numbers."""
