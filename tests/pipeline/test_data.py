"""Every form of data gives the same codes; whatever is wrong with data is told in one sentence."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.tiny import Reals, double_network, reals, vector_network

from hwsim.data import Inputs, Samples, rebatch, synthetic
from hwsim.errors import DataError
from hwsim.network import Input
from hwsim.program import Program, lower
from hwsim.quantize import Plan, collect, decide
from hwsim.target import load_target

ONE = [Input(name="x", shape=(6,))]
TWO = [Input(name="a", shape=(4,)), Input(name="b", shape=(3,))]

X = reals(11, 6, seed=1)
A, B = reals(11, 4, seed=2), reals(11, 3, seed=3)
LABELS = np.arange(11) % 3


def program_of(network: Any, blocks: list[list[Reals]]) -> Program:
    """Return a network lowered for generic-int8, its ranges chosen on ``blocks``."""
    target = load_target("generic-int8")
    plan: Plan = decide(network, collect(network, blocks), target)
    return lower(network, plan, target)


@pytest.fixture(scope="module")
def one() -> Program:
    """A program with the input ``x``."""
    return program_of(vector_network(), [[X]])


@pytest.fixture(scope="module")
def two() -> Program:
    """A program with the inputs ``a`` and ``b``."""
    return program_of(double_network(), [[A, B]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data in files."""
    where = tmp_path_factory.mktemp("data")
    np.save(where / "x.npy", X)
    np.save(where / "columns_first.npy", np.asfortranarray(X))
    np.save(where / "big_endian.npy", X.astype(">f8"))
    np.savez(where / "named.npz", x=X, labels=LABELS)
    np.savez(where / "only.npz", whatever=X)
    np.savez_compressed(where / "images.npz", images=X, labels=LABELS)
    np.savez(where / "data.npz", data=X, y=LABELS)
    np.savez(where / "objects_beside.npz", x=X, names=np.array(["one", {}], object))
    np.savez(where / "both.npz", b=B, a=A)
    return where


def dataset(values: Any) -> Any:
    """Return a tf.data.Dataset of single samples."""
    return tf.data.Dataset.from_tensor_slices(values)


def batches(*sizes: int) -> Iterator[slice]:
    """Yield slices of these sizes, one behind another."""
    first = 0
    for size in sizes:
        yield slice(first, first + size)
        first += size


# All forms of good data

FORMS_OF_ONE: dict[str, Callable[[Path], Any]] = {
    "float32": lambda _: X,
    "float64": lambda _: X.astype(np.float64),
    "columns first": lambda _: np.asfortranarray(X),
    "every second": lambda _: np.repeat(X, 2, axis=0)[::2],
    "read only": lambda _: np.frombuffer(X.tobytes(), np.float32).reshape(X.shape),
    "tensor": lambda _: tf.constant(X),
    "list of one array": lambda _: [X],
    "tuple of one array": lambda _: (X,),
    "mapping": lambda _: {"x": X, "labels": LABELS},
    "mapping of one": lambda _: {"anything": X},
    "mapping of images": lambda _: {"images": X, "labels": LABELS},
    "mapping of lists": lambda _: {"x": X.tolist()},
    "npy": lambda path: path / "x.npy",
    "npy, a str": lambda path: str(path / "x.npy"),
    "npy, columns first": lambda path: path / "columns_first.npy",
    "npy, big endian": lambda path: path / "big_endian.npy",
    "npz, by name": lambda path: path / "named.npz",
    "npz, the only one": lambda path: path / "only.npz",
    "npz, images": lambda path: path / "images.npz",
    "npz, data": lambda path: path / "data.npz",
    "npz with objects beside": lambda path: path / "objects_beside.npz",
    "list of batches": lambda _: [X[at] for at in batches(4, 5, 2)],
    "list of samples": lambda _: list(X),
    "iterator of batches": lambda _: (X[at] for at in batches(1, 0, 7, 3)),
    "iterator of samples": lambda _: iter(X),
    "iterator of samples and batches": lambda _: iter([X[0], X[1:9], X[9], X[10:]]),
    "iterator of nested lists": lambda _: ((X[at].tolist(),) for at in batches(4, 7)),
    "nested lists": lambda _: X.tolist(),
    "iterator of lists": lambda _: (X[at].tolist() for at in batches(4, 7)),
    "iterator of lists of samples": lambda _: (list(X[at]) for at in batches(4, 7)),
    "iterator of lists of samples with labels": lambda _: ((list(X[at]), list(LABELS[at])) for at in batches(4, 7)),
    "iterator of lists with labels": lambda _: ([X[at], LABELS[at]] for at in batches(4, 7)),
    "iterator of copies as labels": lambda _: ([X[at], X[at]] for at in batches(4, 7)),
    "iterator with labels": lambda _: ((X[at], LABELS[at]) for at in batches(4, 7)),
    "iterator with labels and weights": lambda _: ((X[at], LABELS[at], LABELS[at]) for at in batches(4, 7)),
    "iterator of mappings": lambda _: ({"x": X[at]} for at in batches(4, 7)),
    "iterator of mappings with labels": lambda _: (({"x": X[at]}, LABELS[at]) for at in batches(4, 7)),
    "iterator of tuples with labels": lambda _: (((X[at],), LABELS[at]) for at in batches(4, 7)),
    "dataset of samples": lambda _: dataset(X),
    "dataset of batches": lambda _: dataset(X).batch(3),
    "dataset with labels": lambda _: dataset((X, LABELS)),
    "dataset of batches with labels": lambda _: dataset((X, LABELS)).batch(4),
    "dataset of mappings with labels": lambda _: dataset(({"x": X}, LABELS)).batch(4),
    "iterator of a dataset": lambda _: iter(dataset(X).batch(2)),
}


