"""notebooks/09-other-diffusions.ipynb and its solutions"""

import itertools
import math
import random

from course import Executed

# Zachary's club, counted from 0 (W. Zachary 1977, as in networkx).
TIES = [tuple(map(int, tie.split("-"))) for tie in (
    "0-1 0-2 0-3 0-4 0-5 0-6 0-7 0-8 0-10 0-11 0-12 0-13 0-17 0-19 0-21 0-31 1-2 1-3 1-7 1-13 1-17 1-19 1-21 1-30 2-3 "
    "2-7 2-8 2-9 2-13 2-27 2-28 2-32 3-7 3-12 3-13 4-6 4-10 5-6 5-10 5-16 6-16 8-30 8-32 8-33 9-33 13-33 14-32 14-33 "
    "15-32 15-33 18-32 18-33 19-33 20-32 20-33 22-32 22-33 23-25 23-27 23-29 23-32 23-33 24-25 24-27 24-31 25-31 26-29 "
    "26-33 27-33 28-31 28-33 29-32 29-33 30-32 30-33 31-32 31-33 32-33"
).split()]
MEMBERS = 34
FRIENDS = [[b if a == m else a for a, b in TIES if m in (a, b)] for m in range(MEMBERS)]


def threshold(first, theta):
    """How many have taken it up after each round."""
    now, sizes = set(first), [len(first)]
    while True:
        new = {m for m in range(MEMBERS) if sum(f in now for f in FRIENDS[m]) >= theta * len(FRIENDS[m])} - now
        if not new:
            return sizes
        now |= new
        sizes.append(len(now))


def recursion(beta, steps):
    """Expected numbers of infected if friends were independent; member 0 begins."""
    p, sizes = [1.0] + [0.0] * (MEMBERS - 1), [1.0]
    for _ in range(steps):
        p = [p[m] + (1 - p[m]) * (1 - math.prod(1 - beta * p[f] for f in FRIENDS[m])) for m in range(MEMBERS)]
        sizes.append(sum(p))
    return sizes


def epidemic(beta, gamma, steps, rng):
    """(susceptible, infected) after each step, by dice; member 0 begins."""
    infected, recovered, counts = {0}, set(), [(MEMBERS - 1, 1)]
    for _ in range(steps):
        caught = {f for m in infected for f in FRIENDS[m] if f not in infected | recovered and rng.random() < beta}
        cured = {m for m in infected if rng.random() < gamma}
        infected, recovered = (infected | caught) - cured, recovered | cured
        counts.append((MEMBERS - len(infected) - len(recovered), len(infected)))
    return counts


def connected(first, ties):
    """Who is connected with one of the first."""
    reached, grown = set(), set(first)
    while grown != reached:
        reached = grown
        grown = reached | {m for tie in ties if reached & set(tie) for m in tie}
    return len(reached)


def cascade(first, p, runs, rng):
    """Mean size and its standard error, in worlds of ties that were kept."""
    sizes = [connected(first, [tie for tie in TIES if rng.random() < p]) for _ in range(runs)]
    return mean_and_error(sizes)


