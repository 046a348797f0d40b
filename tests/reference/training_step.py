"""One training step of NLCL's CVPR 2022 objective in PyTorch: batch 1, float32, on the CPU.

    python training_step.py [--variant "eager, channels last"] [--repeat 5]
    python training_step.py --check official_step.safetensors --back G_B.pth --rain G_R.pth [--numbers tf32|bf16]

The first prints the median time of a step and the peak memory as JSON; the values do not matter for it, so weights are
initial ones and images random. The second compares losses, matches and gradients with those of a reference. With
--numbers it does so on a CUDA GPU, where convolutions are multiplied in these: as far as PyTorch is then from the
reference, nlcl-golden-step may be, too.

The step is written to be fast, since nlcl is compared with it. Nothing is computed twice: the features of O and of
the clean image that the location contrast compares with are those of the forward pass that makes B and I, and D(B)
shares its lower layers with the features of the layer contrast. Whatever can runs as a batch: O with the clean image,
B with I, B with the clean image (for D), B with R. Instance norm does not mix the images of a batch.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator import Generator, load_generator

VARIANTS = ("eager", "eager, channels last", "compiled", "compiled, channels last")
LOCATION_TAPS = (0, 2, 4, 8, 12)  # of G_B
IMAGE = 18  # index of the generator's output
MARGIN = 16  # a query is at least this far from the border


# Networks.


class BlurDown(nn.Module):
    """[1 2 1] x [1 2 1] / 16 at stride 2, reflected at the border. [N,C,H,W] -> [N,C,ceil(H/2),ceil(W/2)]"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        kernel = (torch.outer(row, row) / 16).expand(channels, 1, 3, 3).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])


def xavier(module: nn.Module) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_normal_(layer.weight, gain=0.02)
            nn.init.zeros_(layer.bias)
    return module


