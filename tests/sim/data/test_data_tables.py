"""Tables as data sets: all formats give the same samples, and mistakes are one sentence."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cutlayer.sim.data import tables
from cutlayer.sim.data.datasets import Dataset, describe, load
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.samples import partition_by_group
from cutlayer.sim.data.tables import Columns, Format, table_declaration
from cutlayer.sim.data.texts import TextOptions
from cutlayer.sim.data.tokenizer import TokenizerOptions

ROWS = [
    {"age": 30, "sex": "m", "site": "north", "ill": "yes"},
    {"age": 41, "sex": "f", "site": "south", "ill": "no"},
    {"age": 52, "sex": "f", "site": "north", "ill": "maybe"},
    {"age": 63, "sex": "m", "site": "east", "ill": "no"},
]
COLUMNS = Columns("ill", categories=("sex",), group="site")


def csv_text(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "\n".join(delimiter.join(map(str, line)) for line in lines) + "\n"


def arrow_table(rows: list[dict[str, Any]], metadata: dict[str, Any] | None = None) -> Any:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(rows)
    return table.replace_schema_metadata(
        None if metadata is None else {"huggingface": json.dumps(metadata)}
    )


def write(kind: Format, path: Path, rows: list[dict[str, Any]], **metadata: Any) -> Path:
    if kind == "csv":
        path.write_text(csv_text(rows), encoding="utf-8")
    elif kind == "jsonl":
        path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        table = arrow_table(rows, **metadata)
        import pyarrow.ipc as ipc
        import pyarrow.parquet as parquet

        if kind == "parquet":
            parquet.write_table(table, path)
        else:
            with ipc.new_stream(path, table.schema) as stream:
                stream.write_table(table)
    return path


def of(path: Path, columns: Columns = COLUMNS, kind: Format = "csv") -> DatasetInfo:
    return table_declaration(kind, path, None, columns)


def loaded(info: DatasetInfo) -> Dataset:
    return load(describe(info))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_a_table_is_the_same_in_every_format(tmp_path: Path, kind: Format) -> None:
    info = of(write(kind, tmp_path / f"t.{kind}", ROWS), kind=kind)
    assert info.class_names == ("maybe", "no", "yes")
    assert info.train_counts == (1, 2, 1)
    assert info.input_shape == (3,)  # age, and one feature for each sex
    data = loaded(info)
    assert data.train_labels.tolist() == [2, 1, 0, 1]
    assert data.train_images.tolist() == [[30, 0, 1], [41, 1, 0], [52, 1, 0], [63, 0, 1]]
    assert info.mean == pytest.approx((46.5, 0.5, 0.5))
    # east, north, south: the client of each value holds its rows.
    shards = partition_by_group(describe(info), 3, "by site")
    assert shards.sizes == (1, 2, 1)
    assert shards.held.tolist() == [3, 0, 2, 1]
    assert partition_by_group(describe(info), 2, "by site").sizes == (1, 2)


def test_formats_have_one_identity_and_content_another(tmp_path: Path) -> None:
    same = of(write("csv", tmp_path / "a.csv", ROWS)), of(write("csv", tmp_path / "b.csv", ROWS))
    assert same[0].checksum == same[1].checksum
    for column, value in (("age", 31), ("ill", "no"), ("site", "east")):
        changed = [{**ROWS[0], column: value}, *ROWS[1:]]
        assert of(write("csv", tmp_path / "b.csv", changed)).checksum != same[0].checksum, column


def test_a_folder_and_a_test_split_share_their_classes(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write("csv", tmp_path / "train" / "1.csv", ROWS[:2])
    write("csv", tmp_path / "train" / "2.csv", ROWS[2:])
    test = [{"age": 1, "sex": "x", "site": "north", "ill": "zero"}, ROWS[0]]
    path = write("csv", tmp_path / "test.csv", test)
    info = table_declaration("csv", tmp_path / "train", path, COLUMNS)
    assert info.class_names == ("maybe", "no", "yes", "zero")
    assert (info.train_counts, info.test_counts) == ((1, 2, 1, 0), (0, 0, 1, 1))
    assert loaded(info).test_images.tolist() == [[1, 0, 0, 1], [30, 0, 1, 0]]


def test_blocks_of_rows_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loaded(of(write("csv", tmp_path / "a.csv", ROWS)))
    monkeypatch.setattr("cutlayer.sim.data.readers.rows.BLOCK", 3)
    tables._declaration.cache_clear()
    for kind in ("csv", "jsonl"):
        split = loaded(of(write(kind, tmp_path / f"a.{kind}", ROWS), kind=kind))
        assert split.train_images.equal(whole.train_images)
        assert split.train_labels.equal(whole.train_labels)


def test_numbers_as_labels_are_ordered_by_size(tmp_path: Path) -> None:
    rows = [{"x": 0.5, "label": n} for n in (10, 9, 100, 9)]
    for kind in ("csv", "jsonl"):
        info = of(write(kind, tmp_path / f"a.{kind}", rows), Columns(), kind)
        assert info.class_names == ("9", "10", "100")
        assert loaded(info).train_labels.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_column_of_lists_holds_an_image(tmp_path: Path, kind: Format) -> None:
    rows = [{"pixels": [[0, 51], [102, 255]], "label": n} for n in (0, 1)]
    path = write(kind, tmp_path / f"a.{kind}", rows)
    info = of(path, Columns(input_shape=(1, 2, 2), value_range=(0.0, 255.0)), kind)
    assert info.is_image
    assert loaded(info).train_images[0].flatten().tolist() == pytest.approx([0, 0.2, 0.4, 1])


def test_classes_that_the_file_names_keep_their_numbers(tmp_path: Path) -> None:
    rows = [{"x": 1.0, "label": n} for n in (2, 0, 2)]
    features = {"info": {"features": {"label": {"names": ["cat", "dog", "ant"]}}}}
    path = write("arrow", tmp_path / "a.arrow", rows, metadata=features)
    info = of(path, Columns(), "arrow")
    assert info.class_names == ("cat", "dog", "ant")
    assert info.train_counts == (1, 0, 2)
    path = write("arrow", tmp_path / "b.arrow", [{"x": 1.0, "label": 3}], metadata=features)
    with pytest.raises(DataError, match="'3' is not one of the 3 classes that the file names"):
        of(path, Columns(), "arrow")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_a_column_of_texts_is_the_same_in_every_format(tmp_path: Path, kind: Format) -> None:
    rows = [{"text": text, "label": n} for n, text in enumerate(("a b a", "b", "a c"))]
    features = {"info": {"features": {"label": {"names": ["x", "y", "z"]}}}}
    metadata = {"metadata": features} if kind in ("parquet", "arrow") else {}
    path = write(kind, tmp_path / f"t.{kind}", rows, **metadata)
    options = TextOptions(TokenizerOptions("words"), 4)
    info = of(path, Columns(text="text", texts=options), kind)
    assert info.class_names == (("x", "y", "z") if metadata else ("0", "1", "2"))
    data = loaded(info)
    assert data.train_images.tolist() == [[3, 4, 3, 0], [4, 0, 0, 0], [3, 5, 0, 0]]
    assert data.train_labels.tolist() == [0, 1, 2]


def test_a_file_in_the_other_format_of_arrow(tmp_path: Path) -> None:
    table = arrow_table(ROWS)
    import pyarrow.ipc as ipc

    with ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=3)
    assert loaded(of(tmp_path / "a.arrow", kind="arrow")).train_labels.tolist() == [2, 1, 0, 1]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("parquet", tmp_path / "a.parquet", ROWS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"needs pyarrow: pip install 'cutlayer\[parquet\]'"):
        of(path, kind="parquet")


def test_another_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text(ROWS, ";"), encoding="utf-8")
    with pytest.raises(DataError, match=r"no column 'sex'; its header is 'age;sex;site;ill': name"):
        of(path)
    named = Columns("ill", categories=("sex",), group="site", delimiter=";")
    assert of(path, named).train_samples == 4
    path = tmp_path / "a.tsv"
    path.write_text(csv_text(ROWS, "\t"), encoding="utf-8")
    assert of(path).train_samples == 4


HEADER = "age,sex,site,ill\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: expected a header with the names of the columns"),
        ("\n", ":1: expected a header"),
        (HEADER, ": has no samples"),
        ("age,age,ill,sex,site\n1,2,3,4,5\n", ":1: has the column 'age' twice"),
        (f"{HEADER}1,m,a,no\n2,m,a\n", ":3: has 3 cells, and the header has 4"),
        (f"{HEADER}1,m,a,no\n\n2,m,a\n", ":4: has 3 cells, and the header has 4"),
        (f'{HEADER}1,m,"a\nb",no\n2,m,a\n', ":4: has 3 cells, and the header has 4"),
        (f"{HEADER}1,m,a,no\n,m,a,no\n", ":3: column 'age': has no value: fill it in, or remove"),
        (f"{HEADER}1,m,a,no\nNA,m,a,no\n", ":3: column 'age': has no value (NA): fill it in"),
        (f"{HEADER}1,m,a,no\nnan,m,a,no\n", ":3: column 'age': has no value (nan)"),
        (f"{HEADER}1,m,a,no\n1,,a,no\n", ":3: column 'sex': has no value: fill it in"),
        (f"{HEADER}1,m,a,no\n1,m,,no\n", ":3: column 'site': has no value: fill it in"),
        (f"{HEADER}1,m,a,no\n1,m,a,\n", ":3: column 'ill': has no value: fill it in"),
        (f"{HEADER}1,m,a,no\nold,m,a,no\n", ":3: column 'age': 'old' is not a number (name the"),
        (f"{HEADER}1,m,a,no\n1e999,m,a,no\n", ":3: column 'age': holds NaN or infinity"),
        (f"{HEADER}1,m,a,0.5\n1,m,a,1\n", ": column 'ill': has numbers such as 0.5, not classes"),
        ("age,sex,site,I11\n1,m,a,no\n", ": has no column 'ill'"),
        ("age,sex,sight,ill\n1,m,a,no\n", ": has no column 'site'; did you mean 'sight'?"),
        ("age,sx,site,ill\n1,m,a,no\n", ": has no column 'sex'; did you mean 'sx'?"),
        (f"{HEADER}1,m,a,no\xff", ": is not text in UTF-8"),
    ],
)
def test_mistakes_in_csv_are_one_sentence_with_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        of(path)
    assert str(caught.value).startswith(f"{path}{message}"), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": has no samples"),
        ('{"x": 1, "label": 0}\n{"x": 1\n', ":2: is not JSON ("),
        ('{"x": 1, "label": 0}\n[1]\n', ":2: expected an object {...}"),
        (
            '{"x": 1, "label": 0}\n{"x": 1, "lable": 0}\n',
            ":2: has no 'label'; did you mean 'lable'",
        ),
        ('{"x": 1, "label": 0}\n{"x": 1, "x": 2}\n', ":2: is not JSON ('x' appears twice"),
        ('{"x": 1, "label": 0}\n{"x": null, "label": 0}\n', ":2: column 'x': has no value"),
        ('{"x": 1, "label": 0}\n{"x": NaN, "label": 0}\n', ":2: column 'x': has no value (nan)"),
        ('{"x": 1, "label": 0}\n{"x": [1], "label": 0}\n', ":2: column 'x': has a value of shape"),
        ('{"x": [1, "a"], "label": 0}\n', ":1: column 'x': \"[1, 'a']\" is not a list of numbers"),
        ('{"x": 1, "label": [0]}\n', ":1: column 'label': expected a text or a whole number"),
        ('{"x": 1, "label": null}\n', ":1: column 'label': has no value"),
        ('{"label": 0}\n', ": has no columns beside 'label'"),
    ],
)
def test_mistakes_in_json_lines_are_one_sentence_with_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        of(path, Columns(), "jsonl")
    assert str(caught.value).startswith(f"{path}{message}"), caught.value
    assert "\n" not in str(caught.value)


def test_mistakes_in_parquet_name_the_row(tmp_path: Path) -> None:
    path = write("parquet", tmp_path / "a.parquet", [*ROWS, {**ROWS[0], "age": None}])
    with pytest.raises(DataError, match=r"a\.parquet: row 5: column 'age': has no value"):
        of(path, kind="parquet")
    path.write_bytes(b"PAR1 and nothing that follows")
    with pytest.raises(DataError, match=r"a\.parquet: is not a sound Parquet or Arrow file \("):
        of(path, kind="parquet")


def test_the_label_is_not_a_feature(tmp_path: Path) -> None:
    path = write("csv", tmp_path / "a.csv", ROWS)
    with pytest.raises(DataError, match="'ill' is the label: take it off the features"):
        of(path, Columns("ill", features=("age", "ill")))
    assert of(path, Columns("ill", features=("age",))).input_shape == (1,)


def test_a_missing_file_or_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is neither a file nor a folder with \.csv or \.tsv"):
        of(tmp_path / "gone.csv")
    (tmp_path / "set" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"\.arrow files in it; its subfolders are train"):
        of(tmp_path / "set", kind="arrow")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write("csv", tmp_path / "a.csv", ROWS)
    assert of(path).train_samples == 4
    write("csv", path, ROWS[:3])
    assert of(path).train_samples == 3


def test_numbers_of_all_types_in_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    columns = {
        "small": arrow.array([1, 2], arrow.int8()),
        "half": arrow.array(np.array([0.5, 1.5], np.float16)),
        "truth": arrow.array([True, False]),
        "label": arrow.array(["a", "b"]).dictionary_encode(),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    info = of(tmp_path / "a.parquet", Columns(), "parquet")
    assert info.class_names == ("a", "b")
    assert loaded(info).train_images.tolist() == [[1, 0.5, 1], [2, 1.5, 0]]


def test_a_column_names_image_files(tmp_path: Path) -> None:
    """As the mappings of federated photo collections have them: user, file, class."""
    (tmp_path / "files").mkdir()
    rows = []
    for number, user in enumerate(("ann", "bob", "ann")):
        Image.new("RGB", (4, 4), (number * 100, 0, 0)).save(tmp_path / "files" / f"{number}.png")
        rows.append({"user": user, "file": f"files/{number}.png", "label": "ab"[number % 2]})
    columns = Columns(image="file", group="user", input_shape=(3, 2, 2))
    info = of(write("csv", tmp_path / "map.csv", rows), columns)
    data = loaded(info)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 100, 200]
    assert data.train_images.dtype == torch.uint8
    assert partition_by_group(describe(info), 2, "by user").held.tolist() == [0, 2, 1]
    assert of(tmp_path / "map.csv", Columns(image="file")).input_shape == (3, 32, 32)
    gone = write("csv", tmp_path / "gone.csv", [*rows, {**rows[0], "file": "files/9.png"}])
    with pytest.raises(
        DataError, match=r"gone\.csv:5: .*files/9\.png: cannot be read: No such file"
    ):
        of(gone, columns)
    (tmp_path / "files" / "1.png").write_bytes(b"text")
    write("csv", tmp_path / "map.csv", [*rows, rows[0]])  # a table that has changed is read again
    with pytest.raises(DataError, match=r"map\.csv:3: .*1\.png: is not an image that Pillow can"):
        of(tmp_path / "map.csv", columns)
    with pytest.raises(DataError, match=r"input_shape must be \[1, height, width\]"):
        of(tmp_path / "map.csv", Columns(image="file", input_shape=(4,)))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_column_holds_encoded_images(tmp_path: Path, kind: Format) -> None:
    """As the library `datasets` stores them: a struct with the bytes of the file."""

    def encoded(level: int) -> bytes:
        content = io.BytesIO()
        Image.new("L", (2, 2), level).save(content, "png")
        return content.getvalue()

    rows = [
        {"image": {"bytes": encoded(level), "path": None}, "label": level // 100}
        for level in (50, 150)
    ]
    columns = Columns(image="image", input_shape=(1, 2, 2))
    path = write(kind, tmp_path / f"a.{kind}", rows)
    assert loaded(of(path, columns, kind)).train_images[:, 0, 0, 0].tolist() == [50, 150]
    rows[1]["image"] = {"bytes": b"text", "path": None}
    with pytest.raises(DataError, match=rf"b\.{kind}: row 2: is not an image that Pillow can read"):
        of(write(kind, tmp_path / f"b.{kind}", rows), columns, kind)
    rows[1]["image"] = {"bytes": None, "path": None}
    with pytest.raises(DataError, match=rf"c\.{kind}: row 2: expected the name of an image, got"):
        of(write(kind, tmp_path / f"c.{kind}", rows), columns, kind)
