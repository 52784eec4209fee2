#!/usr/bin/env python3
"""What PyTorch needs for the networks of examples/speed.rs. Written apart from the crate; keep it so.

  article_unet.py params          parameter counts of the article's network
  article_unet.py train [--net article|small --size 32 --batch 128 --channels 1 --mode eager|graph|compile|reduce --amp --channels-last
                         --steps 30 --threads 2]
  article_unet.py sample [--batch 64 --steps 50]          DDIM

`--turns` makes one round for each line of the standard input, and prints its seconds and CPU seconds; `--whole` adds what the crate's
trainer does beside this: clipping at norm 1 and an average of the weights.
"""
import argparse
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

BEGAN = time.perf_counter()


class DoubleConv(nn.Module):
    def __init__(self, i, o, mid=None, residual=False):
        super().__init__()
        self.residual, mid = residual, mid or o
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, mid, 3, padding=1, bias=False), nn.GroupNorm(1, mid), nn.GELU(),
            nn.Conv2d(mid, o, 3, padding=1, bias=False), nn.GroupNorm(1, o))

    def forward(self, x):
        return F.gelu(x + self.double_conv(x)) if self.residual else self.double_conv(x)


class Down(nn.Module):
    def __init__(self, i, o, e=256):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(i, i, residual=True), DoubleConv(i, o))
        self.emb_layer = nn.Sequential(nn.SiLU(), nn.Linear(e, o))

    def forward(self, x, t):
        return self.maxpool_conv(x) + self.emb_layer(t)[:, :, None, None]


class Up(nn.Module):
    def __init__(self, i, o, e=256):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = nn.Sequential(DoubleConv(i, i, residual=True), DoubleConv(i, o, i // 2))
        self.emb_layer = nn.Sequential(nn.SiLU(), nn.Linear(e, o))

    def forward(self, x, skip, t):
        return self.conv(torch.cat([skip, self.up(x)], 1)) + self.emb_layer(t)[:, :, None, None]


class SelfAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mha, self.ln = nn.MultiheadAttention(c, 4, batch_first=True), nn.LayerNorm([c])
        self.ff_self = nn.Sequential(nn.LayerNorm([c]), nn.Linear(c, c), nn.GELU(), nn.Linear(c, c))

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c, h * w).swapaxes(1, 2)
        y = self.ln(x)
        a = self.mha(y, y, y, need_weights=False)[0] + x
        return (self.ff_self(a) + a).swapaxes(2, 1).reshape(b, c, h, w)


class UNet(nn.Module):
    def __init__(self, c=3, time_dim=256, classes=None):
        super().__init__()
        self.inc = DoubleConv(c, 64)
        self.down1, self.sa1 = Down(64, 128), SelfAttention(128)
        self.down2, self.sa2 = Down(128, 256), SelfAttention(256)
        self.down3, self.sa3 = Down(256, 256), SelfAttention(256)
        self.bot1, self.bot2 = DoubleConv(256, 256), DoubleConv(256, 256)
        self.up1, self.sa4 = Up(512, 128), SelfAttention(128)
        self.up2, self.sa5 = Up(256, 64), SelfAttention(64)
        self.up3, self.sa6 = Up(128, 64), SelfAttention(64)
        self.outc = nn.Conv2d(64, c, 1)
        self.label_emb = nn.Embedding(classes, time_dim) if classes else None
        self.register_buffer("inv", 10000.0 ** (-torch.arange(0, time_dim, 2).float() / time_dim), persistent=False)

    def forward(self, x, t, y=None):
        a = t[:, None].float() * self.inv
        e = torch.cat([a.sin(), a.cos()], -1)
        if y is not None:
            e = e + self.label_emb(y)
        x1 = self.inc(x)
        x2 = self.sa1(self.down1(x1, e))
        x3 = self.sa2(self.down2(x2, e))
        x4 = self.bot2(self.bot1(self.sa3(self.down3(x3, e))))
        x = self.sa4(self.up1(x4, x3, e))
        x = self.sa5(self.up2(x, x2, e))
        return self.outc(self.sa6(self.up3(x, x1, e)))


def schedule(dev):
    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, device=dev), 0)


