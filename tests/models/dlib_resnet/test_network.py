from pathlib import Path

import numpy as np
import pytest
from tests.models.dlib_resnet.small_network import SmallNetwork, integer

from vultus.core.errors import ModelError
from vultus.models.dlib_resnet.network import Convolution, Pool, read_network
from vultus.models.dlib_resnet.stream import DlibStream


@pytest.mark.parametrize("value", [0, 1, -1, 255, 256, -65_537, 2**40])
def test_integers_come_back(value: int) -> None:
    assert DlibStream(integer(value), name="x").integer() == value


def test_the_layers_are_those_that_were_written(small_network: SmallNetwork) -> None:
    network = read_network(small_network.content())
    assert network.size_px == small_network.size_px
    assert network.mean_rgb == small_network.mean_rgb
    assert network.n_parameters == sum(array.size for array in small_network.weights)
    steps = [layer for layer in network.layers if isinstance(layer, str)]
    assert steps == [
        *["relu", "mark", "relu", "add", "relu"],
        *["mark", "relu", "recall", "add", "relu"],
    ]
    pools = [layer for layer in network.layers if isinstance(layer, Pool)]
    assert pools == [Pool("max", 3, 2), Pool("average", 2, 2), Pool("average", 0, 1)]
    first = network.layers[0]
    assert isinstance(first, Convolution)
    np.testing.assert_array_equal(first.kernel, small_network.weights[0])
    np.testing.assert_array_equal(first.bias, small_network.weights[1])
    assert (first.stride, first.padding) == (2, 0)
    assert not first.kernel.flags.writeable


def test_a_file_cut_short_anywhere_is_refused_in_one_line(small_network: SmallNetwork) -> None:
    content = small_network.content()
    places = np.random.default_rng(0).integers(0, len(content), 300)
    for place in [0, 1, 2, *places, len(content) - 1]:
        with pytest.raises(ModelError, match=r"net\.dat must be dlib's") as error:
            read_network(content[:place], name="net.dat")
        assert "\n" not in str(error.value)


def test_what_follows_the_network_is_refused(small_network: SmallNetwork) -> None:
    with pytest.raises(ModelError, match=r"the end of the file.*3 bytes more"):
        read_network(small_network.content() + b"abc")


def test_changed_bytes_never_give_another_error_than_ours(small_network: SmallNetwork) -> None:
    content = small_network.content()
    generator = np.random.default_rng(1)
    refused = 0
    for _ in range(600):
        changed = bytearray(content)
        changed[generator.integers(len(content))] = generator.integers(256)
        try:
            read_network(bytes(changed))
        except ModelError:
            refused += 1
    assert refused > 50


def test_a_length_that_the_file_only_promises_takes_no_memory() -> None:
    huge = integer(2) + b"".join(map(integer, (2**62, 2**62, 2**62, 2**62)))
    with pytest.raises(ModelError, match="and the end of the file"):
        DlibStream(huge, name="x").tensor()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"con_4", b"con_9", "a known kind of layer"),
        (b"loss_metric_2", b"loss_metric_3", "loss 'loss_metric_2'"),
        (b"fc_2", b"fc_\xff", "a name in ASCII"),
        (
            integer(25) * 2 + b"\x01\x05con_4",
            integer(25) + integer(24) + b"\x01\x05con_4",
            "square",
        ),
        (b"\x01\x05con_4\x01\x02", b"\x01\x05con_4\x01\x03", "tensor version"),
        (b"110", b"1x0", "a flag 0 or 1"),
        (b"\x01\x05", b"\x81\x05", "a number of at least 0"),
        (b"\x01\x05con_4", b"\x09\x05con_4", "an integer of 1 to 8 bytes"),
    ],
)
def test_what_is_amiss_is_said(
    small_network: SmallNetwork, old: bytes, new: bytes, words: str
) -> None:
    content = small_network.content()
    assert old in content
    place = content.index(old, 30) if old in content[30:] else content.index(old)
    changed = content[:place] + new + content[place + len(old) :]
    with pytest.raises(ModelError, match=words):
        read_network(changed)


def test_weights_that_are_no_numbers_are_refused(small_network: SmallNetwork) -> None:
    small_network.parts[1] = small_network.parts[1][:-4] + np.float32("nan").tobytes()
    with pytest.raises(ModelError, match="finite weights"):
        read_network(small_network.content())


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must be dlib's face recognition ResNet"):
        read_network(b"\x89PNG\r\n\x1a\n" * 100)
