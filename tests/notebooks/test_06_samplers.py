"""notebooks/06-samplers.ipynb"""

import math

from course import Executed, whole_run

MIXTURE = [(0.4, (-0.8, -0.5), 0.15), (0.4, (0.8, -0.5), 0.15), (0.2, (0.0, 0.8), 0.25)]
NOISE = [(-1.5, -1.0), (-0.5, -1.5), (0.5, -1.0), (1.5, -0.5), (-1.0, 0.5), (0.0, 1.5), (1.0, 1.0), (0.3, 0.2)]


def linear_ratios():
    """sigma/alpha at the levels of the linear schedule, from the least noise."""
    share, ratios = 1.0, []
    for level in range(1000):
        share *= 1 - (1e-4 + (0.02 - 1e-4) * level / 999)
        ratios.append(math.sqrt((1 - share) / share))
    return ratios


RATIOS = linear_ratios()
LAST, FIRST = RATIOS[-1], RATIOS[0]


def x0(y, r):
    """What to expect of x_0 at y = x_0 + r eps, from the mixture."""
    weights, means = [], []
    for weight, centre, std in MIXTURE:
        variance = std * std + r * r
        square = sum((a - c) ** 2 for a, c in zip(y, centre))
        weights.append((math.log(weight) - math.log(variance) - square / (2 * variance)))
        means.append([(r * r * c + std * std * a) / variance for a, c in zip(y, centre)])
    top = max(weights)
    weights = [math.exp(weight - top) for weight in weights]
    return [sum(w * mean[i] for w, mean in zip(weights, means)) / sum(weights) for i in (0, 1)]


def slope(y, r):
    """dy/dr of the probability-flow ODE."""
    return [(a - b) / r for a, b in zip(y, x0(y, r))]


def ahead(y, step, direction):
    return [a + step * d for a, d in zip(y, direction)]


def exact(y):
    """By the classical method of Runge and Kutta in ln r, and predicted x_0 at the end."""
    steps = 1000
    h = math.log(FIRST / LAST) / steps
    for k in range(steps):
        at = [LAST * math.exp(h * (k + part)) for part in (0, 0.5, 1)]
        scaled = [lambda y, r=r: [r * d for d in slope(y, r)] for r in at]
        one = scaled[0](y)
        two = scaled[1](ahead(y, h / 2, one))
        three = scaled[1](ahead(y, h / 2, two))
        four = scaled[2](ahead(y, h, three))
        y = [a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(y, one, two, three, four)]
    return x0(y, FIRST)


def euler(y, ratios):
    """Straight pieces from ratio to ratio, and predicted x_0 at the end: DDIM."""
    for r, s in zip(ratios, ratios[1:]):
        y = ahead(y, s - r, slope(y, r))
    return x0(y, ratios[-1])


def heun(y, ratios):
    for r, s in zip(ratios, ratios[1:]):
        here = slope(y, r)
        there = slope(ahead(y, s - r, here), s)
        y = ahead(y, s - r, [(a + b) / 2 for a, b in zip(here, there)])
    return x0(y, ratios[-1])


def dpmpp_2m(y, ratios):
    before = None
    for index, (r, s) in enumerate(zip(ratios, ratios[1:])):
        found = x0(y, r)
        guess = found
        if index > 0:
            # The slope in ln r through the last two answers, half a step on.
            half = math.log(r / s) / 2 / math.log(ratios[index - 1] / r)
            guess = [a + half * (a - b) for a, b in zip(found, before)]
        y = [s / r * a + (1 - s / r) * g for a, g in zip(y, guess)]
        before = found
    return x0(y, ratios[-1])


def levels(steps):
    return [RATIOS[round(1000 * (1 - k / steps)) - 1] for k in range(steps)]


def powers(steps, rho=7):
    ends = [ratio ** (1 / rho) for ratio in (LAST, FIRST)]
    return [(ends[0] + k / (steps - 1) * (ends[1] - ends[0])) ** rho for k in range(steps)]


def logarithms(steps):
    return [LAST * (FIRST / LAST) ** (k / (steps - 1)) for k in range(steps)]


def scaled(points):
    """x_t as y = x_t/alpha: alpha = 1/sqrt(1 + r^2)."""
    return [[a * math.sqrt(1 + LAST * LAST) for a in point] for point in points]


TRUTH = [exact(y) for y in scaled(NOISE)]


def away(method, ratios):
    ends = [method(y, ratios) for y in scaled(NOISE)]
    squares = [(a - b) ** 2 for end, truth in zip(ends, TRUTH) for a, b in zip(end, truth)]
    return math.sqrt(sum(squares) / len(squares))


