"""The same work in PyTorch: one line of JSON, names as in our benches, times in milliseconds.

torch_peers.py [cpu|cuda] [PART OF A NAME: those cases alone]. Of several repetitions the median and the fastest. Every case is tried in every setting this
PyTorch has (eager, torch.compile; foreach and fused optimisers), on the CPU with one and two threads, and the setting of the
best median counts and is named; on a GPU f32 products are tried as f32 and as TF32 (named apart), training steps are captured
as a graph where that works. Random data.
"""
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
wanted = sys.argv[2] if len(sys.argv) > 2 else ""
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


can_compile = hasattr(torch, "compile")
modes = ["eager", "compiled"] if can_compile else ["eager"]
optimisers = ["foreach", "fused"]


def as_mode(function, mode):
    return torch.compile(function) if mode == "compiled" else function


def adamw(parameters, kind):
    settings = {"capturable": True} if device == "cuda" else {}
    return torch.optim.AdamW(parameters, lr=1e-3, **{kind: True}, **settings)


def training_step(mode, kind, autocast, tf32=False, batch=256):
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = tf32
    net = ScoreNetwork(2000, 512, 4, 5000)
    forward = as_mode(net, mode)
    average = [p.detach().clone() for p in net.parameters()]
    parameters = list(net.parameters())
    optimiser = adamw(parameters, kind)
    x0, p, t = torch.randn(batch, 2000), torch.randint(0, 5000, (batch,)), torch.rand(batch)
    alpha, sigma = torch.cos(t * math.pi / 2)[:, None], torch.sin(t * math.pi / 2)[:, None]

    def step():
        noise = torch.randn_like(x0)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            F_ = forward(alpha * x0 + sigma * noise, t, p)
        ((F_.float() - noise) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.995)
            torch._foreach_add_(average, parameters, alpha=0.005)

    return as_graph(step)


def sampling(mode, rows, cells=400, steps=50):
    # as many rows as cells: time and perturbation of every cell, as a batch is usually sampled; 1: one that broadcasts.
    net = as_mode(ScoreNetwork(50, 512, 4, 100), mode)
    p = torch.arange(rows) % 100

    def run():
        with torch.no_grad():
            x = torch.randn(cells, 50)
            for k in range(steps):
                t = torch.full((rows,), 1 - k / steps)
                x = 0.9 * x + 0.1 * net(x, t, p)

    return as_graph(run)


def film_layer_norm(mode):
    x, scale, shift = (torch.randn(4096, 512, requires_grad=True) for _ in range(3))
    g = torch.randn(4096, 512)

    forward = as_mode(lambda x, scale, shift: F.silu(F.layer_norm(x, (512,)) * (1 + scale) + shift), mode)

    def run():
        y = forward(x, scale, shift)
        torch.autograd.grad(y, (x, scale, shift), g)

    return run


def zinb(mode):
    counts = (1 + torch.poisson(torch.rand(256, 2000) * 2)) * (torch.rand(256, 2000) < 0.1)
    mean = (torch.rand(256, 2000) + 0.1).requires_grad_()
    logit = torch.randn(256, 2000, requires_grad=True)
    theta = (torch.rand(2000) * 5 + 0.5).requires_grad_()

    def loss_of(mean, logit, theta):  # scvi-tools' form
        eps = 1e-8
        softplus_pi = F.softplus(-logit)
        log_theta_eps, log_theta_mu_eps = torch.log(theta + eps), torch.log(theta + mean + eps)
        pi_theta_log = -logit + theta * (log_theta_eps - log_theta_mu_eps)
        zero = F.softplus(pi_theta_log) - softplus_pi
        positive = (-softplus_pi + pi_theta_log + counts * (torch.log(mean + eps) - log_theta_mu_eps)
                    + torch.lgamma(counts + theta) - torch.lgamma(theta) - torch.lgamma(counts + 1))
        return -torch.where(counts < eps, zero, positive).sum()

    forward = as_mode(loss_of, mode)

    def run():
        loss = forward(mean, logit, theta)
        torch.autograd.grad(loss, (mean, logit, theta))

    return run


def adamw_average(kind):
    p = [torch.randn(n, requires_grad=True) for n in [1_000_000] * 9 + [140_000]]
    for q in p:
        q.grad = torch.randn_like(q)
    average = [q.detach().clone() for q in p]
    optimiser = adamw(p, kind)

    def run():
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(average, 0.995)
            torch._foreach_add_(average, p, alpha=0.005)

    return run


