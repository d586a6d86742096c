"""Benchmark records as text."""

from collections.abc import Sequence

from lapsrn_jax.evaluation.benchmark import Record


def text_table(records: Sequence[Record]) -> str:
    """A row for each set and scale, a column for each model (Markdown, aligned), the protocol below."""
    models = list(dict.fromkeys(record["model"] for record in records))
    cells = {(record["set"], record["scale"], record["model"]): record for record in records}
    rows = [["set", "scale", "images", *models]]
    if len(models) == 2:
        rows[0].append("gain")
    for set_name, scale in dict.fromkeys((record["set"], record["scale"]) for record in records):
        row = [cells[set_name, scale, model] for model in models]
        line = [set_name, f"x{scale}", str(row[0]["images"])]
        line += [f"{cell['psnr']:.2f} / {cell['ssim']:.4f}" for cell in row]
        if len(models) == 2:
            line.append(f"{row[1]['psnr'] - row[0]['psnr']:+.2f} dB")
        rows.append(line)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in rows]  # fmt: skip
    return "\n".join([*lines, "", "PSNR (dB) / SSIM, " + records[0]["protocol"]])
