"""How the networks of a denoiser are run: compiled, in which memory format, with which kernel for attention.

diffusers' own ``set_attention_backend`` changes nothing in the U-Nets of Stable Diffusion: their attention processors
call torch's scaled_dot_product_attention, whatever is set. So what is chosen here is torch's kernel.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

ATTENTIONS = {
    "auto": None,
    "math": SDPBackend.MATH,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
"""name in a recipe -> torch's kernel; ``auto`` leaves the choice to torch"""
ON_CPU = ("auto", "math", "flash")
HALF_ONLY = ("flash", "cudnn")
"""kernels that a GPU has for half precision alone"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen; any of it can change the last digits."""

    compile: bool = False
    """torch.compile for U-Net and ControlNets"""
    channels_last: bool = False
    """weights of convolutions in the order that tensor cores and oneDNN like"""
    attention: str = "auto"
    """one of ATTENTIONS"""

    def prepare(self, network: Any) -> None:
        """Make a loaded network of the denoiser what the options say, in place."""
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.compile:
            # tiles and batches have one shape
            network.compile(dynamic=False)

    def attending(self) -> AbstractContextManager[Any]:
        """The context in which the denoiser runs."""
        kernel = ATTENTIONS[self.attention]
        return nullcontext() if kernel is None else sdpa_kernel(kernel)


PLAIN = Options()