class Discriminator(nn.Module):
    """The 70x70 PatchGAN without aliasing. [N,3,H,W] -> verdicts [N,1,h,w], 30 x 30 of them for 256 x 256."""

    CHANNELS = (3, 64, 128, 256)  # of the taps

    def __init__(self) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, kernel_size=4, padding=1)

        layers: list[nn.Module] = [conv(3, 64), nn.LeakyReLU(0.2), BlurDown(64)]
        for channels in (64, 128):
            layers += [conv(channels, 2 * channels), nn.InstanceNorm2d(2 * channels), nn.LeakyReLU(0.2)]
            layers += [BlurDown(2 * channels)]
        layers += [conv(256, 512), nn.InstanceNorm2d(512), nn.LeakyReLU(0.2), conv(512, 1)]
        self.model = nn.Sequential(*layers)
        xavier(self)

    def features(self, x: Tensor) -> list[Tensor]:
        """The taps: the image, the output of 1, and those of 3 and 7, before their norm."""
        first = self.model[:2](x)
        second = self.model[2:4](first)
        return [x, first, second, self.model[4:8](second)]

    def verdict(self, last_feature: Tensor) -> Tensor:
        return self.model[8:](last_feature)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class ProjectionHeads(nn.Module):
    """For each tap: linear C -> 256, ReLU, linear 256 -> 256, L2 normalise."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for i, inputs in enumerate(channels):
            head = nn.Sequential(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256))
            self.add_module(f"mlp_{i}", head)
        xavier(self)

    def forward(self, features: Sequence[Tensor], centers: Tensor, height: int, width: int) -> list[Tensor]:
        """Unit vectors [K,256] under K centres of an image [height,width], for each tap [1,C,h,w]."""
        vectors = []
        for head, feature in zip(self.children(), features):
            z = head(gather_patches(feature[0], centers, height, width))
            vectors.append(z / (torch.linalg.vector_norm(z, dim=1, keepdim=True) + 1e-7))
        return vectors


# Operations.


def nearest_patches(
    x: Tensor, query: tuple[int, int], count: int, patch: int = 16, window: int = 40
) -> tuple[Tensor, Tensor]:
    """The patches of x [C,H,W] most like the one at `query`: centres [count,2], and distances [count].

    Nearest first: the query itself, then of equal ones the first in row-major order. A patch at (r, c) begins at (r - patch/2, c - patch/2).
    """
    half, radius = patch // 2, window // 2
    begin, end = [], []
    for center, size in zip(query, x.shape[1:]):
        begin.append(half if center - radius - half < 0 else center - radius)
        end.append(size - half if center + radius + half > size else center + radius)
    region = x[:, begin[0] - half : end[0] + half - 1, begin[1] - half : end[1] + half - 1]
    patches = region.unfold(1, patch, 1).unfold(2, patch, 1)  # [C,rows,columns,patch,patch]
    own = patches[:, query[0] - begin[0], query[1] - begin[1]][:, None, None]
    distances = torch.linalg.vector_norm(patches - own, dim=(0, 3, 4)).flatten()
    columns = end[1] - begin[1]
    keys = distances.detach().clone()
    keys[(query[0] - begin[0]) * columns + query[1] - begin[1]] = -1  # before its exact copies
    order = keys.sort(stable=True).indices[:count]
    centers = torch.stack((begin[0] + order // columns, begin[1] + order % columns), dim=1)
    return centers, distances[order]


def gather_patches(x: Tensor, centers: Tensor, height: int, width: int) -> Tensor:
    """The columns [K,C] of a feature map x [C,h,w] under K centres of an image [height,width]."""
    return x[:, centers[:, 0] * x.shape[1] // height, centers[:, 1] * x.shape[2] // width].T


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """A cross entropy of 1 + K logits: the positive, and the keys of all places, its own at -10. [K,C] each."""
    similar = queries @ keys.T
    own = torch.eye(len(queries), dtype=torch.bool)
    logits = torch.cat((similar.diagonal()[:, None], similar.masked_fill(own, -10)), dim=1)
    return F.cross_entropy(logits / temperature, torch.zeros(len(queries), dtype=torch.long))


def layer_contrast(
    back: Tensor,
    rain: Tensor,
    pooled: bool = True,
    weight: Sequence[float] = (1, 1),
    temperature: Sequence[float] = (0.07, 0.07),
) -> Tensor:
    """Supervised contrast of two layers, [n,C] each: the mean over all anchors, or a weighted mean for each layer."""
    pool = torch.cat((back, rain))
    layer = torch.arange(len(pool)) >= len(back)  # nothing here is copied from the CPU: a CUDA graph can hold it
    anchor = torch.eye(len(pool), dtype=torch.bool)
    of_back, of_rain = (torch.full((), value, dtype=pool.dtype) for value in temperature)
    similar = pool @ pool.T / torch.where(layer, of_rain, of_back)[:, None]
    logarithms = similar - similar.masked_fill(anchor, -torch.inf).logsumexp(dim=1, keepdim=True)
    positive = (layer == layer[:, None]) & ~anchor
    losses = -(logarithms * positive).sum(dim=1) / positive.sum(dim=1)
    if pooled:
        return losses.mean()
    return weight[0] * losses[: len(back)].mean() + weight[1] * losses[len(back) :].mean()


# The step.


class Training:
    """The networks under the names of the published code, and a step with them."""

    def __init__(self, variant: str = "eager") -> None:
        self.G_B, self.G_R, self.D = Generator(), Generator(), Discriminator()
        self.F_loc = ProjectionHeads([32] * len(LOCATION_TAPS))
        self.F_back, self.F_rain = ProjectionHeads(Discriminator.CHANNELS), ProjectionHeads(Discriminator.CHANNELS)
        if "channels last" in variant:
            for network in (self.G_B, self.G_R, self.D):
                network.to(memory_format=torch.channels_last)

        # A search has Python numbers in it that change with every step; only the networks can be compiled once.
        maybe_compiled = torch.compile if "compiled" in variant else lambda function: function
        self.encode = maybe_compiled(self.G_B.encode)
        self.make_rain = maybe_compiled(self.G_R.forward)
        self.judge = maybe_compiled(self.D.forward)
        self.judge_features = maybe_compiled(self.D.features)
        self.judge_rest = maybe_compiled(self.D.verdict)

        generators = (self.G_B, self.G_R, self.F_loc, self.F_back, self.F_rain)
        settings = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8, "fused": True}
        self.adam_G = torch.optim.Adam([p for network in generators for p in network.parameters()], **settings)
        self.adam_D = torch.optim.Adam(self.D.parameters(), **settings)

    def forward(self, rainy: Tensor, clean: Tensor) -> None:
        """B, I and R, and the features of O and clean. Images [1,3,H,W]."""
        self.rainy, self.clean = rainy, clean
        *keys, image = self.encode(torch.cat((rainy, clean)), (*LOCATION_TAPS, IMAGE))
        self.keys = [feature.detach() for feature in keys]  # [2,32,H,W]
        self.output = image  # B and I
        self.B, self.R = image[:1], self.make_rain(rainy)

    def discriminator_loss(self) -> Tensor:
        of_back, of_clean = self.judge(torch.cat((self.B.detach(), self.clean)))
        return 0.5 * (of_back.square().mean() + (of_clean - 1).square().mean())

    def generator_losses(self, queries: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """Queries: of the searches in the features of O, in those of clean, in B, and in R."""
        features = self.judge_features(torch.cat((self.B, self.R)))
        verdict = self.judge_rest(features[-1][:1])
        location = self.location_losses(queries[:2])
        losses = {
            "G_GAN": (verdict - 1).square().mean(),
            "NCE": location[0],
            "NCE_Y": location[1],
            "DisNCE": self.layer_loss(features, queries[2:]),
            "MSE": F.mse_loss(self.B + self.R, self.rainy),
            "L1": 0.1 * F.l1_loss(self.B, self.rainy),
        }
        total = losses["G_GAN"] + (losses["NCE"] + losses["NCE_Y"]) / 2 + losses["DisNCE"] + losses["MSE"] + losses["L1"]
        return losses | {"G": total}

    def location_losses(self, queries: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Of B against O, and of I against the clean image: means over the taps."""
        features = self.encode(self.output, LOCATION_TAPS)
        size = self.output.shape[2:]
        losses = []
        for n, query in enumerate(queries):
            one = slice(n, n + 1)
            keys = [key[one] for key in self.keys]
            centers, _ = nearest_patches(keys[0][0], query, count=256)
            query_vectors = self.F_loc([feature[one] for feature in features], centers, *size)
            with torch.no_grad():
                key_vectors = self.F_loc(keys, centers, *size)
            losses.append(mean_over_taps(patch_nce, query_vectors, key_vectors))
        return losses

    def layer_loss(self, features: Sequence[Tensor], queries: Sequence[tuple[int, int]]) -> Tensor:
        vectors = []
        heads = ((self.B, self.F_back, 8), (self.R, self.F_rain, 128))
        for n, (query, (image, head, count)) in enumerate(zip(queries, heads)):
            with torch.no_grad():
                centers, _ = nearest_patches(image[0], query, count)
            vectors.append(head([feature[n : n + 1] for feature in features], centers, *image.shape[2:]))
        return mean_over_taps(layer_contrast, *vectors)

    def step(self, rainy: Tensor, clean: Tensor) -> None:
        """D first, then the generators and heads with the new D."""
        self.forward(rainy, clean)
        self.D.requires_grad_(True)
        self.adam_D.zero_grad()
        self.discriminator_loss().backward()
        self.adam_D.step()

        self.D.requires_grad_(False)
        self.adam_G.zero_grad()
        self.generator_losses([draw_query(rainy) for _ in range(4)])["G"].backward()
        self.adam_G.step()