@pytest.mark.parametrize("form", FORMS_OF_ONE)
def test_every_form_gives_the_same_codes(one: Program, folder: Path, form: str) -> None:
    wanted = one.run(X)
    found = one.run(FORMS_OF_ONE[form](folder), batch_size=3)
    np.testing.assert_array_equal(found.codes["fc"], wanted.codes["fc"])
    assert found.samples == 11
    assert found.ledger == wanted.ledger


FORMS_OF_TWO: dict[str, Callable[[Path], Any]] = {
    "list": lambda _: [A, B],
    "tuple of float64": lambda _: (A.astype(np.float64), B.astype(np.float64)),
    "list of tensors": lambda _: [tf.constant(A), tf.constant(B)],
    "mapping in another order": lambda _: {"b": B, "labels": LABELS, "a": A},
    "npz": lambda path: path / "both.npz",
    "iterator of pairs": lambda _: ((A[at], B[at]) for at in batches(5, 6)),
    "iterator of pairs of samples": lambda _: zip(A, B, strict=True),
    "iterator with labels": lambda _: (((A[at], B[at]), LABELS[at]) for at in batches(5, 6)),
    "iterator of mappings": lambda _: ({"b": B[at], "a": A[at]} for at in batches(5, 6)),
    "dataset of mappings with labels": lambda _: dataset(
        ({"a": A, "b": B}, LABELS),
    ).batch(4),
    "dataset of pairs with labels": lambda _: dataset(((A, B), LABELS)).batch(4),
}


@pytest.mark.parametrize("form", FORMS_OF_TWO)
def test_every_form_for_two_inputs(two: Program, folder: Path, form: str) -> None:
    wanted = two.run([A, B])
    found = two.run(FORMS_OF_TWO[form](folder), batch_size=2)
    assert found.codes.keys() == wanted.codes.keys() == {"sum", "left"}
    for name, codes in wanted.codes.items():
        np.testing.assert_array_equal(found.codes[name], codes)
    assert found.ledger == wanted.ledger


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64", "uint64", "bool", "float16", "bfloat16"])
def test_types_of_whole_numbers(one: Program, kind: str) -> None:
    whole = np.random.default_rng(4).integers(0, 2 if kind == "bool" else 100, (9, 6))
    typed = tf.constant(whole, tf.bfloat16).numpy() if kind == "bfloat16" else whole.astype(kind)
    np.testing.assert_array_equal(one.run(typed).codes["fc"], one.run(whole.astype(np.float32)).codes["fc"])


def test_one_sample(one: Program) -> None:
    wanted = one.run(X).codes["fc"][:1]
    for data in (X[:1], [X[:1]], [X[0]], iter([X[0]]), {"x": X[:1]}):
        np.testing.assert_array_equal(one.run(data).codes["fc"], wanted)


def test_data_is_not_changed(one: Program) -> None:
    before = X.copy()
    one.run(X)
    np.testing.assert_array_equal(X, before)


