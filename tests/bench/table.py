"""All rows. Goals hold for the tier that runs: AMX, VNNI alone, portable."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench import matmul, models, networks, roofline
from bench.first_use import FIRST, IMPORT, LATER, first_use
from bench.matmul import LIMIT, NUMPY32, NUMPY64, ONNXRUNTIME, WIDE
from bench.memory import memory
from bench.models import Subject
from bench.networks import ACC20, INT8, TENSORFLOW, TFLITE, WHOLE_CALL, WITHOUT_LEDGER
from bench.per_mac import AP_FIXED, APYTYPES, FXPMATH, per_mac
from bench.roofline import ROOF
from bench.row import By, Row, everywhere

EVERY_MAC = f"saturate at {matmul.BITS} bits after every MAC"


def products() -> Iterator[Row]:
    """Matrix products."""
    work = "u8 x s8 product, 1024³, 32 bits"
    yield Row(
        number=1,
        name="matmul-int8-onnxruntime",
        work=work,
        experiment=matmul.int8,
        peer=ONNXRUNTIME,
        by=By.SPEED,
        goals={"amx": 0.9},
    )
    yield Row(
        number=2,
        name="matmul-int8-numpy",
        work=work,
        experiment=matmul.int8,
        peer=NUMPY32,
        by=By.SPEED,
        goals={"amx": 8, "vnni": 3, "portable": 0.7},
    )
    for kind, experiment in (("s8", matmul.int16_by_int8), ("s16", matmul.int16_by_int16)):
        yield Row(
            number=3,
            name=f"matmul-int16-{kind}-numpy",
            work=f"s16 x {kind} product, 1024³, exact",
            experiment=experiment,
            peer=NUMPY64,
            by=By.SPEED,
            goals={"amx": 5, "vnni": 2},
        )


def saturation() -> Iterator[Row]:
    """Saturation after every product."""
    yield Row(
        number=4,
        name="saturate-none-wide",
        work=f"{EVERY_MAC}: nothing overflows",
        experiment=matmul.saturating_calm,
        peer=WIDE,
        goals=everywhere(1.2),
    )
    yield Row(
        number=5,
        name="saturate-some-wide",
        work=f"{EVERY_MAC}: 1 % overflow",
        experiment=matmul.saturating_some,
        peer=WIDE,
        goals=everywhere(2),
    )
    yield Row(
        number=6,
        name="saturate-all-numpy",
        work=f"{EVERY_MAC}: all overflow",
        experiment=matmul.saturating_all,
        peer=NUMPY32,
        goals=everywhere(2),
    )


def inception() -> Iterator[Row]:
    """InceptionV3, for which there are goals."""
    int8, acc20 = (f"InceptionV3 299, batch {models.INCEPTION.batch}, {target}" for target in (INT8, ACC20))
    yield Row(
        number=7,
        name="inception-int8-tensorflow",
        work=int8,
        experiment=networks.inception_int8,
        peer=TENSORFLOW,
        goals=everywhere(0.5),
    )
    yield Row(
        number=7,
        name="inception-int8-tflite",
        work=int8,
        experiment=networks.inception_int8,
        peer=TFLITE,
        beyond=1,
    )
    yield Row(
        number=8,
        name="inception-acc20-tensorflow",
        work=acc20,
        experiment=networks.inception_acc20,
        peer=TENSORFLOW,
        goals=everywhere(1),
        beyond=0.5,
    )
    yield Row(
        number=9,
        name="inception-whole-tensorflow",
        work=f"{int8}: with float and all errors",
        experiment=networks.inception_whole,
        peer=TENSORFLOW,
        goals=everywhere(2.5),
    )
    yield Row(
        number=9,
        name="inception-call-tensorflow",
        work=f"{int8}: hwsim.run from model to report",
        experiment=networks.inception_whole,
        ours=WHOLE_CALL,
        peer=TENSORFLOW,
    )


def others(subject: Subject) -> Iterator[Row]:
    """Another network, reported without goals."""
    label, name = f"{subject.name} {subject.size}, batch {subject.batch}", subject.name.lower().replace(" ", "-")
    int8, acc20 = (partial(networks.execution, subject, target) for target in (INT8, ACC20))
    whole = partial(networks.whole_run, subject, INT8)
    for kind, work, experiment, peer in (
        ("int8-tensorflow", INT8, int8, TENSORFLOW),
        ("int8-tflite", INT8, int8, TFLITE),
        ("acc20-tensorflow", ACC20, acc20, TENSORFLOW),
        ("whole-tensorflow", f"{INT8}: with float and all errors", whole, TENSORFLOW),
    ):
        yield Row(number=10, name=f"{name}-{kind}", work=f"{label}, {work}", experiment=experiment, peer=peer)


def overheads() -> Iterator[Row]:
    """What counting costs, how much faster others are, memory, the first use."""
    yield Row(
        number=11,
        name="ledger",
        work=f"InceptionV3 299, batch {models.INCEPTION.batch}, {INT8}: cost of the counters",
        experiment=networks.inception_ledger,
        peer=WITHOUT_LEDGER,
        goals=everywhere(1.15),
    )
    for peer, name in ((AP_FIXED, "ap-fixed"), (APYTYPES, "apytypes"), (FXPMATH, "fxpmath")):
        yield Row(
            number=12,
            name=f"per-mac-{name}",
            work=EVERY_MAC,
            experiment=per_mac,
            peer=peer,
            by=By.SPEED,
            goals=everywhere(100),
        )
    for times in ("2x", "8x"):
        yield Row(
            number=13,
            name=f"memory-{times}",
            work=f"most memory over {times} the samples",
            experiment=memory,
            ours=times,
            peer="1x",
            goals=everywhere(1.05),
        )
    for ours, bound in ((FIRST, 30), (LATER, 2)):
        yield Row(
            number=14,
            name=ours.replace(" ", "-"),
            work=f"hwsim.run of the demo's model, {ours}",
            experiment=first_use,
            ours=ours,
            peer=IMPORT,
            by=By.VALUE,
            goals=everywhere(bound),
        )


def limits() -> Iterator[Row]:
    """Shares of what the machine allows."""
    for name, work, experiment, limit in (
        ("int8", "u8 x s8 product, 1024³", matmul.int8, LIMIT),
        ("int16-s8", "s16 x s8 product, 1024³", matmul.int16_by_int8, LIMIT),
        ("int16-s16", "s16 x s16 product, 1024³", matmul.int16_by_int16, LIMIT),
        ("depthwise", "depthwise 3 x 3, 112 x 112 x 96", roofline.depthwise, ROOF),
        ("pointwise", "1 x 1, 56 x 56 x 64 to 256", roofline.pointwise, ROOF),
        ("square", "3 x 3, 56 x 56 x 64 to 64", roofline.square, ROOF),
        ("first", "3 x 3 x 3 to 32, stride 2, at 299", roofline.first_layer, ROOF),
        ("max-pool", "max pool 3 x 3, stride 2, 147 x 147 x 64", roofline.max_pool, ROOF),
        ("average-pool", "average pool 3 x 3, 35 x 35 x 288", roofline.average_pool, ROOF),
        ("requantise", "requantise and count, 56 x 56 x 256", roofline.requantise, ROOF),
    ):
        yield Row(number=15, name=f"limit-{name}", work=work, experiment=experiment, peer=limit, by=By.SHARE)


ROWS = (
    *products(),
    *saturation(),
    *inception(),
    *others(models.MOBILENET),
    *others(models.RESNET50),
    *others(models.TINY_RESNET),
    *overheads(),
    *limits(),
)
