"""Trains DESIGN's small network on the digits here and in PyTorch, and lays the loss curves over one another.

usage: training.py RUST_PROGRAM FIGURE.svg [STEPS [SEEDS]]      (`make compare-training` calls it; 10 minutes on two cores)

The PyTorch half is written apart from the crate, on the network of tests/fixtures/unet.py: AdamW (lr 2e-3, no decay), gradients clipped at
norm 1, batches of 64 of nine tenths of the digits in a new order each epoch, labels dropped one in ten, t uniform over 1,000 levels
of the cosine schedule, the mean squared error of v.

The curves agree if in every tenth of the run the two means differ by less than the seeds of one library differ among themselves: by at
most three times the standard error that the pooled deviation over the seeds gives the difference.
"""

import gzip
import importlib.util
import math
import statistics
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]


def small_network():
    """The module of the fixture's script, without what it writes."""
    source = (ROOT / "tests/fixtures/unet.py").read_text().split("\nnet = Net()")[0]
    spec = importlib.util.spec_from_loader("unet", loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, "unet.py", "exec"), module.__dict__)
    return module.Net()


def digits():
    """Images in [-1, 1] and labels, from the crate's own files."""
    folder = ROOT / "src/data/digits"
    read = lambda name: gzip.decompress((folder / name).read_bytes())
    images, labels = read("images.idx3.gz"), read("labels.idx1.gz")
    count = int.from_bytes(images[4:8], "big")
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).reshape(count, 1, 8, 8).float()
    return pixels / pixels.max() * 2 - 1, torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8).long()


def cosine(levels=1_000):
    bar = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = [min(1 - bar((i + 1) / levels) / bar(i / levels), 0.999) for i in range(levels)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0)


def losses(seed, steps):
    torch.manual_seed(seed)
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order][: round(0.9 * len(images))], labels[order][: round(0.9 * len(images))]
    net, bars, made = small_network(), cosine(), []
    torch.nn.init.zeros_(net.conv_out.weight), torch.nn.init.zeros_(net.conv_out.bias)
    for layer in net.modules():  # the end of each residual branch starts as nothing, as in the crate
        for name, end in (("Residual", "conv2"), ("Attention", "out")):
            if type(layer).__name__ == name:
                torch.nn.init.zeros_(getattr(layer, end).weight), torch.nn.init.zeros_(getattr(layer, end).bias)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0)
    while len(made) < steps:
        for batch in torch.randperm(len(images)).split(64):
            if len(batch) < 64 or len(made) == steps:
                continue
            x0, y = images[batch], labels[batch].clone()
            y[torch.rand(64) < 0.1] = 10
            level = torch.randint(1_000, (64,))
            alpha, sigma = (bars[level].sqrt().float(), (1 - bars[level]).sqrt().float())
            alpha, sigma = alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1)
            eps = torch.randn_like(x0)
            out = net(alpha * x0 + sigma * eps, (level + 1).double(), y)
            loss = F.mse_loss(out, alpha * eps - sigma * x0)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            made.append(loss.item())
    return made


def svg(curves, steps):
    """The curves of both, smoothed over 50 steps; loss on a logarithmic axis."""
    width, height, left, top = 760, 320, 60, 30
    smooth = {name: [[sum(c[i - 50 : i]) / 50 for i in range(50, steps + 1, 5)] for c in all_] for name, all_ in curves.items()}
    values = [v for all_ in smooth.values() for c in all_ for v in c]
    low, high = math.log(min(values)), math.log(max(values))
    x = lambda i: left + (width - left - 110) * (50 + 5 * i) / steps
    y = lambda v: top + (height - top - 40) * (high - math.log(v)) / (high - low)
    colours = {"noisebook": "#1177cc", "PyTorch": "#dd5500"}
    body = [f'<text x="0" y="14" font-weight="600">The same recipe here and in PyTorch: loss, mean of 50 steps, {len(curves["PyTorch"])} seeds each</text>']
    for value in (1, 0.5, 0.3, 0.2, 0.15, 0.1, 0.07):
        if low <= math.log(value) <= high:
            body.append(f'<line x1="{left}" x2="{width - 110}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#777777" stroke-opacity="0.3"/>')
            body.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>')
    for step in range(0, steps + 1, max(steps // 5, 1)):
        at = left + (width - left - 110) * step / steps
        body.append(f'<text x="{at:.1f}" y="{height - 20}" text-anchor="middle">{step}</text>')
    body.append(f'<text x="{(width + left - 110) / 2}" y="{height - 3}" text-anchor="middle">step</text>')
    for row, (name, all_) in enumerate(smooth.items()):
        for c in all_:
            points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(c))
            body.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-opacity="0.8"/>')
        body.append(f'<text x="{width - 100}" y="{top + 16 + 18 * row}" fill="{colours[name]}">{name}</text>')
    font = 'font-family="system-ui, sans-serif" font-size="12" fill="#777777"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" {font}>\n' + "\n".join(body) + "\n</svg>\n"


def main():
    program, figure = sys.argv[1:3]
    steps, seeds = (int(word) for word in (sys.argv[3:] + ["1000", "3"][len(sys.argv) - 3 :]))
    torch.set_num_threads(1)
    said = subprocess.run([program, str(steps), str(seeds)], check=True, capture_output=True, text=True).stdout
    curves = {
        "noisebook": [[float(word) for word in line.split()] for line in said.splitlines()],
        "PyTorch": [losses(seed, steps) for seed in range(seeds)],
    }
    Path(figure).write_text(svg(curves, steps))
    tenth = steps // 10
    blocks = {name: [[statistics.mean(c[k * tenth : (k + 1) * tenth]) for k in range(10)] for c in all_] for name, all_ in curves.items()}
    spreads = [statistics.variance([c[k] for c in all_]) / statistics.mean([c[k] for c in all_]) ** 2 for all_ in blocks.values() for k in range(10)]
    relative = math.sqrt(statistics.mean(spreads))
    print(f"deviation of a tenth's mean over seeds: {100 * relative:.2f}%\nsteps        noisebook  PyTorch  difference, in standard errors")
    worst = 0.0
    for k in range(10):
        ours, theirs = (statistics.mean(c[k] for c in blocks[name]) for name in curves)
        apart = (ours / theirs - 1) / (relative * math.sqrt(2 / seeds))
        worst = max(worst, abs(apart))
        print(f"{k * tenth + 1:5} - {(k + 1) * tenth:5}  {ours:9.4f}  {theirs:7.4f}  {apart:+.1f}")
    if worst > 3:
        sys.exit(f"the curves differ by {worst:.1f} standard errors")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