# Blocks


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.integers(1, 15),
    st.one_of(st.none(), st.integers(1, 40)),
)
def test_rebatch_keeps_order_and_size(sizes: list[int], size: int, limit: int | None) -> None:
    total = sum(sizes)
    values = np.arange(total)
    blocks = list(rebatch(([values[at]] for at in batches(*sizes)), size, limit))
    wanted = values if limit is None else values[:limit]
    assert [len(block[0]) for block in blocks[:-1]] == [size] * max(len(blocks) - 1, 0)
    assert all(0 < len(block[0]) <= size for block in blocks)
    assert sum((block[0].tolist() for block in blocks), []) == wanted.tolist()


@pytest.mark.parametrize("limit", [None, 1, 5, 11, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 11, 12, 1000])
def test_blocks_of_any_size(size: int, limit: int | None) -> None:
    for data in (X, {"x": X}, list(X), (X[at] for at in batches(2, 9))):
        blocks = list(Samples(data, ONE).blocks(size, limit))
        assert all(block[0].dtype == np.float32 and block[0].flags.c_contiguous for block in blocks)
        assert {len(block[0]) for block in blocks[:-1]} <= {size}
        np.testing.assert_array_equal(np.concatenate([block[0] for block in blocks]), X[:limit])


def test_a_limit_takes_no_more_than_needed() -> None:
    taken = []

    def source() -> Iterator[Reals]:
        for number, sample in enumerate(X):
            taken.append(number)
            yield sample

    blocks = list(Samples(source(), ONE).blocks(2, 5))
    assert [len(block[0]) for block in blocks] == [2, 2, 1]
    assert taken == [0, 1, 2, 3, 4]


def test_an_iterator_is_read_again_for_the_calibration() -> None:
    samples = Samples((X[at] for at in batches(3, 3, 3, 2)), ONE)
    start = [block[0] for block in samples.rereadable(4).blocks(2, 4)]
    np.testing.assert_array_equal(np.concatenate(start), X[:4])
    np.testing.assert_array_equal(np.concatenate([block[0] for block in samples.blocks(4)]), X)


@pytest.mark.parametrize("data", [X, [X[:5], X[5:]], {"x": X}], ids=["array", "list", "mapping"])
def test_what_can_be_read_again_is_not_copied(data: Any) -> None:
    samples = Samples(data, ONE)
    assert samples.rereadable(4) is samples
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate([block[0] for block in samples.blocks(4)]), X)


def test_the_number_of_samples_is_known_for_arrays() -> None:
    assert Samples(X, ONE).count == 11
    assert Samples(iter(X), ONE).count is None


def test_a_large_batch_is_cut_without_copying_its_rest() -> None:
    batch = np.zeros((2_000, 6), np.float32)
    blocks = [block[0] for block in Samples(iter([batch]), ONE).blocks(8)]
    assert len(blocks) == 250
    assert all(np.shares_memory(block, batch) for block in blocks)


def test_synthetic_data_repeats() -> None:
    first, second = synthetic(TWO, 5), synthetic(TWO, 5)
    assert [one.shape for one in first] == [(5, 4), (5, 3)]
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
        assert 0 <= one.min() <= one.max() < 1
        assert one.dtype == np.float32
    assert not np.array_equal(first[0], synthetic(TWO, 5, seed=1)[0])


# Bad data


def refused(data: Any, inputs: Inputs = ONE) -> str:
    """Return what is said of data that nothing can be done with."""
    with pytest.raises(DataError) as caught:
        list(Samples(data, inputs).blocks(4))
    message = str(caught.value)
    assert len(message) < 300
    assert "\n" not in message
    return message