def small():
    """The network of the first notebook, from the parity tests; it is told no label by the eleventh class."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/parity"))
    from training import small_network

    return small_network().float()


def network(o, dev):
    net = (small() if o.net == "small" else UNet(o.channels, classes=10)).to(dev)
    return net.to(memory_format=torch.channels_last) if o.channels_last else net


def synchronize(dev):
    if dev == "cuda":
        torch.cuda.synchronize()


def rounds(o, run, dev):
    """Three rounds, or as many as there are lines; the seconds of the middle one."""
    times = []
    for line in sys.stdin if o.turns else range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        synchronize(dev)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
        if o.turns:
            print("%.6f %.6f" % times[-1], flush=True)
    return sorted(times)[len(times) // 2] if times else (float("nan"), float("nan"))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def ready(o, first):
    if o.turns:
        print("ready", flush=True)
    return first


def report(o, what, images, wall, cpu, warm, first):
    if o.turns:
        print(f"first step {first:.2f} s, peak {peak():.0f} MB", flush=True)
        return
    print(
        f"{what} {o.size}px batch {o.batch} amp={o.amp} channels_last={o.channels_last}: {images / wall:.1f} images/s after {warm:.1f} s of "
        f"warm-up; first step {first:.2f} s, {1e3 * cpu / images:.1f} ms of CPU an image, peak {peak():.0f} MB"
    )


def train(o, dev):
    torch.manual_seed(0)
    net, b, graph = network(o, dev), o.batch, o.mode == "graph"
    x0 = torch.randn(b, o.channels, o.size, o.size, device=dev)
    if o.channels_last:
        x0 = x0.contiguous(memory_format=torch.channels_last)
    weights = list(net.parameters())
    average = [weight.detach().clone() for weight in weights]
    opt = torch.optim.AdamW(weights, lr=3e-4, weight_decay=1e-3, fused=True, capturable=graph)
    ab, y = schedule(dev), torch.randint(0, 10, (b,), device=dev)
    wrap = {"compile": lambda: torch.compile(net), "reduce": lambda: torch.compile(net, mode="reduce-overhead")}
    fwd = wrap.get(o.mode, lambda: net)()

    def step():
        t, n = torch.randint(1, 1000, (b,), device=dev), torch.randn_like(x0)
        a = ab[t][:, None, None, None]
        with torch.autocast(dev, dtype=torch.bfloat16, enabled=o.amp):
            loss = F.mse_loss(fwd(a.sqrt() * x0 + (1 - a).sqrt() * n, t, y).float(), n)
        opt.zero_grad(set_to_none=not graph)
        loss.backward()
        if o.whole:
            nn.utils.clip_grad_norm_(weights, 1.0)
        opt.step()
        if o.whole:
            torch._foreach_lerp_(average, [weight.detach() for weight in weights], 0.005)

    run = step
    if graph:
        s = torch.cuda.Stream()
        s.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(s):
            for _ in range(5):
                step()
        torch.cuda.current_stream().wait_stream(s)
        g = torch.cuda.CUDAGraph()
        with torch.cuda.graph(g):
            step()
        run = g.replay
    run()
    synchronize(dev)
    first = ready(o, time.perf_counter() - BEGAN)
    for _ in range(0 if o.turns else max(3, o.steps // 5)):
        run()
    synchronize(dev)
    warm = time.perf_counter() - BEGAN
    wall, cpu = rounds(o, lambda: [run() for _ in range(o.steps)], dev)
    report(o, f"train {o.mode}", o.steps * b, wall, cpu, warm, first)


def sample(o, dev):
    net, ab = network(o, dev).eval(), schedule(dev)
    ts = torch.linspace(999, 0, o.steps).long().tolist()
    y, one = torch.zeros(o.batch, dtype=torch.long, device=dev), torch.ones((), device=dev)

    def run():
        x = torch.randn(o.batch, o.channels, o.size, o.size, device=dev)
        for i, t in enumerate(ts):
            e = net(x, torch.full((o.batch,), t, device=dev), y).float()
            a, p = ab[t], ab[ts[i + 1]] if i + 1 < o.steps else one
            x = p.sqrt() * (x - (1 - a).sqrt() * e) / a.sqrt() + (1 - p).sqrt() * e
        return float(x.sum())

    with torch.inference_mode(), torch.autocast(dev, torch.bfloat16, enabled=o.amp):
        run()
        first = ready(o, time.perf_counter() - BEGAN)
        wall, cpu = rounds(o, run, dev)
    report(o, f"sample ddim{o.steps}", o.batch, wall, cpu, first, first)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["params", "train", "sample"])
    p.add_argument("--net", choices=["article", "small"], default="article")
    p.add_argument("--mode", choices=["eager", "graph", "compile", "reduce"], default="eager")
    for k, v in (("size", 32), ("batch", 128), ("channels", 1), ("steps", 30), ("threads", 0)):
        p.add_argument(f"--{k}", type=int, default=v)
    for k in ("amp", "channels-last", "turns", "whole"):
        p.add_argument(f"--{k}", action="store_true")
    o = p.parse_args()
    if o.net == "small":
        o.size, o.channels = 8, 1
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    if o.threads:
        torch.set_num_threads(o.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    if o.what == "params":
        for c in (1, 3):
            print(c, "channels:", *(sum(q.numel() for q in UNet(c, classes=k).parameters()) for k in (None, 10)))
    else:
        {"train": train, "sample": sample}[o.what](o, dev)


if __name__ == "__main__":
    main()
