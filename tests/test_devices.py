"""What `jaxent devices` advises, on machines made of files."""

import sys

import jax
import pytest

from jaxent.sweep import accelerator_advice, devices

GPU, SOUND, TPU, NETWORK = (
    ("0x10de", "0x030200"),
    ("0x10de", "0x040300"),
    ("0x1ae0", "0x120000"),
    ("0x1ae0", "0x020000"),
)


def machine(root, cards, files=()):
    """A file system with devices on the PCI bus, and with some files."""
    for number, (vendor, kind) in enumerate(cards):
        folder = root / "sys/bus/pci/devices" / f"0000:00:{number:02d}.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(vendor + "\n")
        (folder / "class").write_text(kind + "\n")
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


def install(extra):
    return f"run: {sys.executable} -m pip install 'jax[{extra}]=={jax.__version__}'"


@pytest.mark.parametrize(
    ("cards", "files", "installed", "words"),
    [
        ([], [], {}, "No GPU or TPU was found on this machine: JAX computes on its processor."),
        ([SOUND, NETWORK], [], {}, "No GPU or TPU was found"),
        (
            [GPU],
            ["dev/nvidia0"],
            {},
            "An NVIDIA GPU is here, but the installed JAX is for processors only; " + install("cuda12"),
        ),
        (
            [],
            ["dev/dxg"],
            {},
            "An NVIDIA GPU is here, but the installed JAX is for processors only; " + install("cuda12"),
        ),
        ([GPU], [], {}, "its driver does not show it here: install the driver until nvidia-smi lists the GPU"),
        (
            [GPU],
            ["dev/nvidia0"],
            {"jax-cuda12-plugin": "0.1"},
            f"jax-cuda12-plugin 0.1 does not fit jax {jax.__version__}; run",
        ),
        (
            [GPU],
            ["dev/nvidia0"],
            {"jax-cuda13-plugin": jax.__version__},
            f"JAX cannot start it; to see why, run: {sys.executable} -c 'import jax; jax.devices(\"cuda\")'",
        ),
        ([NETWORK, TPU], [], {}, "A TPU is here, but the installed JAX is for processors only; " + install("tpu")),
        ([TPU], [], {"libtpu": "0.0.30"}, "A TPU is here and libtpu 0.0.30 is installed, but JAX cannot start it"),
    ],
)
def test_advice_fits_the_machine(tmp_path, monkeypatch, cards, files, installed, words):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(devices, "_installed", installed.get)
    advice = accelerator_advice(["cpu", "cpu"], machine(tmp_path, cards, files))
    assert words in advice
    assert "\n" not in advice


def test_an_accelerator_in_use_needs_no_advice(tmp_path):
    assert accelerator_advice(["gpu"], machine(tmp_path, [GPU], ["dev/nvidia0"])) == ""


def test_a_choice_of_platforms_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    advice = accelerator_advice(["cpu"], machine(tmp_path, [GPU], ["dev/nvidia0"]))
    assert advice == "JAX keeps to the processor because JAX_PLATFORMS is 'cpu'; unset it to use the accelerator."