class Samplers(Executed):
    notebook = "06-samplers.ipynb"
    # Data, two sets of paths, convergence, training, two steps, trajectory, animation, steps, distances, samplers, etas, codes,
    # between two digits.
    pictures = 15

    def test_evaluations(self):
        for name, expected in [("DDIM", 10), ("Heun", 2 * 9 + 1), ("DPM-Solver-3", 3 * 9 + 1), ("UniPC", 10)]:
            self.assertEqual(self.printed(rf"\n{name}, 10 steps: (\d+) evaluations"), expected, name)
        self.assertEqual(self.printed(r"DPM-Solver\+\+\(2M\), 10 steps: (\d+) evaluations"), 10)

    def test_distances_from_the_exact_answer(self):
        for steps in (5, 10, 20, 40):
            for name, method, ratios in [
                ("DDIM", euler, levels(steps)),
                ("Heun", heun, powers(steps)),
                (r"DPM-Solver\+\+\(2M\)", dpmpp_2m, logarithms(steps)),
            ]:
                shown = self.printed(rf"{name}, {steps} steps: ([\d.]+) away")
                self.assertAlmostEqual(shown, away(method, ratios), delta=2e-4, msg=f"{name}, {steps} steps")

    def test_orders(self):
        for name, order in [("DDIM", 1), ("Euler", 1), ("Heun", 2), ("UniPC", 3), ("DPM-Solver-3", 3)]:
            self.assertAlmostEqual(self.printed(rf"order of {name}, 80 steps: ([\d.]+)"), order, delta=0.15)
        self.assertAlmostEqual(self.printed(r"order of DPM-Solver\+\+\(2M\), 80 steps: ([\d.]+)"), 2, delta=0.15)

    def test_the_start_decides_all_without_fresh_noise(self):
        self.assertEqual(self.printed(r"eta 0: two seeds from one noise differ by at most ([\d.]+)"), 0)
        self.assertGreater(self.printed(r"eta 1: two seeds from one noise differ by at most ([\d.]+)"), 0.1)

    @whole_run
    def test_one_step_draws_the_mean(self):
        one = self.printed(r"one step, from the mean of all threes: ([\d.]+)")
        self.assertLess(one, 0.6 * self.printed(r"a real three, from their mean: ([\d.]+)"))

    @whole_run
    def test_more_steps_bring_more_back(self):
        few, many = (self.printed(rf"there and back in {n} steps: mean squared error ([\d.]+)") for n in (10, 50))
        self.assertLess(many, few / 4)


class Solutions(Executed):
    notebook = "solutions/06-samplers.ipynb"
    # Training, two sweeps, the steps of Karras.
    pictures = 4

    def test_ddim_and_euler_are_one(self):
        ddim = self.printed(r"DDIM with Karras's steps: ([\d.]+) away")
        self.assertAlmostEqual(ddim, self.printed(r"Euler: ([\d.]+) away"), delta=2e-6)
        self.assertAlmostEqual(ddim, away(euler, powers(10)), delta=1e-5)

    def test_spacings(self):
        self.assertAlmostEqual(self.printed(r"DDIM, trailing: ([\d.]+) away"), away(euler, levels(10)), delta=2e-4)
        shown = self.printed(r"DDIM, uniform in ln SNR: ([\d.]+) away")
        self.assertAlmostEqual(shown, away(euler, logarithms(10)), delta=2e-4)

    def test_ddim_by_hand(self):
        self.assertLess(self.printed(r"DDIM by hand: off by at most ([\d.e-]+)"), 1e-6)

    def test_fresh_noise_forgets(self):
        # The variance of a mixture: of its centres, and in its parts.
        mean = sum(weight * centre[1] for weight, centre, _ in MIXTURE)
        square = sum(weight * (centre[1] ** 2 + std * std) for weight, centre, std in MIXTURE)
        true = math.sqrt(square - mean * mean)
        # 10,000 and 2,000 points; a standard deviation has the relative error 1/sqrt(2 N).
        self.assertAlmostEqual(self.printed(r"spread of x2, the truth: ([\d.]+)"), true, delta=0.02)
        self.assertAlmostEqual(self.printed(r"spread of x2, DDIM, 200 steps, eta 1: ([\d.]+)"), true, delta=0.04)
        self.assertGreater(self.printed(r"spread of x2, DDIM, 200 steps: ([\d.]+)"), true + 0.1)
