"""Training steps of the models of bench/tape_models.ts in PyTorch: peers to measure against.

The forms that are fastest in PyTorch: one product for query, key and value, its own scaled dot-product
attention, LSTM and convolutions (channels first), AdamW fused over all tensors; with --compile through
torch.compile.

    python torch_tape.py --model gpt-2x128 --sizes 8,100,2,128,4,256 --threads 2

--sizes: batch, length, layers, width, heads, features. Prints JSON lines: first a description, then for
every line of standard input {"ms": milliseconds of a step, "loss": its loss}, measured over at least a
tenth of a second. Exit code 77: PyTorch is not installed.
"""

import argparse
import json
import resource
import sys
import time

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    print("torch_tape.py: PyTorch is not installed", file=sys.stderr)
    sys.exit(77)

RATE = 0.1
LEAST_SECONDS = 0.1
WARM_UP = 5


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.causal = heads, causal

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(
            query, key, value, dropout_p=RATE, is_causal=self.causal
        )
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class EncoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attend = Attention(width, heads, causal=False)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = self.norm1(x + F.dropout(self.attend(x), RATE))
        inner = F.dropout(F.gelu(self.up(x)), RATE)
        return self.norm2(x + F.dropout(self.down(inner), RATE))


class DecoderBlock(EncoderBlock):
    def __init__(self, width, heads):
        super().__init__(width, heads)
        self.attend = Attention(width, heads, causal=True)

    def forward(self, x):
        x = x + F.dropout(self.attend(self.norm1(x)), RATE)
        inner = F.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + F.dropout(self.down(inner), RATE)


class Encoder(nn.Module):
    def __init__(self, batch, length, layers, width, heads, features):
        super().__init__()
        self.embed, self.read = nn.Linear(features, width), nn.Linear(width, features)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(layers)))
        self.data = torch.randn(batch, length, features)

    def forward(self):
        x = self.blocks(F.dropout(self.embed(self.data), RATE))
        return F.mse_loss(self.read(x), self.data)


class Decoder(nn.Module):
    def __init__(self, batch, length, layers, width, heads, features):
        super().__init__()
        self.words = nn.Embedding(features, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.Sequential(*(DecoderBlock(width, heads) for _ in range(layers)))
        self.norm, self.read = nn.LayerNorm(width), nn.Linear(width, features)
        self.data = torch.randint(features, (batch, length))

    def forward(self):
        x = self.blocks(F.dropout(self.words(self.data) + self.positions, RATE))
        return F.cross_entropy(self.read(self.norm(x)).flatten(0, 1), self.data.flatten())


class Recurrent(nn.Module):
    def __init__(self, batch, length, layers, width, heads, features):
        super().__init__()
        self.cells = nn.LSTM(features, width, layers, dropout=RATE, batch_first=True)
        self.read = nn.Linear(width, features)
        self.data = torch.randn(batch, length, features)

    def forward(self):
        return F.mse_loss(self.read(F.dropout(self.cells(self.data)[0], RATE)), self.data)


class Convolutional(nn.Module):
    def __init__(self, batch, length, layers, width, heads, features):
        super().__init__()
        widths = [width * 2**i for i in range(layers)]
        coarse = length // 2**layers

        def convolution(inputs, outputs, stride):
            return nn.Conv1d(inputs, outputs, 3, stride, 1, padding_mode="reflect")

        down = [convolution(a, b, 2) for a, b in zip([features, *widths], widths)]
        self.down = nn.Sequential(*(m for layer in down for m in (layer, nn.ReLU())), nn.Flatten())
        self.encode = nn.Linear(coarse * widths[-1], 32)
        self.decode = nn.Linear(32, coarse * widths[-1])
        back = widths[::-1]
        up = [convolution(a, b, 1) for a, b in zip(back, [*back[1:], width])]
        self.up = nn.Sequential(
            nn.Unflatten(1, (widths[-1], coarse)),
            *(m for layer in up for m in (layer, nn.ReLU(), nn.Upsample(scale_factor=2))),
            convolution(width, features, 1),
        )
        self.data = torch.randn(batch, features, length)

    def forward(self):
        code = F.dropout(self.encode(self.down(self.data)), RATE)
        return F.mse_loss(self.up(self.decode(code)), self.data)


class Dense(nn.Module):
    def __init__(self, batch, length, layers, width, heads, features):
        super().__init__()
        down = [width // 2**i for i in range(layers)]
        widths = [features, *down, *down[-2::-1], features]
        stack = []
        for inputs, outputs in zip(widths, widths[1:]):
            stack += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(RATE)]
        self.stack = nn.Sequential(*stack[:-2])
        self.data = torch.randn(batch, features)

    def forward(self):
        return F.mse_loss(self.stack(self.data), self.data)


MODELS = {
    "encoder": Encoder,
    "gpt": Decoder,
    "lstm": Recurrent,
    "conv1d": Convolutional,
    "dense": Dense,
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="what comes before the first hyphen counts")
    parser.add_argument("--sizes", required=True, help="batch,length,layers,width,heads,features")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    return parser.parse_args()


def make_step(arguments):
    torch.manual_seed(2022)
    sizes = [int(n) for n in arguments.sizes.split(",")]
    model = MODELS[arguments.model.split("-")[0]](*sizes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    forward = torch.compile(model) if arguments.compile else model

    def step():
        loss = forward()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step, sum(p.numel() for p in model.parameters())


def say(record):
    record["rss_mib_peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(record), flush=True)


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    step, parameters = make_step(arguments)
    for _ in range(WARM_UP):
        step()
    mode = "compiled" if arguments.compile else "eager"
    say({"version": torch.__version__, "mode": mode, "parameters": parameters})
    for _ in sys.stdin:
        started, steps, seconds = time.perf_counter(), 0, 0.0
        while seconds < LEAST_SECONDS:
            loss = step()
            steps += 1
            seconds = time.perf_counter() - started
        say({"ms": seconds / steps * 1000, "loss": loss})


if __name__ == "__main__":
    main()
