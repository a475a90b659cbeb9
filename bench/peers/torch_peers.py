"""The same work in PyTorch: one line of JSON, names as in our benches, times in milliseconds.

torch_peers.py [cpu|cuda]. Of several repetitions the median and the fastest; on the CPU every case is tried with one and
two threads and the setting of the better median counts; on a GPU f32 products are tried as f32 and as TF32 (named apart),
training steps are captured as a graph where that works. Random data.
"""
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
torch.set_default_dtype(torch.float32)
if device == "cuda":
    torch.set_default_device("cuda")


def synchronise():
    if device == "cuda":
        torch.cuda.synchronize()


def repeat(run, seconds=2.0, least=5):
    """Median and fastest, in milliseconds."""
    run()
    run()
    synchronise()
    times, start = [], time.perf_counter()
    while len(times) < least or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        run()
        synchronise()
        times.append((time.perf_counter() - t) * 1e3)
    times.sort()
    return times[len(times) // 2], times[0]


def as_graph(run):
    """One CUDA graph of the work, or the work itself where it cannot be captured."""
    if device != "cuda":
        return run
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        return graph.replay
    except Exception as error:
        print(f"not captured: {error}", file=sys.stderr)
        return run


class Block(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.film = nn.Linear(hidden, 2 * hidden)
        self.fc1, self.fc2 = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, h, c):
        scale, shift = self.film(c).chunk(2, -1)
        return h + self.fc2(F.silu(self.fc1(self.norm(h) * (1 + scale) + shift)))


class ScoreNetwork(nn.Module):
    def __init__(self, width, hidden, blocks, perturbations):
        super().__init__()
        self.inp, self.out, self.norm = nn.Linear(width, hidden), nn.Linear(hidden, width), nn.LayerNorm(hidden)
        self.time = nn.Sequential(nn.Linear(128, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.embedding = nn.Embedding(perturbations, hidden)
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(blocks))
        self.register_buffer("frequency", torch.exp(torch.linspace(0, math.log(1000.0), 64)))

    def forward(self, x, t, p):
        angle = t[:, None] * self.frequency
        c = F.silu(self.time(torch.cat([angle.sin(), angle.cos()], -1)) + self.embedding(p))
        h = self.inp(x)
        for block in self.blocks:
            h = block(h, c)
        return self.out(self.norm(h))


def training_step(autocast, tf32=False):
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = tf32
    net = ScoreNetwork(2000, 512, 4, 5000)
    average = [p.detach().clone() for p in net.parameters()]
    parameters = list(net.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, foreach=True, **({"capturable": True} if device == "cuda" else {}))
    x0, p, t = torch.randn(256, 2000), torch.randint(0, 5000, (256,)), torch.rand(256)
    alpha, sigma = torch.cos(t * math.pi / 2)[:, None], torch.sin(t * math.pi / 2)[:, None]

    def step():
        noise = torch.randn_like(x0)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            F_ = net(alpha * x0 + sigma * noise, t, p)
        ((F_.float() - noise) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.995)
            torch._foreach_add_(average, parameters, alpha=0.005)

    return as_graph(step)


def sampling(rows):
    # rows 400: time and perturbation of every cell, as a batch is usually sampled; 1: one row that broadcasts.
    net = ScoreNetwork(50, 512, 4, 100)
    p = torch.arange(rows) % 100

    def run():
        with torch.no_grad():
            x = torch.randn(400, 50)
            for k in range(50):
                t = torch.full((rows,), 1 - k / 50)
                x = 0.9 * x + 0.1 * net(x, t, p)

    return as_graph(run)


def film_layer_norm():
    x, scale, shift = (torch.randn(4096, 512, requires_grad=True) for _ in range(3))
    g = torch.randn(4096, 512)

    def run():
        y = F.silu(F.layer_norm(x, (512,)) * (1 + scale) + shift)
        torch.autograd.grad(y, (x, scale, shift), g)

    return run


def zinb():
    counts = (1 + torch.poisson(torch.rand(256, 2000) * 2)) * (torch.rand(256, 2000) < 0.1)
    mean = (torch.rand(256, 2000) + 0.1).requires_grad_()
    logit = torch.randn(256, 2000, requires_grad=True)
    theta = (torch.rand(2000) * 5 + 0.5).requires_grad_()

    def run():  # scvi-tools' form
        eps = 1e-8
        softplus_pi = F.softplus(-logit)
        log_theta_eps, log_theta_mu_eps = torch.log(theta + eps), torch.log(theta + mean + eps)
        pi_theta_log = -logit + theta * (log_theta_eps - log_theta_mu_eps)
        zero = F.softplus(pi_theta_log) - softplus_pi
        positive = (-softplus_pi + pi_theta_log + counts * (torch.log(mean + eps) - log_theta_mu_eps)
                    + torch.lgamma(counts + theta) - torch.lgamma(theta) - torch.lgamma(counts + 1))
        loss = -torch.where(counts < eps, zero, positive).sum()
        torch.autograd.grad(loss, (mean, logit, theta))

    return run


def adamw_average():
    p = [torch.randn(n, requires_grad=True) for n in [1_000_000] * 9 + [140_000]]
    for q in p:
        q.grad = torch.randn_like(q)
    average = [q.detach().clone() for q in p]
    optimiser = torch.optim.AdamW(p, lr=1e-3, foreach=True)

    def run():
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.995)
            torch._foreach_add_(average, p, alpha=0.005)

    return run


def noising():
    x0, alpha, sigma = torch.randn(256, 2000), torch.rand(256, 1), torch.rand(256, 1)

    def run():
        with torch.no_grad():
            alpha * x0 + sigma * torch.randn_like(x0)

    return run


cases = {
    "training_step/f32": lambda: training_step(False),
    "training_step/bf16_products": lambda: training_step(True),
    **({"training_step/tf32_products": lambda: training_step(False, True)} if device == "cuda" else {}),
    "sampling_400x50": lambda: sampling(400),
    "sampling_400x50, one condition": lambda: sampling(1),
    "film_layer_norm forward+backward 4096x512": film_layer_norm,
    "count_likelihood zinb 256x2000": zinb,
    "adamw+average 9.14M": adamw_average,
    "diffusion_noise 256x2000": noising,
}
results = {}
for name, make in cases.items():
    try:
        run = make()
        for threads in (1, 2) if device == "cpu" else (1,):
            torch.set_num_threads(threads)
            median, fastest = repeat(run)
            if name not in results or median < results[name]["median"]:
                results[name] = {"median": median, "fastest": fastest, "threads": threads}
    except Exception as error:  # an older PyTorch may lack an operation; say so instead of leaving it out
        results[name] = None
        print(f"{name}: {error}", file=sys.stderr)
print(json.dumps({"version": torch.__version__, "device": device, "milliseconds": results}))
