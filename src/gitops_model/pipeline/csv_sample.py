"""The beginning of a CSV file as texts, column by column: bounded work, and a sentence for what is wrong with it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gitops_model.errors import BadInput, shorten
from gitops_model.files import size_words

MOST_ROWS = 100_000
MOST_BYTES = 32 * 1024**2
MOST_COLUMNS = 1_000
LONGEST_LINE = 1024**2
SEPARATORS = (";", "\t", "|")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`names` as they stand in the header, `columns` in their order, each a list of `rows` texts.

    `whole`: whether that is all of the file.
    """

    names: tuple[str, ...]
    columns: tuple[list[str], ...]
    rows: int
    whole: bool

    def column(self, name: str) -> list[str]:
        """The texts below `name`."""
        return self.columns[self.names.index(name)]


def read(path: Path, *, separator: str = ",") -> Sample:
    """The first rows of a UTF-8 file, at most MOST_ROWS and about MOST_BYTES. Raises BadInput for what is no table."""
    if not path.is_file():
        raise BadInput(f"{path} is no file; allowed: a CSV file with a header line.")
    if len(separator) != 1 or separator in '"\r\n':
        raise BadInput(f"the separator is {separator!r}; allowed: one character, such as ';'.")
    with path.open("rb") as stream:
        return _read(path, stream, separator)


def _read(path: Path, stream: BinaryIO, separator: str) -> Sample:
    lines = _Lines(path, stream)
    records = csv.reader(lines, delimiter=separator, strict=True)
    rows, more = 0, False
    try:
        header: list[str] = next(records, [])
        if not header:
            what = "begins with an empty line" if lines.number else "is empty"
            raise BadInput(f"{path} {what}; allowed: a CSV file with a header line.")
        _require_header(path, header, separator)
        columns: tuple[list[str], ...] = tuple([] for _ in header)
        for record in records:
            if not record:
                continue
            if rows == MOST_ROWS:
                more = True
                break
            if len(record) != len(header):
                raise BadInput(
                    f"{path}, line {records.line_num}: {len(record)} fields, but the header has {len(header)}. A text "
                    f"that holds '{separator}' must stand in double quotes."
                )
            for column, value in zip(columns, record, strict=True):
                column.append(value)
            rows += 1
    except UnicodeDecodeError:
        raise BadInput(
            f"{path}, line {lines.number + 1}: not UTF-8 text. If it was written on an older Windows: "
            f"iconv -f windows-1252 -t utf-8 {path} > utf8.csv"
        ) from None
    except csv.Error as error:
        # The end of what is read may lie in the middle of a text.
        if not lines.cut:
            raise BadInput(f"{path}, line {records.line_num}: {_words(error)}.") from None
    if rows == 0:
        raise BadInput(f"{path} has a header and no rows.")
    return Sample(names=tuple(header), columns=columns, rows=rows, whole=not more and not lines.cut)


def words(path: Path, sample: Sample) -> str:
    """What was read: `569 rows, 12 columns`, or that it was only the beginning."""
    size = f"{sample.rows:,} rows, {len(sample.names):,} columns"
    if sample.whole:
        return size
    return f"the first {size} of {size_words(path.stat().st_size)}; later rows were not looked at"


class _Lines(Iterator[str]):
    """Lines of a file until MOST_BYTES; `cut` says that there was more."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        self._left = MOST_BYTES
        self.number, self.cut = 0, False

    def __next__(self) -> str:
        line = b""
        if self._left > 0:
            line = self._stream.readline(LONGEST_LINE + 1)
        else:
            self.cut = self.cut or self._stream.read(1) != b""
        if not line:
            raise StopIteration
        if len(line) > LONGEST_LINE:
            raise BadInput(
                f"{self._path}, line {self.number + 1}: longer than 1 MB; allowed: a CSV file with one row a line."
            )
        self._left -= len(line)
        text = line.decode("utf-8-sig" if self.number == 0 else "utf-8")
        if "\0" in text:
            raise BadInput(
                f"{self._path}, line {self.number + 1}: a NUL character, which no text has. Is it a CSV file, and "
                "UTF-8?"
            )
        self.number += 1
        return text


def _require_header(path: Path, header: list[str], separator: str) -> None:
    if len(header) > MOST_COLUMNS:
        raise BadInput(f"{path} has {len(header):,} columns; allowed: {MOST_COLUMNS:,}.")
    if len(header) < 2:
        text = header[0] if header else ""
        other = next((s for s in (",", *SEPARATORS) if s != separator and s in text), None)
        if other is None:
            raise BadInput(f"{path} has one column; allowed: at least two, an input and a label.")
        shown = "\\t" if other == "\t" else other
        raise BadInput(
            f"{path} has one column, '{shorten(text)}'. It seems to be separated by '{shown}': "
            f"add --separator '{shown}'"
        )
    named = [name for name in header if name.strip()]
    if twice := sorted({shorten(name) for name in named if header.count(name) > 1}):
        raise BadInput(
            f"{path} has more than one column {', '.join(twice[:10])}; each needs a name of its own."
        )


def _words(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end of data" in said:
        return "a double quote was opened and never closed"
    if "field larger" in said:
        return f"a field of more than {csv.field_size_limit():,} characters; is a double quote not closed?"
    if "expected after" in said:
        return "text after a closing double quote; a quote inside a text is written twice"
    return f"cannot be read as CSV ({said})"
