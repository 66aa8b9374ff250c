"""Devices: what a result's bits depend on besides the plan, and the settings that keep them from depending on more."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from pipeline.version import __version__

PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "numpy", "pillow", "scikit-image", "scipy")
"""packages, besides gigatile, whose version can change a bit of the result: the last three scale what taggers see and
find edges"""

ABSENT = "not installed"
"""in place of a version"""
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16", "sve")
"""instruction sets by which the CPU libraries choose their kernels"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """The kind of device that a run is bound to: results are bit-identical within one kind."""

    kind: str
    """cpu or cuda"""
    name: str
    """the GPU's model, or the CPU's architecture with the instruction sets that matter"""
    threads: int
    """threads a worker computes with"""


def describe_device(kind: str, threads: int) -> DeviceFacts:
    """The device of this process. Raises ValueError where ``kind`` is cuda and no GPU is there."""
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(
                "device: cuda was asked for and this machine shows no GPU; use cpu, or start on a GPU node"
            )
        return DeviceFacts(kind="cuda", name=torch.cuda.get_device_name(), threads=threads)
    return DeviceFacts(kind="cpu", name=" ".join([platform.machine(), *_cpu_flags()]), threads=threads)


def _cpu_flags() -> list[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return [torch.backends.cpu.get_cpu_capability().lower()]
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return [flag for flag in _CPU_FLAGS if flag in flags]


def package_versions(also: Iterable[str] = ()) -> dict[str, str]:
    """Versions of the packages that a result's bits depend on; ``also``: those beside gigatile's own.

    ABSENT stands for one that is not installed.
    """
    others = [name for name in also if name != "gigatile" and name not in PACKAGES]
    return {"gigatile": __version__, **{name: version(name) for name in PACKAGES}, **dict(map(_installed, others))}


def _installed(name: str) -> tuple[str, str]:
    try:
        return name, version(name)
    except PackageNotFoundError:
        return name, ABSENT


def check_packages(versions: dict[str, str], where: str) -> None:
    """Refuse a plan record that was made with a package that is not here. Raises ValueError, one line."""
    for name, installed in package_versions(versions).items():
        if installed == ABSENT:
            raise ValueError(
                f"{where}: made with the package {name} {versions[name]}, which is not installed here: install it, on "
                "every node"
            )


def make_deterministic(threads: int) -> None:
    """Settle this process's thread count and choose repeatable kernels; called once, before any model is loaded."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # else torch fills whatever it allocates, to show who reads what nobody wrote: a twentieth of a step's time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
