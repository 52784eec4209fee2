"""DDIM (Song et al. 2021) on a mixture of two equal Gaussians under the cosine schedule, in plain Python.

One number and no randomness but the start: so the samples' distribution is known, and its distance to the truth.
"""

from math import atan2, exp, expm1, log, sqrt, tan
from statistics import NormalDist

import schedules

LEVELS = 1000
LOG_ALPHA_BARS = [0.0] + [log(left) for left in schedules.alpha_bars(schedules.cosine(LEVELS))]
# Where nothing is left to see one step leads here.
NOISE = -10.2


def alpha_sigma(t):
    """alpha and sigma; between two levels ln abar runs straight."""
    level = min(int(t * LEVELS), LEVELS - 1)
    share = t * LEVELS - level
    log_left = (1 - share) * LOG_ALPHA_BARS[level] + share * LOG_ALPHA_BARS[level + 1]
    return exp(log_left / 2), sqrt(-expm1(log_left))


def log_snr(t):
    """ln of signal to noise at a time above 0."""
    alpha, sigma = alpha_sigma(t)
    return 2 * log(alpha / sigma)


def time_at(wanted):
    """The time with this ln SNR, by halving."""
    low, high = 1 / LEVELS, 1.0
    if wanted >= log_snr(low):
        return low
    if wanted <= log_snr(high):
        return high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if log_snr(middle) > wanted else (low, middle)
    return (low + high) / 2


def times(spacing, steps):
    """Falling times, of which the last is the data's, 0."""
    first = 1 / LEVELS
    if spacing == "trailing":
        found = [round(LEVELS * (steps - k) / steps) / LEVELS for k in range(steps)]
    elif spacing == "leading":
        found = [(1 + (steps - 1 - k) * (LEVELS // steps)) / LEVELS for k in range(steps)]
    elif spacing == "uniform":
        found = [1 - k / steps for k in range(steps)]
    elif spacing == "quadratic":
        found = [(1 + (sqrt(first) - 1) * k / (steps - 1)) ** 2 for k in range(steps)]
    elif spacing == "uniform in the angle":
        last, least = (atan2(*reversed(alpha_sigma(t))) for t in (1.0, first))
        angles = [last + (least - last) * k / (steps - 1) for k in range(1, steps)]
        found = [1.0] + [time_at(-2 * log(tan(angle))) for angle in angles]
    else:
        # Equal steps of (sigma/alpha)^(1/7), or of ln SNR, from -10.2 to the first level.
        seen, unseen = {
            "Karras with rho = 7": (lambda snr: exp(-snr / 14), lambda root: -14 * log(root)),
            "uniform in ln SNR": (lambda snr: snr, lambda snr: snr),
        }[spacing]
        last, least = seen(NOISE), seen(log_snr(first))
        found = [1.0] + [time_at(unseen(last + (least - last) * k / (steps - 2))) for k in range(steps - 1)]
    return found + [0.0]


def distance(spacing, steps, means, std, count=2001):
    """The largest distance between the distribution functions of DDIM's samples and of the mixture."""
    chances = [(k + 0.5) / count for k in range(count)]
    xs = [NormalDist().inv_cdf(chance) for chance in chances]
    path = times(spacing, steps)
    for t, s in zip(path, path[1:]):
        (alpha, sigma), (next_alpha, next_sigma) = alpha_sigma(t), alpha_sigma(s) if s else (1.0, 0.0)
        variance = (alpha * std) ** 2 + sigma**2
        for index, x in enumerate(xs):
            logs = [-((x - alpha * mean) ** 2) / (2 * variance) for mean in means]
            shares = [exp(one - max(logs)) for one in logs]
            guess = sum(
                share * (sigma**2 * mean + alpha * std**2 * x) / variance for share, mean in zip(shares, means)
            ) / sum(shares)
            xs[index] = next_alpha * guess + next_sigma * (x - alpha * guess) / sigma
    true = [sum(NormalDist(mean, std).cdf(x) for mean in means) / len(means) for x in xs]
    return max(abs(one - chance) for one, chance in zip(true, chances))
