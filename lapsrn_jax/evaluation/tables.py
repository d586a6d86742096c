"""Tables as text: Markdown for people, LaTeX for papers, CSV and JSON for programs."""

import csv
import dataclasses
import io
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.scoring import Record
from lapsrn_jax.files import atomic_write

TABLE_FORMATS = ("markdown", "csv", "latex", "json")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as text, with the values behind it.

    Attributes:
      title: one line.
      columns: the headings.
      rows: for each row the text of each column.
      records: for each row its values, JSON-ready.
      notes: remarks to print below the table.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    records: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()


def render(tables: Sequence[Table], form: str) -> str:
    """Formats the tables in one of `TABLE_FORMATS`; the text ends with a line break."""
    if form == "json":
        return as_json([dataclasses.asdict(table) for table in tables])
    write = {"markdown": _markdown, "csv": _csv, "latex": _latex}[form]
    return "\n\n".join(write(table) for table in tables) + "\n"


def write_tables(tables: Sequence[Table], form: str, path: pathlib.Path | None) -> None:
    """Prints the tables in one of `TABLE_FORMATS`, or writes them to a file; raises `UserError` if that fails."""
    text = render(tables, form)
    if path is None:
        print(text, end="")
        return
    try:
        with atomic_write(path) as partial:
            partial.write_text(text)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def text_table(records: Sequence[Record]) -> str:
    """Formats records as an aligned Markdown table: a row per set and scale, a column per model, the protocol below."""
    models = list(dict.fromkeys(record["model"] for record in records))
    images = {(record["set"], record["scale"]): record["images"] for record in records}
    cells = {(record["set"], record["scale"], record["model"]): record for record in records}
    rows = [["set", "scale", "images", *models]]
    if len(models) == 2:
        rows[0].append("gain")
    for (set_name, scale), count in images.items():
        row = [cells.get((set_name, scale, model)) for model in models]
        line = [set_name, f"x{scale}", str(count)]
        line += [f"{cell['psnr']:.2f} / {cell['ssim']:.4f}" if cell else "-" for cell in row]
        if len(models) == 2:
            line.append(f"{row[1]['psnr'] - row[0]['psnr']:+.2f} dB" if row[0] and row[1] else "-")
        rows.append(line)
    return "\n".join([*_grid(rows), "", "PSNR (dB) / SSIM, " + records[0]["protocol"]])


def _grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table with aligned columns; the first row is the headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines]  # fmt: skip


def _markdown(table: Table) -> str:
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", *_grid([table.columns, *table.rows]), "", *notes]).rstrip()


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"# {table.title}"])
    writer.writerows([table.columns, *table.rows])
    writer.writerows([f"# {note}"] for note in table.notes)
    return text.getvalue().rstrip()


def _latex(table: Table) -> str:
    """Formats a table for LaTeX with the package booktabs."""
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in [table.columns, *table.rows]]
    notes = [rf"\par\smallskip\footnotesize {_escaped(note)}" for note in table.notes]
    return "\n".join(
        [r"\begin{table}", r"  \centering", rf"  \caption{{{_escaped(table.title)}}}",
         rf"  \begin{{tabular}}{{{'l' * len(table.columns)}}}", r"    \toprule", f"    {lines[0]}", r"    \midrule",
         *(f"    {line}" for line in lines[1:]), r"    \bottomrule", r"  \end{tabular}", *(f"  {n}" for n in notes),
         r"\end{table}"]
    )  # fmt: skip


def _escaped(text: str) -> str:
    for character in "&%#_$":
        text = text.replace(character, "\\" + character)
    return text


def as_json(value: Any) -> str:
    """Formats a value as JSON, with null for infinite numbers (a perfect PSNR); the text ends with a line break."""
    return json.dumps(_finite(value), indent=2) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
