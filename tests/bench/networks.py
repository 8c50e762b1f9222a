"""Whole networks: the program alone, the whole run with its measurements, and what counting costs."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import hwsim
from bench import models, ours
from bench.figures import Missing, Outcome, Unit, digits
from bench.measure import Call, Entry, Setup, contest
from bench.models import Reals, Subject
from hwsim.program import Program

IMAGE = Unit(item="image")
TENSORFLOW, TFLITE = "TensorFlow float32", "TFLite int8 (XNNPACK)"
WHOLE_CALL = "the whole call"
WITHOUT_LEDGER = "without counters"


class Prepared(NamedTuple):
    """A network with its plan and program for a target, and data."""

    network: hwsim.Network
    plan: hwsim.Plan
    program: Program
    images: Reals


def execution(subject: Subject, target: str, setup: Setup) -> Outcome:
    """Measure the program alone against TensorFlow and TFLite."""
    ready = prepared(subject, target)
    outcome = contest(
        setup,
        IMAGE,
        [
            Entry(name="ours", prepare=lambda: ours.program_run(ready.program, ready.images), work=subject.batch),
            Entry(name=TENSORFLOW, prepare=lambda: tensorflow_call(subject), work=subject.batch),
            Entry(name=TFLITE, prepare=lambda: tflite_call(subject, setup.threads), work=subject.batch),
        ],
    )
    if isinstance(outcome.figures["ours"], Missing):
        return outcome
    return outcome.plus(f"{subject.name} on {target}: {digits(likeness(subject, ready))} dB from TensorFlow's result")


def whole_run(subject: Subject, target: str, setup: Setup) -> Outcome:
    """Measure integers beside float, all layers compared; and the whole of ``hwsim.run`` with a given plan."""
    ready, model = prepared(subject, target), models.model(subject)
    return contest(
        setup,
        IMAGE,
        [
            Entry(
                name="ours",
                prepare=lambda: ours.simulation(ready.network, ready.program, ready.images),
                work=subject.batch,
            ),
            Entry(
                name=WHOLE_CALL,
                prepare=lambda: partial(hwsim.run, model, target, ready.images, plan=ready.plan),
                work=subject.batch,
            ),
            Entry(name=TENSORFLOW, prepare=lambda: tensorflow_call(subject), work=subject.batch),
        ],
    )


def ledger(subject: Subject, target: str, setup: Setup) -> Outcome:
    """Measure the program with and without its counters."""
    ready = prepared(subject, target)
    codes = ours.program_run(ready.program, ready.images)()
    return contest(
        setup,
        IMAGE,
        [
            Entry(
                name="ours",
                prepare=lambda: ours.program_run(ready.program, ready.images),
                work=subject.batch,
                expected=codes,
            ),
            Entry(
                name=WITHOUT_LEDGER,
                prepare=lambda: ours.program_run_without_ledger(ready.program, ready.images),
                work=subject.batch,
                expected=codes,
            ),
        ],
    )


INT8, ACC20 = "generic-int8", "edge-npu-acc20"

inception_int8 = partial(execution, models.INCEPTION, INT8)
inception_acc20 = partial(execution, models.INCEPTION, ACC20)
inception_whole = partial(whole_run, models.INCEPTION, INT8)
inception_ledger = partial(ledger, models.INCEPTION, INT8)


# --- ours -----------------------------------------------------------------------------------------------------


@cache
def prepared(subject: Subject, target: str) -> Prepared:
    """Bring a model to a target; its ranges come from the images that it is measured on."""
    network, profile, images = profiled(subject)
    chosen = hwsim.load_target(target)
    plan = hwsim.decide(network, profile, chosen)
    return Prepared(network, plan, hwsim.lower(network, plan, chosen), images)


@cache
def profiled(subject: Subject) -> tuple[hwsim.Network, hwsim.Profile, Reals]:
    """Import a model and look at its ranges; raise Missing if its activations are not sane."""
    network, images = hwsim.load(models.model(subject)), subject.images(subject.batch)
    profile = hwsim.profile(network, images)
    widest = max(max(-one.minimum, one.maximum) for one in profile.tensors.values())
    if not 0.01 < widest < 1e4:
        raise Missing(f"activations reach {widest:.3g}: the model is of no use")
    return network, profile, images


def likeness(subject: Subject, ready: Prepared) -> float:
    """Return how far the program's real results for the first image are from TensorFlow's, in dB."""
    exact = np.asarray(tensorflow_call(subject)(), np.float64)[:1]
    found = next(iter(ready.program.run(ready.images[:1]).outputs.values()))
    return float(10 * np.log10(np.sum(exact**2) / np.sum((found - exact) ** 2)))


# --- theirs ---------------------------------------------------------------------------------------------------


@cache
def compiled(subject: Subject) -> Any:
    """Return the model as a ``tf.function`` of a whole batch."""
    import tensorflow as tf

    model = models.model(subject)

    def predict(images: Any) -> Any:
        return model(images, training=False)

    return tf.function(predict, input_signature=[tf.TensorSpec((subject.batch, subject.size, subject.size, 3))])


def tensorflow_call(subject: Subject) -> Call:
    """Prepare the float run of a batch."""
    import tensorflow as tf

    function, images = compiled(subject), tf.constant(subject.images(subject.batch))
    return lambda: function(images).numpy()


def tflite_call(subject: Subject, threads: int) -> Call:
    """Prepare the same batch in the interpreter, all integers."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter: Any = tf.lite.Interpreter(model_content=converted(subject), num_threads=threads)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    images = subject.images(subject.batch)
    interpreter.resize_tensor_input(source["index"], images.shape)
    interpreter.allocate_tensors()
    scale, zero_point = source["quantization"]
    codes: NDArray[np.int8] = np.clip(np.rint(images / scale) + zero_point, -128, 127).astype(np.int8)

    def call() -> Any:
        interpreter.set_tensor(source["index"], codes)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return call


@cache
def converted(subject: Subject) -> bytes:
    """Return the model as a flatbuffer of int8 alone."""
    import tensorflow as tf

    def samples() -> Iterator[list[Reals]]:
        for image in subject.images(4):
            yield [image[None]]

    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # Keras prints what it exports
        warnings.simplefilter("ignore")
        converter: Any = tf.lite.TFLiteConverter.from_keras_model(models.model(subject))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        content: bytes = converter.convert()
    return content
