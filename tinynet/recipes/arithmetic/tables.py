"""Tables of results as Markdown files."""

__all__ = ["markdown_table", "write_markdown"]


def markdown_table(headings, rows):
    """A table as text: one column for each heading, the first to the left and the others to the right."""
    marks = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (headings, marks, *rows))


def write_markdown(path, title, *parts):
    """Writes a file of a title and parts, texts or tables, with an empty line between them."""
    text = "\n\n".join([f"# {title}", *parts])
    path.write_text(text + "\n", encoding="utf-8")
