"""The same work in PyTorch: one line of JSON, names as in our benches, times in milliseconds (best of several).

Two threads; every case is tried with the thread settings given and the fastest counts. Random data.
"""
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def best(run, seconds=2.0, least=5):
    run()
    run()
    fastest, start, n = 1e9, time.perf_counter(), 0
    while n < least or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - t)
        n += 1
    return fastest * 1e3


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


def training_step(autocast):
    net = ScoreNetwork(2000, 512, 4, 5000)
    average = [p.detach().clone() for p in net.parameters()]
    parameters = list(net.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, foreach=True)
    x0, p, t = torch.randn(256, 2000), torch.randint(0, 5000, (256,)), torch.rand(256)
    alpha, sigma = torch.cos(t * math.pi / 2)[:, None], torch.sin(t * math.pi / 2)[:, None]

    def step():
        noise = torch.randn_like(x0)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            F_ = net(alpha * x0 + sigma * noise, t, p)
        ((F_.float() - noise) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.995)
            torch._foreach_add_(average, parameters, alpha=0.005)

    return step


def sampling():
    # One condition for all cells, as we sample: time and perturbation of one row, which broadcast.
    net = ScoreNetwork(50, 512, 4, 100)
    p = torch.tensor([7])

    def run():
        with torch.no_grad():
            x = torch.randn(400, 50)
            for k in range(50):
                t = torch.full((1,), 1 - k / 50)
                x = 0.9 * x + 0.1 * net(x, t, p)

    return run


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
    "sampling_400x50": sampling,
    "film_layer_norm forward+backward 4096x512": film_layer_norm,
    "count_likelihood zinb 256x2000": zinb,
    "adamw+average 9.14M": adamw_average,
    "diffusion_noise 256x2000": noising,
}
results = {}
for name, make in cases.items():
    try:
        run = make()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results[name] = min(results.get(name, 1e9), best(run))
    except Exception as error:  # an older PyTorch may lack an operation; say so instead of leaving it out
        results[name] = None
        print(f"{name}: {error}", file=sys.stderr)
print(json.dumps({"version": torch.__version__, "milliseconds": results}))