def with_value(value: float, sample: int, place: int) -> Reals:
    """Return the data with one value changed."""
    changed = X.copy()
    changed[sample, place] = value
    return changed


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "shape": (lambda: X[:, :5], "input 'x' takes samples of shape (6,), the data has shape (11, 5)"),
    "rank": (lambda: X[:, :, None], "input 'x' takes samples of shape (6,), the data has shape (11, 6, 1)"),
    "one sample without an axis": (
        lambda: X[0],
        "input 'x' takes samples of shape (6,), the data has shape (6,); a single sample needs an axis in front, "
        "data[None]",
    ),
    "a number": (lambda: np.float32(3), "input 'x' takes samples of shape (6,), the data has shape ()"),
    "empty": (lambda: X[:0], "the data is empty: it holds no sample"),
    "empty list": (lambda: [], "the data is empty: it holds no sample"),
    "iterator of nothing": (lambda: iter(()), "the data is empty: it holds no sample"),
    "iterator of empty batches": (lambda: iter([X[:0], X[:0]]), "the data is empty: it holds no sample"),
    "empty dataset": (lambda: dataset(X).take(0), "the data is empty: it holds no sample"),
    "NaN": (lambda: with_value(np.nan, 7, 2), "input 'x': sample 7 holds nan at (2,)"),
    "infinity": (lambda: with_value(-np.inf, 10, 5), "input 'x': sample 10 holds -inf at (5,)"),
    "too large for float32": (
        lambda: X.astype(np.float64) + np.eye(11, 6, -3) * 1e39,
        "input 'x': sample 3 holds inf at (0,)",
    ),
    "NaN in an iterator": (lambda: iter(with_value(np.nan, 9, 0)), "input 'x': sample 9 holds nan at (0,)"),
    "text": (lambda: X.astype(str), "input 'x': data of type <U32 is no number"),
    "bytes": (lambda: X.astype("S8"), "input 'x': data of type |S8 is no number"),
    "objects": (lambda: X.astype(object), "input 'x': data of type object is no number"),
    "complex": (lambda: X + 1j, "input 'x': data of type complex64 is no number"),
    "dates": (lambda: X.astype("M8[s]"), "input 'x': data of type datetime64[s] is no number"),
    "records": (lambda: np.zeros((3, 6), [("a", "f4")]), "input 'x': data of type [('a', '<f4')] is no number"),
    "text in an iterator": (lambda: iter(X.astype(str)), "input 'x': data of type <U32 is no number"),
    "lists of different lengths": (
        lambda: {"x": [[1.0] * 6, [1.0] * 5]},
        "input 'x': list is no array of numbers",
    ),
    "lists of different lengths in an iterator": (
        lambda: iter([([[1.0] * 6, [1.0] * 5],)]),
        "element 0 of the data: list is no array of numbers",
    ),
    "rows of different lengths in an iterator": (
        lambda: iter([[[1.0] * 6, [1.0] * 5, [2.0] * 6]]),
        "element 0 of the data: list is no array of numbers",
    ),
    "shape in an iterator": (
        lambda: iter([X, X, X[:, :5]]),
        "element 2 of the data: input 'x' takes samples of shape (6,), as those before have, the data has shape "
        "(11, 5)",
    ),
    "labels alone": (
        lambda: ({"y": X, "z": X} for _ in range(3)),
        "element 0 of the data holds arrays named ['y', 'z'], the network's inputs are ['x']",
    ),
    "names": (
        lambda: {"y": X, "z": X},
        "the mapping holds arrays named ['y', 'z'], the network's inputs are ['x']",
    ),
    "a number of Python": (
        lambda: 5,
        "data of type int cannot be read: give an array, the path of an .npy or .npz file, a tf.data.Dataset or an "
        "iterable of batches",
    ),
    "an object": (
        object,
        "data of type object cannot be read: give an array, the path of an .npy or .npz file, a tf.data.Dataset or an "
        "iterable of batches",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_data(mistake: str) -> None:
    make, message = WRONG[mistake]
    assert refused(make()) == message


WRONG_FOR_TWO: dict[str, tuple[Callable[[], Any], str]] = {
    "one array": (lambda: A, "the network has 2 inputs (a, b), the data has 1 array"),
    "three arrays": (lambda: [A, B, B], "the network has 2 inputs (a, b), the data has 3 arrays"),
    "the other order": (lambda: [B, A], "input 'a' takes samples of shape (4,), the data has shape (11, 3)"),
    "different numbers": (
        lambda: [A, B[:7]],
        "the inputs have different numbers of samples: {'a': 11, 'b': 7}",
    ),
    "different numbers in a mapping": (
        lambda: {"a": A[:0], "b": B},
        "the inputs have different numbers of samples: {'a': 0, 'b': 11}",
    ),
    "different numbers in an iterator": (
        lambda: iter([(A, B), (A, B), (A[:4], B[:3])]),
        "element 2 of the data: the inputs have different numbers of samples: {'a': 4, 'b': 3}",
    ),
    "one array in an iterator": (
        lambda: iter([A]),
        "element 0 of the data: the network has 2 inputs (a, b), the data has 1 array",
    ),
    "a name too few": (
        lambda: {"a": A},
        "the mapping holds arrays named ['a'], the network's inputs are ['a', 'b']",
    ),
    "a name too few in an iterator": (
        lambda: iter([{"a": A, "c": B}]),
        "element 0 of the data holds arrays named ['a', 'c'], the network's inputs are ['a', 'b']",
    ),
    "NaN in the second": (
        lambda: [A, np.where(np.arange(33).reshape(11, 3) == 20, np.float32(np.nan), B)],
        "input 'b': sample 6 holds nan at (2,)",
    ),
}


@pytest.mark.parametrize("mistake", WRONG_FOR_TWO)
def test_wrong_data_for_two_inputs(mistake: str) -> None:
    make, message = WRONG_FOR_TWO[mistake]
    assert refused(make(), TWO) == message


def test_places_in_images() -> None:
    images = np.zeros((5, 4, 3, 2))
    images[3, 2, 1, 0] = np.nan
    assert refused(images, [Input(name="image", shape=(4, 3, 2))]) == "input 'image': sample 3 holds nan at (2, 1, 0)"


# Bad files


class Bomb:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Ask the reader to create the file."""
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    fuse = tmp_path / "exploded"
    bomb = np.array([Bomb(fuse)], object)
    np.save(tmp_path / "array.npy", bomb, allow_pickle=True)
    np.savez(tmp_path / "archive.npz", x=bomb)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Bomb(fuse)))
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Bomb(fuse)))
    for name in ("array.npy", "archive.npz", "plain.npy", "plain.npz"):
        assert refused(tmp_path / name) == f"{tmp_path / name}: is no .npy or .npz file of numbers"
    assert not fuse.exists()
    np.load(tmp_path / "array.npy", allow_pickle=True)
    assert fuse.exists(), "the test itself is blunt"


def test_missing_files(tmp_path: Path) -> None:
    for name in ("none.npy", "none.npz", "none"):
        assert refused(tmp_path / name) == f"{tmp_path / name}: No such file or directory"
    assert refused(tmp_path) == f"{tmp_path}: Is a directory"


@pytest.mark.parametrize("name", ["data.npz", "data.npy", "data.txt"])
@pytest.mark.parametrize(
    "content",
    [b"", b"a few words", b"PK\x03\x04 and a few words", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': 'f"],
    ids=["empty", "words", "begins like a zip", "begins like an npy", "cut header"],
)
def test_files_of_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name) == f"{tmp_path / name}: is no .npy or .npz file of numbers"


@pytest.mark.parametrize("name", ["x.npy", "named.npz", "images.npz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_files(folder: Path, tmp_path: Path, name: str, share: float) -> None:
    whole = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    assert refused(tmp_path / name) == f"{tmp_path / name}: is no .npy or .npz file of numbers"


def test_damaged_archives(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "images.npz").read_bytes()
    path, refusals = tmp_path / "bad.npz", 0
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        path.write_bytes(bytes(changed))
        try:
            (block,) = next(Samples(path, ONE).blocks(100))
        except DataError as error:
            assert str(error).startswith(str(path))
            refusals += 1
        else:
            np.testing.assert_array_equal(block, X)
    assert refusals > 100


def test_an_array_larger_than_memory_is_only_announced(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "x.npy").read_bytes()
    huge = whole.replace(b"(11, 6), }" + b" " * 16, b"(11000000000000000, 6), }")
    (tmp_path / "huge.npy").write_bytes(huge.replace(b"6), }", b"6), } "))
    assert refused(tmp_path / "huge.npy") == f"{tmp_path / 'huge.npy'}: is no .npy or .npz file of numbers"


def test_archives_that_do_not_say_which_array_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, first=X, second=X)
    assert refused(path) == f"{path} holds arrays named ['first', 'second'], the network's inputs are ['x']"
    np.savez(path, images=X)
    assert refused(path, TWO) == f"{path} holds arrays named ['images'], the network's inputs are ['a', 'b']"


def test_files_with_wrong_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "empty.npy", X[:0])
    np.save(tmp_path / "text.npy", X.astype(str))
    np.save(tmp_path / "shape.npy", X[0])
    assert refused(tmp_path / "empty.npy") == "the data is empty: it holds no sample"
    assert refused(tmp_path / "text.npy") == "input 'x': data of type <U32 is no number"
    assert "takes samples of shape (6,), the data has shape (6,)" in refused(tmp_path / "shape.npy")
    assert refused(tmp_path / "text.npy", TWO) == "the network has 2 inputs (a, b), the data has 1 array"