def mean_and_error(values):
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def heat(time, steps=20_000):
    """The heat equation from +1 at member 0 and -1 at member 33, by Euler's method with Richardson's correction."""

    def euler(steps):
        h = [0.0] * MEMBERS
        h[0], h[33] = 1.0, -1.0
        for _ in range(steps):
            h = [h[m] + time / steps * sum(h[f] - h[m] for f in FRIENDS[m]) for m in range(MEMBERS)]
        return h

    return [2 * fine - coarse for fine, coarse in zip(euler(steps // 10), euler(steps // 20))]


class OnTheClub(Executed):
    """How both read what was printed."""

    def sizes(self, words):
        """A printed list of whole numbers."""
        found = self.all_text().split(words, 1)[1].split("]", 1)[0].split(")", 1)[0]
        return [int(number) for number in found.strip(" [").split(",")]

    def near(self, pattern, expected, error):
        """A printed mean with its standard error, beside another such mean."""
        mean = self.printed(pattern)
        self.assertLess(abs(mean - expected), 4.5 * error, f"{pattern}: {mean}, not {expected}")


class OtherDiffusions(OnTheClub):
    """Models of spreading on a graph, and heat."""

    notebook = "09-other-diffusions.ipynb"
    # The club, threshold and its cliff, SI, SIR, influence, heat, Brownian motion, the bell curve, two rows of digits.
    pictures = 10

    def test_the_club(self):
        self.assertAlmostEqual(self.printed(r"mean number of ties: ([\d.]+)"), 2 * len(TIES) / MEMBERS, delta=6e-4)
        self.assertEqual(self.printed(r"member 0 has (\d+)"), len(FRIENDS[0]))
        self.assertEqual(self.printed(r"member 33 has (\d+)"), len(FRIENDS[33]))

    def test_thresholds(self):
        self.assertEqual(self.sizes("theta 0.25: "), threshold([0], 0.25))
        self.assertEqual(self.sizes("theta 0.34: "), threshold([0], 0.34))
        half = [threshold(first, 0.5)[-1] for first in ([0], [33], [0, 33])]
        self.assertEqual(self.printed(r"theta 0.50: instructor (\d+)"), half[0])
        self.assertEqual(self.printed(r"theta 0.50: instructor \d+, president (\d+)"), half[1])
        self.assertEqual(self.printed(r"theta 0.50: instructor \d+, president \d+, both (\d+)"), half[2])

    def test_the_recursion_runs_ahead_of_the_dice(self):
        expected = recursion(0.1, 10)[10]
        self.assertAlmostEqual(self.printed(r"by the recursion: ([\d.]+)"), expected, delta=6e-4)
        rng = random.Random(0)
        ours, our_error = mean_and_error([epidemic(0.1, 0, 10, rng)[10][1] for _ in range(2_000)])
        error = self.printed(r"\nstandard error: ([\d.]+)")
        self.near(r"by dice: ([\d.]+)", ours, math.hypot(error, our_error))
        self.assertLess(self.printed(r"10 steps, by dice: ([\d.]+)"), expected)

    def test_some_are_spared(self):
        rng = random.Random(1)
        ours, error = mean_and_error([epidemic(0.1, 0.2, 30, rng)[30][0] for _ in range(1_000)])
        self.near(r"spared after 30 steps: ([\d.]+) of 34", ours, math.sqrt(2) * error)

    def test_all_worlds_of_the_kite(self):
        kite, p = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4)], 0.3
        exact = 0.0
        for world in itertools.product([False, True], repeat=len(kite)):
            kept = list(itertools.compress(kite, world))
            exact += p ** len(kept) * (1 - p) ** (len(kite) - len(kept)) * connected([0], kept)
        self.assertAlmostEqual(self.printed(r"kite, all 64 worlds: ([\d.]+)"), exact, delta=6e-6)
        self.near(r"kite, by dice: ([\d.]+)", exact, self.printed(r"kite, by dice: [\d.]+ \+- ([\d.]+)"))

    def test_cascades_in_the_club(self):
        rng = random.Random(2)
        for name, first in [("instructor", [0]), ("president", [33]), ("both", [0, 33])]:
            ours, our_error = cascade(first, 0.1, 1_500, rng)
            error = self.printed(rf"cascade of {name}: [\d.]+ \+- ([\d.]+)")
            self.near(rf"cascade of {name}: ([\d.]+)", ours, math.hypot(error, our_error))

    def test_heat_finds_the_camps(self):
        warmth = heat(1.0)
        self.assertAlmostEqual(self.printed(r"heat of member 0 at t = 1: ([\d.]+)"), warmth[0], delta=3e-5)
        self.assertLess(self.printed(r"sum of all heat: ([\d.]+)"), 1e-5)
        with_the_instructor = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21}
        right = sum((warmth[m] > 0) == (m in with_the_instructor) for m in range(MEMBERS))
        self.assertEqual(self.printed(r"sides that heat predicts: (\d+) of 34"), right)
        self.assertEqual(self.printed(r"of 34, all but \[(\d+)\]"), 8)

    def test_heat_on_a_line_has_variance_2t(self):
        self.assertAlmostEqual(self.printed(r"variance of the heat: ([\d.]+)"), 2 * 50, delta=0.01)

    def test_blurring_keeps_the_ink_and_ends_in_one_grey(self):
        start, end = (self.printed(rf"ink at the start and at the end: {skip}(-?[\d.]+)") for skip in ("", r"-?[\d.]+ "))
        self.assertAlmostEqual(start, end, delta=1e-3)
        # The slowest wave along 8 pixels decays with 2 - 2 cos(pi/8); no pixel starts more than 2 from the mean.
        slowest = math.exp(-30 * (2 - 2 * math.cos(math.pi / 8)))
        self.assertLess(self.printed(r"spread of the pixels at the end: ([\d.]+)"), 2 * slowest + 5e-5)


class Solutions(OnTheClub):
    """The exercises."""

    notebook = "solutions/09-other-diffusions.ipynb"
    pictures = 2

    def test_1_other_beginners(self):
        self.assertEqual(self.sizes("theta 0.25: "), threshold([32, 33], 0.25))
        self.assertEqual(self.sizes("theta 0.34: "), threshold([32, 33], 0.34))

    def test_2_how_long_until_half(self):
        first = next(step for step, infected in enumerate(recursion(0.05, 60)) if infected >= 17)
        self.assertEqual(self.printed(r"half are infected after (\d+) steps"), first)

    def test_3_the_best_two(self):
        rng = random.Random(3)
        best, second = int(self.printed(r"best alone: (\d+)")), int(self.printed(r"best beside: (\d+)"))
        self.assertEqual({best, second}, {0, 33})
        together, error = cascade([0, 33], 0.1, 2_000, rng)
        self.near(r"reaching ([\d.]+) together", together, math.sqrt(2) * error)
        other, error = cascade([32, 33], 0.1, 2_000, rng)
        self.near(r"the two with 17 and 12 ties: ([\d.]+)", other, math.sqrt(2) * error)
        reached = [threshold([a, b], 0.5)[-1] for a in range(MEMBERS) for b in range(a)]
        self.assertEqual(self.sizes("best pairs at theta 0.5: [(")[0], max(reached))
        self.assertEqual(self.printed(r"pairs that reach more than 20: (\d+)"), sum(size > 20 for size in reached))

    def test_4_noised_digits_are_dice_and_blurred_ones_are_grey(self):
        self.assertAlmostEqual(self.printed(r"noised: +over digits ([\d.]+)"), 1, delta=0.02)
        self.assertAlmostEqual(self.printed(r"noised: .*of one ([\d.]+)"), 1, delta=0.02)
        self.assertLess(self.printed(r"blurred: .*of one ([\d.]+)"), 0.01)
        self.assertLess(self.printed(r"blurred: over digits ([\d.]+)"), 0.3)