def mean_over_taps(loss: Callable[[Tensor, Tensor], Tensor], left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    return torch.stack([loss(a, b) for a, b in zip(left, right)]).mean()


def draw_query(image: Tensor) -> tuple[int, int]:
    height, width = image.shape[2:]
    return random.randint(MARGIN, height - MARGIN), random.randint(MARGIN, width - MARGIN)


# What can be asked for.


def time_steps(variant: str, crop: int, warmup: int, repeat: int) -> dict[str, object]:
    """The first steps do not count: they compile, and allocate the state of Adam."""
    layout = torch.channels_last if "channels last" in variant else torch.contiguous_format
    images = [(torch.rand(1, 3, crop, crop) * 2 - 1).to(memory_format=layout) for _ in range(2)]
    training = Training(variant)
    seconds = []
    for _ in range(warmup + repeat):
        begin = time.perf_counter()
        training.step(*images)
        seconds.append(time.perf_counter() - begin)
    return {
        "variant": variant,
        "version": torch.__version__,
        "seconds_median": statistics.median(seconds[warmup:]),
        "seconds_min": min(seconds[warmup:]),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def check(variant: str, fixture: Path, back: Path, rain: Path, numbers: str | None) -> bool:
    """The losses, matches and gradients of a step against those of a reference. Prints the differences."""
    from safetensors import safe_open

    if numbers:
        torch.set_default_device("cuda")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = numbers == "tf32"
    training = Training(variant)
    training.G_B.load_state_dict(load_generator(back).state_dict())
    training.G_R.load_state_dict(load_generator(rain).state_dict())
    with safe_open(fixture, "pt", device="cuda" if numbers else "cpu") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}

    def parameters(*networks: str) -> dict[str, nn.Parameter]:
        return {
            f"{network}.{name}": parameter
            for network in networks
            for name, parameter in getattr(training, network).named_parameters()
        }

    with torch.no_grad():
        for name, parameter in parameters("D", "F_loc", "F_back", "F_rain").items():
            parameter.copy_(tensors[f"weight.{name}"])

    queries = [tuple(json.loads(metadata[f"search.{n}"])["center"]) for n in range(4)]
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=numbers == "bf16"):
        training.forward(tensors["input.O"], tensors["input.B"])
        losses = {"D": training.discriminator_loss()}
        losses["D"].backward()
        training.D.requires_grad_(False)
        losses |= training.generator_losses(queries)
    losses["G"].backward()

    differences: dict[str, float] = {}  # each as a share of what is allowed
    for name, loss in losses.items():
        expected = float(metadata[f"loss.{name}"])
        print(f"loss {name:6} {loss.item():.8f}, expected {expected:.8f}")
        differences[f"loss {name}"] = abs(loss.item() / expected - 1) / 1e-5

    searched = [(training.keys[0][0], 256), (training.keys[0][1], 256), (training.B[0], 8), (training.R[0], 128)]
    for (x, count), query, sample in zip(searched, queries, (0, 2, 4, 5)):
        centers, _ = nearest_patches(x.detach(), query, count)
        found, expected = ({tuple(center) for center in ids.tolist()} for ids in (centers, tensors[f"sample.{sample}.ids"]))
        differences[f"matches {sample}"] = float(len(found ^ expected))

    gradients = parameters("D", "G_B", "G_R", "F_loc", "F_back", "F_rain")
    largest = max(parameter.grad.norm().item() for parameter in gradients.values() if parameter.grad is not None)
    for name, parameter in gradients.items():
        if (full := tensors.get(f"grad.{name}")) is not None:
            difference, size = (parameter.grad - full).norm().item(), full.norm().item()
        else:
            size = tensors[f"gradnorm.{name}"][0].item()
            difference = abs(parameter.grad.norm().item() - size)
        differences[f"gradient {name}"] = difference / max(3e-3 * size, 1e-6 * largest)
        if numbers and size > 1e-6 * largest:
            print(f"{difference / size:.2e} of the gradient of {name}")

    worst = max(differences, key=differences.__getitem__)
    print(f"worst of {len(differences)}: {worst}, {differences[worst]:.2f} of what is allowed")
    return differences[worst] <= 1


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step of NLCL in PyTorch.")
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--warmup", type=int, default=2, help="steps before (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="steps that are timed (default: %(default)s)")
    parser.add_argument("--check", type=Path, metavar="FIXTURE", help="a step of a reference, .safetensors")
    parser.add_argument("--back", type=Path, help="with --check: the checkpoint of G_B")
    parser.add_argument("--rain", type=Path, help="with --check: the checkpoint of G_R")
    parser.add_argument("--numbers", choices=("float32", "tf32", "bf16"), help="with --check: on a GPU, in these")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    random.seed(0)
    if arguments.check:
        sys.exit(not check(arguments.variant, arguments.check, arguments.back, arguments.rain, arguments.numbers))
    print(json.dumps(time_steps(arguments.variant, arguments.crop, arguments.warmup, arguments.repeat)))


if __name__ == "__main__":
    main()