def noising(mode):
    x0, alpha, sigma = torch.randn(256, 2000), torch.rand(256, 1), torch.rand(256, 1)

    forward = as_mode(lambda x0, alpha, sigma: alpha * x0 + sigma * torch.randn_like(x0), mode)

    def run():
        with torch.no_grad():
            forward(x0, alpha, sigma)

    return run


def sinkhorn(mode, domain):
    cost, log_weight = torch.rand(256, 256) * 40, torch.full((256,), -math.log(256.0))

    def log_domain(cost, log_weight):  # a hundred iterations
        f, g = torch.zeros(256), torch.zeros(256)
        for _ in range(100):
            f = -torch.logsumexp(log_weight + g - cost, 1)
            g = -torch.logsumexp((log_weight + f)[:, None] - cost, 0)
        return f, g

    def products(cost, log_weight):  # exact here, where exp(-cost) is still a float
        kernel, weight = torch.exp(-cost), torch.exp(log_weight)
        v = weight
        for _ in range(100):
            u = weight / torch.mv(kernel, v)
            v = weight / torch.mv(kernel.T, u)
        return u.log() - log_weight, v.log() - log_weight

    iterations = log_domain if domain == "log domain" else products
    forward = as_mode(iterations, mode)

    def run():
        with torch.no_grad():
            forward(cost, log_weight)

    return run


def pairs(mode, rbf):
    x, y = torch.randn(2000, 50), torch.randn(2000, 50)
    gammas = [2.0, 1.0, 0.5, 0.125, 0.0078125]

    def mean(a, b):
        if not rbf:
            return torch.cdist(a, b).mean()
        squared = torch.cdist(a, b) ** 2
        return sum(torch.exp(-g * squared).mean() for g in gammas) / len(gammas)

    forward = as_mode(lambda x, y: 2 * mean(x, y) - mean(x, x) - mean(y, y), mode)

    def run():
        with torch.no_grad():
            forward(x, y)

    return run


training = [(m, o) for m in modes for o in optimisers]
each_mode = [(m,) for m in modes]
cases = {  # name: settings, and what to run in one
    "training_step/f32": (training, lambda m, o: training_step(m, o, False)),
    "training_step/bf16_products": (training, lambda m, o: training_step(m, o, True)),
    **({"training_step/tf32_products": (training, lambda m, o: training_step(m, o, False, True))} if device == "cuda" else {}),
    **({"training_step_batch_8192/f32": (training, lambda m, o: training_step(m, o, False, batch=8192)),
        "sampling_256x1000/f32": (each_mode, lambda m: sampling(m, 1, 256, 1000))} if device == "cuda" else {}),
    "sampling_400x50": (each_mode, lambda m: sampling(m, 400)),
    "sampling_400x50, one condition": (each_mode, lambda m: sampling(m, 1)),
    "film_layer_norm forward+backward 4096x512": (each_mode, film_layer_norm),
    "count_likelihood zinb 256x2000": (each_mode, zinb),
    "adamw+average 9.14M": ([(o,) for o in optimisers], adamw_average),
    "diffusion_noise 256x2000": (each_mode, noising),
    "sinkhorn 256x256 x 100": ([(m, d) for m in modes for d in ("log domain", "products")], sinkhorn),
    "energy distance 2x2000x50": (each_mode, lambda m: pairs(m, False)),
    "rbf mmd 2x2000x50": (each_mode, lambda m: pairs(m, True)),
}
results = {}
for name, (settings, make) in cases.items():
    if wanted not in name:
        continue
    results[name] = None
    for setting in settings:
        try:
            run = make(*setting)
            for threads in (1, 2) if device == "cpu" else (1,):
                torch.set_num_threads(threads)
                median, fastest = repeat(run)
                words = ", ".join([*setting, f"{threads} threads" if threads > 1 else "1 thread"])
                print(f"{name}: {median:.3g} ms ({words})", file=sys.stderr)
                if results[name] is None or median < results[name]["median"]:
                    results[name] = {"median": median, "fastest": fastest, "setting": words}
        except Exception as error:  # an older PyTorch may lack a setting or an operation; say so instead of leaving it out
            print(f"{name} ({', '.join(setting)}): {str(error).splitlines()[0]}", file=sys.stderr)
print(json.dumps({"version": torch.__version__, "device": device, "milliseconds": results}))
