"""Make src/data/digits/*.gz (MNIST's idx format) from scikit-learn's digits.csv.gz.

The source is the file `sklearn/datasets/data/digits.csv.gz` of the package scikit-learn:

    pip download --no-deps scikit-learn && unzip -j scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
    python3 scripts/make_digits.py digits.csv.gz src/data/digits

Each of its rows holds the 64 pixels of one 8x8 image, 0 to 16, row by row, and the label.
Values and order are kept; only the container changes.
"""

import gzip
import struct
import sys
from pathlib import Path

SIZE = 8


def read_rows(path):
    """The rows of the CSV file as tuples of ints."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [tuple(int(float(value)) for value in line.split(",")) for line in lines if line.strip()]


def write_idx(path, shape, values):
    """Writes unsigned bytes in the idx format: the magic number says type and rank, then each dimension."""
    header = struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape), *shape)
    # mtime 0 and no file name: the same source gives the same bytes.
    path.write_bytes(gzip.compress(header + bytes(values), compresslevel=9, mtime=0))


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: make_digits.py DIGITS_CSV_GZ OUTPUT_FOLDER")
    rows = read_rows(sys.argv[1])
    wrong = [i for i, row in enumerate(rows) if len(row) != SIZE * SIZE + 1 or max(row[:-1]) > 16 or row[-1] > 9]
    if wrong:
        sys.exit(f"{sys.argv[1]}: row {wrong[0]} is not 64 values of 0..16 and a label of 0..9")
    folder = Path(sys.argv[2])
    write_idx(folder / "images.idx3.gz", (len(rows), SIZE, SIZE), (value for row in rows for value in row[:-1]))
    write_idx(folder / "labels.idx1.gz", (len(rows),), (row[-1] for row in rows))
    print(f"{len(rows)} images written to {folder}")


if __name__ == "__main__":
    main()
