"""
Writes the PyTorch files of this folder; expected.tsv, the arrays that a reader has to find in them; and
weights_only.txt, what PyTorch's own reader of plain data may call.

Run with: python make_torch_files.py FOLDER (any PyTorch with NumPy; 2.13.0 made the files that are here)
"""

import argparse
import collections
import pathlib
import sys

import numpy
import torch
from torch import nn

folder = pathlib.Path(sys.argv[1])
rows = [["file", "state", "array", "dtype", "shape", "values"]]


def keep(name, root, state=None, at="", **options):
    """Saves `root`, and notes the arrays of `state`, the part at `at`, that a reader has to find in it."""
    torch.save(root, folder / name, **options)
    tensors = {k: v for k, v in (root if state is None else state).items() if torch.is_tensor(v)}
    for key, tensor in tensors.items():
        values = tensor.detach().to(torch.float64) if tensor.is_floating_point() else tensor.to(torch.int64)
        dtype = str(tensor.dtype).removeprefix("torch.")
        words = [" ".join(map(str, numbers)) for numbers in (tensor.shape, values.flatten().tolist())]
        rows.append([name, at, key, dtype, *words])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


# A class without source text, since torch.save puts the path of the source into the file.
exec("class Whole(nn.Module):\n  def __init__(self):\n    super().__init__()\n    self.gain = nn.Parameter(torch.ones(2))")

torch.manual_seed(1)
net = Net()

# One state dictionary in every container and protocol.
for protocol in (2, 3, 4, 5):
    keep(f"protocol_{protocol}.pt", net.state_dict(), pickle_protocol=protocol)
for protocol in (2, 4):
    keep(f"legacy_{protocol}.pt", net.state_dict(), pickle_protocol=protocol, _use_new_zipfile_serialization=False)

# Kinds of values.
frozen = nn.Parameter(torch.tensor([1.5, -2.0]), requires_grad=False)
keep("parameters.pt", {**dict(net.named_parameters()), "frozen": frozen})
keep("expanded.pt", {
    "columns": torch.arange(3.0)[:, None].expand(3, 4),
    "rows": torch.arange(4.0).expand(2, 4),
    "one": torch.tensor(7.0).expand(2000),
})
kinds = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
keep("dtypes.pt", {kind: torch.tensor([0, 1, 2.5, 100]).to(getattr(torch, kind)) for kind in kinds})
base = torch.arange(12.0).reshape(3, 4)
views = {
    "whole": base,
    "transposed": base.T,
    "column": base[:, 1],
    "tail": base[2:, 2:],
    "scalar": base[1, 1],
    "empty": torch.empty(0, 3),
    "same": base,
}
keep("views.pt", views)
keep("views_legacy.pt", views, _use_new_zipfile_serialization=False)
keep("beside.pt", {
    "weight": base,
    "epoch": 3,
    "lr": 1e-3,
    "name": "große Probe",
    "note": None,
    "done": True,
    "seed": 2**40,
    "huge": 2**100,
    "sizes": [1, 2, (3, 4)],
    "shape": base.shape,
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "tags": {"a", "b"},
    "raw": b"\x00\xff",
}, pickle_protocol=4)

# Checkpoints of training programs.
optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [2, 5])
for _ in range(2):
    net.enc(torch.randn(4, 3)).sum().backward()
    optimiser.step()
    schedule.step()
checkpoint = {
    "epoch": 2,
    "best_loss": 0.25,
    "model": net.state_dict(),
    "optimizer": optimiser.state_dict(),
    "scheduler": schedule.state_dict(),
    "rng_state": torch.get_rng_state()[:16].clone(),
}
keep("checkpoint.pth.tar", checkpoint, net.state_dict(), at="model")
keep("checkpoint_legacy.pt", checkpoint, net.state_dict(), at="model", _use_new_zipfile_serialization=False)
best = {"best_model_score": torch.tensor(0.5), "best_k_models": {"a.ckpt": torch.tensor(0.5)}, "dirpath": "out"}
lightning_state = {f"model.{k}": v for k, v in net.state_dict().items()}
keep("lightning.ckpt", {
    "epoch": 3,
    "global_step": 12,
    "pytorch-lightning_version": "2.5.0",
    "state_dict": collections.OrderedDict(lightning_state),
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
    "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": best},
    "optimizer_states": [optimiser.state_dict()],
    "lr_schedulers": [schedule.state_dict()],
    "hparams_name": "kwargs",
    "hyper_parameters": {"lr": 1e-3, "betas": (0.9, 0.999)},
}, lightning_state, at="state_dict")
both = {"generator": {"w": torch.ones(2)}, "discriminator": {"w": torch.zeros(3)}, "epoch": 1}
keep("two_states.pt", both, both["discriminator"], at="discriminator")
nested = {"epoch": 1, "trainer": {"ema": {"state_dict": net.state_dict()}}}
keep("nested.pt", nested, net.state_dict(), at="trainer/ema/state_dict")

# Names that wrappers lengthen: the arrays of the bare network have to come out.
keep("data_parallel.pt", nn.DataParallel(net).state_dict(), net.state_dict())
keep("compiled.pt", torch.compile(net).state_dict(), net.state_dict())
outer = nn.Module()
outer.model = torch.compile(net)
keep("compiled_inside.pt", outer.state_dict(), lightning_state)
keep("compiled_parallel.pt", torch.compile(nn.DataParallel(net)).state_dict(), net.state_dict())

# What has to be refused, each by name.
model = Whole()
quantised = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
for name, root in {
    "refused_whole_model.pt": model,
    "refused_sequential.pt": nn.Sequential(nn.Linear(2, 1)),
    "refused_model_inside.pt": {"epoch": 1, "model": model},
    "refused_sparse.pt": {"w": torch.eye(2).to_sparse()},
    "refused_quantised.pt": {"w": quantised},
    "refused_complex.pt": {"w": torch.ones(2, dtype=torch.complex64)},
    "refused_uint16.pt": {"w": torch.ones(2).to(torch.uint16)},
    "refused_numpy_scalar.pt": {"state_dict": net.state_dict(), "best": numpy.float64(0.5)},
    "refused_namespace.pt": {"state_dict": net.state_dict(), "args": argparse.Namespace(lr=0.1)},
    "refused_one_tensor.pt": torch.ones(2),
    "refused_list.pt": [torch.ones(2), torch.zeros(2)],
    "refused_no_tensors.pt": {"epoch": 3, "history": [1.0, 0.5]},
}.items():
    torch.save(root, folder / name)
torch.save(model, folder / "refused_whole_model_4.pt", pickle_protocol=4)
torch.save(model, folder / "refused_whole_model_legacy.pt", _use_new_zipfile_serialization=False)
torch.jit.save(torch.jit.trace(nn.Linear(2, 1), torch.ones(1, 2)), folder / "refused_script.pt")

(folder / "expected.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))

# What PyTorch's own reader of plain data may call, to compare with.
allowed = sorted(name[::-1].replace(".", " ", 1)[::-1] for name in torch._weights_only_unpickler._get_allowed_globals())
(folder / "weights_only.txt").write_text("".join(f"{name}\n" for name in allowed))
