"""notebooks/solutions/01-first-diffusion.ipynb"""

import math

from course import Executed, whole_run


def levels_until_one_percent(bars):
    """The first level with less than 1% of the image's variance."""
    return next(level for level, bar in enumerate(bars) if bar < 0.01)


def linear():
    bar = 1.0
    for level in range(1_000):
        bar *= 1 - (1e-4 + level * (0.02 - 1e-4) / 999)
        yield bar


def cosine():
    f = [math.cos((level / 1_000 + 0.008) / 1.008 * math.pi / 2) ** 2 for level in range(1_001)]
    bar = 1.0
    for level in range(1_000):
        bar *= 1 - min(1 - f[level + 1] / f[level], 0.999)
        yield bar


class Solutions(Executed):
    """The exercises."""

    notebook = "solutions/01-first-diffusion.ipynb"
    # Two trainings, two rows of sevens, two steps, the trajectory of the other network.
    pictures = 5

    def test_3_one_step_is_a_mean_and_fifty_are_digits(self):
        self.assertEqual(len(self.all_printed(r"steps: label found [\d.]+%, distance ratio ([\d.]+)")), 5)

    def test_4_noise_says_nothing_of_the_image_where_alpha_is_small(self):
        # f(1) of the cosine is about 0 and beta is cut at 0.999: alpha is the root of abar.
        self.assertAlmostEqual(self.printed(r"alpha at t = 1: ([\d.e-]+)") / math.sqrt(list(cosine())[-1]), 1, delta=2e-3)
        by_v = self.printed(r"\bv: predicted x_0 of pure noise has deviation ([\d.]+)")
        by_noise = self.printed(r"epsilon: predicted x_0 of pure noise has deviation ([\d.]+)")
        self.assertGreater(by_noise, 20 * max(by_v, 0.1))

    def test_5_one_percent_is_left(self):
        for name, bars in [("linear", linear()), ("cosine", cosine())]:
            found = self.printed(rf"{name}: less than 1% is left from level (\d+) on")
            self.assertEqual(found, levels_until_one_percent(bars))

    @whole_run
    def test_2_guidance_is_clearer_and_less_varied(self):
        found = self.all_printed(r"guidance \d: label found ([\d.]+)%")
        spread = self.all_printed(r"guidance \d: label found [\d.]+%, spread ([\d.]+)")
        # Without a label one of ten is right, whatever is drawn: each label is asked for equally often.
        self.assertLess(abs(found[0] - 10), 4.5 * 100 * math.sqrt(0.09 / 200))
        self.assertGreater(min(found[1:]), 80)
        self.assertEqual(spread, sorted(spread, reverse=True))

    @whole_run
    def test_3_ten_steps_are_nearly_enough(self):
        found = self.all_printed(r"steps: label found ([\d.]+)%")
        self.assertGreater(min(found[-2:]), 90)
        ratios = self.all_printed(r"steps: label found [\d.]+%, distance ratio ([\d.]+)")
        self.assertLess(abs(ratios[-2] - ratios[-1]), 0.2)
