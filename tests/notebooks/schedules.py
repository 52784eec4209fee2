"""Chains of betas by their papers' formulas, in plain Python: what the notebooks' numbers are held against."""

from itertools import accumulate
from math import cos, exp, log, log1p, pi
from operator import mul


def linear(levels=1000):
    """betas of Ho et al. 2020."""
    return [1e-4 + (0.02 - 1e-4) * i / (levels - 1) for i in range(levels)]


def cosine(levels=1000, s=0.008):
    """betas of Nichol & Dhariwal 2021."""

    def f(i):
        return cos(pi / 2 * (i / levels + s) / (1 + s)) ** 2

    return [min(1 - f(i + 1) / f(i), 0.999) for i in range(levels)]


def sigmoid(levels=1000):
    """betas of Jabri et al. 2022, from -3 to 3."""

    def logistic(i):
        return 1 / (1 + exp(6 * i / levels - 3))

    def left(i):
        return logistic(i) - logistic(levels)

    return [min(1 - left(i + 1) / left(i), 0.999) for i in range(levels)]


def alpha_bars(betas):
    """What is left of the image's variance after each step."""
    return list(accumulate((1 - beta for beta in betas), mul))


def log_snr(alpha_bar):
    """ln of signal to noise where alpha^2 + sigma^2 = 1."""
    return log(alpha_bar) - log1p(-alpha_bar)


def first_below(values, limit):
    """The first index whose value is less."""
    return next(index for index, value in enumerate(values) if value < limit)
