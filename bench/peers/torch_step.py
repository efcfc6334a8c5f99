"""The training step of the recurrent VAE in PyTorch, as the original does it: a peer to measure against.

One step = sequential rollout over T frames (encode, two heads, decode), losses, back-propagation through
the whole unrolled sequence, one plain SGD update. Network and losses as in
[recurrent-vae §3, §4]; nothing is recomputed or parallelised over time.

    python torch_step.py --batch 4 --frames 8 --spatial 91,109,91 --threads 2 --repeats 10
    python torch_step.py --serve ...    one step per line read from standard input

Prints JSON lines: first a description, then {"ms": milliseconds of a step, "loss": its loss} per step.
Exit code 77: PyTorch is not installed.
"""

import argparse
import json
import resource
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    print("torch_step.py: PyTorch is not installed", file=sys.stderr)
    sys.exit(77)

CHANNELS = (4, 8, 16, 32)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--spatial", default="91,109,91", help="X,Y,Z in voxels")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="torch.compile of encoder and decoder")
    parser.add_argument(
        "--frame-major", action="store_true", help="keep every frame contiguous, not time last"
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--serve", action="store_true", help="one step per input line")
    return parser.parse_args()


def level_sizes(shape, levels):
    sizes = [tuple(shape)]
    for _ in range(levels):
        sizes.append(tuple(n // 2 for n in sizes[-1]))
    return sizes


class RecurrentVae(nn.Module):
    """encoder1..5, two heads, decoder1..5, offsets z and transition F."""

    def __init__(self, shape, subjects, features=100, latent=10):
        super().__init__()
        sizes = level_sizes(shape, len(CHANNELS))
        bottom = sizes[-1]
        flat = CHANNELS[-1] * bottom[0] * bottom[1] * bottom[2]
        encoder, previous = [], 1
        for channels in CHANNELS:
            encoder += [nn.Conv3d(previous, channels, 4, 2, 1), nn.BatchNorm3d(channels), nn.LeakyReLU(0.2)]
            previous = channels
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(flat, features), nn.Tanh())
        self.to_mu = nn.Linear(features + latent, latent)
        self.to_log_var = nn.Linear(features + latent, latent)
        decoder = [
            nn.Linear(latent, flat),
            nn.Unflatten(1, (CHANNELS[-1], *bottom)),
            nn.BatchNorm3d(CHANNELS[-1]),
            nn.LeakyReLU(0.2),
        ]
        outputs = (*CHANNELS[-2::-1], 1)
        for level, channels in enumerate(outputs):
            coarse, fine = sizes[-1 - level], sizes[-2 - level]
            padding = tuple(f - 2 * c for f, c in zip(fine, coarse))
            incoming = CHANNELS[-1 - level]
            decoder.append(nn.ConvTranspose3d(incoming, channels, 4, 2, 1, padding, bias=False))
            last = level == len(outputs) - 1
            decoder += [nn.Tanh()] if last else [nn.BatchNorm3d(channels), nn.LeakyReLU(0.2)]
        self.decoder = nn.Sequential(*decoder)
        self.offsets = nn.Parameter(torch.randn(subjects, latent))
        self.register_buffer("transition", torch.rand(latent, latent))

    def loss(self, volumes, rows):
        """volumes (B, 1, X, Y, Z, T), as the original stores them."""
        batch, frames = volumes.shape[0], volumes.shape[-1]
        state = volumes.new_zeros(batch, self.offsets.shape[1])
        inputs, outputs, states, priors = [], [], [], []
        for t in range(frames):
            frame = volumes[..., t]
            priors.append(state @ self.transition.T)
            joined = torch.cat([self.encoder(frame), state], dim=1)
            mu, log_var = self.to_mu(joined), self.to_log_var(joined)
            state = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
            inputs.append(frame)
            outputs.append(self.decoder(state + self.offsets[rows]))
            states.append(state)
        scale = 2 * batch * frames
        reconstruction = (torch.stack(inputs) - torch.stack(outputs)).square().sum() / scale
        temporal = (torch.stack(states) - torch.stack(priors)).square().sum() / scale
        return reconstruction + temporal + 10.0 * self.offsets.abs().sum()


def make_step(arguments):
    device = torch.device(arguments.device)
    shape = [int(n) for n in arguments.spatial.split(",")]
    torch.manual_seed(2022)
    model = RecurrentVae(shape, arguments.batch).to(device)
    if arguments.compile:
        model.encoder, model.decoder = torch.compile(model.encoder), torch.compile(model.decoder)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-6)
    volumes = torch.rand(arguments.batch, 1, *shape, arguments.frames, device=device) * 0.6 - 0.3
    if arguments.frame_major:  # the same shape, other strides
        volumes = volumes.movedim(-1, 0).contiguous().movedim(0, -1)
    rows = torch.arange(arguments.batch, device=device)

    def step():
        started = time.perf_counter()
        loss = model.loss(volumes, rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return {"ms": (time.perf_counter() - started) * 1000, "loss": loss.item()}

    return step


def say(record):
    record["rss_mib_peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(record), flush=True)


def main():
    arguments = parse_arguments()
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    step = make_step(arguments)
    step()  # warm-up: memory, kernels' choice, compilation
    say({
        "peer": "torch",
        "version": torch.__version__,
        "mode": ("compiled" if arguments.compile else "eager")
        + (", frames contiguous" if arguments.frame_major else ""),
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "frames": arguments.frames,
        "batch": arguments.batch,
    })
    if arguments.serve:
        for _ in sys.stdin:
            say(step())
    else:
        for _ in range(arguments.repeats):
            say(step())


if __name__ == "__main__":
    main()
