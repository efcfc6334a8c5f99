"""Weights of `recvae train` in PyTorch: names and layouts are those of the Python package.

    python load_in_pytorch.py runs/first/weights.safetensors
"""

import sys

from safetensors.torch import load_file

state = load_file(sys.argv[1])
for name, tensor in list(state.items())[:8]:
    print(name, tuple(tensor.shape))
# model.load_state_dict(state)   # strict; counters are int64 as PyTorch has them
