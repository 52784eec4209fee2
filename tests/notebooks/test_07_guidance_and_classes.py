"""notebooks/07-guidance-and-classes.ipynb"""

import math
from statistics import NormalDist

from course import Executed, whole_run


def cosine_ratios():
    """sigma/alpha at the first and at the last level of the cosine schedule."""
    share, ratios = 1.0, []
    for level in range(1000):
        left, before = (math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in (level + 1, level))
        share *= 1 - min(1 - left / before, 0.999)
        ratios.append(math.sqrt((1 - share) / share))
    return ratios[0], ratios[-1]


def guided(y, r, w):
    """x_0 guided to the right one of N(-0.5, 0.4^2) and N(0.5, 0.4^2), at y = x_0 + r eps.

    The points' other coordinate is the same for both, so that one coordinate is all.
    """
    variance = 0.16 + r * r
    parts = [(r * r * centre + 0.16 * y) / variance for centre in (-0.5, 0.5)]
    right = 1 / (1 + math.exp(min(-y / variance, 700)))
    without = (1 - right) * parts[0] + right * parts[1]
    return without + w * (parts[1] - without)


def moments(w, points=120, steps=250):
    """Mean and standard deviation of the guided samples: the ODE by Runge and Kutta from the quantiles of the noise."""
    first, last = cosine_ratios()
    h = math.log(first / last) / steps
    ends = []
    for index in range(points):
        y = NormalDist().inv_cdf((index + 0.5) / points) * math.sqrt(1 + last * last)
        for k in range(steps):
            at = [last * math.exp(h * (k + part)) for part in (0, 0.5, 1)]
            one = y - guided(y, at[0], w)
            two = y + h / 2 * one - guided(y + h / 2 * one, at[1], w)
            three = y + h / 2 * two - guided(y + h / 2 * two, at[1], w)
            four = y + h * three - guided(y + h * three, at[2], w)
            y += h / 6 * (one + 2 * two + 2 * three + four)
        ends.append(guided(y, first, w))
    mean = sum(ends) / points
    return mean, math.sqrt(sum((end - mean) ** 2 for end in ends) / points)


class GuidanceAndClasses(Executed):
    notebook = "07-guidance-and-classes.ipynb"
    # Points, training, samples, scales, negative label, ink, a digit, ten lower halves.
    pictures = 8

    def test_guided_points_go_where_the_equation_leads(self):
        for w in (0, 1, 2, 4, 8):
            mean, std = moments(w)
            shown = [self.printed(rf"w = {w}: mean {a}") for a in (r"([-\d.]+)", r"[-\d.]+, standard deviation ([\d.]+)")]
            # Four standard errors of 2,000 samples, and 1% for 50 steps of Heun's method.
            self.assertAlmostEqual(shown[0], mean, delta=4 * std / math.sqrt(2000) + 0.01)
            self.assertAlmostEqual(shown[1], std, delta=4 * std / math.sqrt(4000) + 0.01)

    def test_plain_conditional_is_the_class_itself(self):
        mean, std = moments(1)
        self.assertAlmostEqual(mean, 0.5, delta=0.002)
        self.assertAlmostEqual(std, 0.4, delta=0.005)

    def test_bayes_rule(self):
        self.assertLess(self.printed(r"Bayes' rule holds to ([\d.e-]+)"), 1e-5)

    def test_the_judge_knows_digits(self):
        self.assertGreater(self.printed(r"the judge on held-out digits: ([\d.]+)%"), 95)

    def test_rescaling_takes_contrast_back(self):
        stds = [self.printed(rf"w = 8, rescale {phi}: ([\d.]+)") for phi in ("0", r"0\.7", "1")]
        self.assertEqual(sorted(stds, reverse=True), stds)

    def test_more_ink(self):
        without, inked = (self.printed(rf"mean pixel {word}: ([-\d.]+)") for word in ("without", "with"))
        self.assertGreater(inked, without + 0.1)

    def test_what_is_known_stays(self):
        self.assertLess(self.printed(r"known pixels are off by at most ([\d.]+)"), 1e-6)

    def test_the_table_and_the_number_agree(self):
        shown = self.printed(r"accuracy at w = 1: ([\d.]+)%")
        self.assertAlmostEqual(shown, self.printed(r"200 samples, ([\d.]+)% seen as asked for"), delta=0.06)

    @whole_run
    def test_accuracy_is_bought_with_variety(self):
        scales = (0, 1, 2, 4, 8)
        accuracy = [self.printed(rf"w = {w}: accuracy ([\d.]+)%") for w in scales]
        self.assertLess(accuracy[0], 25)
        self.assertGreater(accuracy[1], 85)
        self.assertGreater(min(accuracy[2:]), 97)
        variety = [self.printed(rf"w = {w}: accuracy [\d.]+%, variety ([\d.]+)") for w in scales]
        self.assertEqual(sorted(variety[:4], reverse=True), variety[:4])
        distance = [self.printed(rf"w = {w}: .*Frechet distance ([\d.]+)") for w in scales]
        self.assertEqual(min(distance), distance[1])

    @whole_run
    def test_an_interval_leaves_more_variety(self):
        always, between = (self.printed(rf"from t = {span}: accuracy [\d.]+%, variety ([\d.]+)") for span in ("0 to 1", r"0\.2 to 0\.8"))
        self.assertGreater(between, always)


class Solutions(Executed):
    notebook = "solutions/07-guidance-and-classes.ipynb"
    # Training, scales, away from the label, to the left, two fillings.
    pictures = 5

    @whole_run
    def test_away_from_the_label(self):
        self.assertLess(self.printed(r"w = -1: seen as asked for: ([\d.]+)%"), 30)

    def test_to_the_left(self):
        plain, leaning = (self.printed(rf"left less right, {name}: ([-\d.]+)") for name in ("plain", "guided"))
        self.assertGreater(leaning, plain + 0.1)

    @whole_run
    def test_near_knowledge_is_better(self):
        near, far = (
            self.printed(rf"{name}: root mean square error of the unknown pixels ([\d.]+)")
            for name in ("checkerboard", "upper half")
        )
        self.assertLess(near, far)

    @whole_run
    def test_samples_are_no_copies(self):
        held_out = self.printed(r"held-out digits: ([\d.]+)")
        for w in (1, 4):
            self.assertGreater(self.printed(rf"samples at w = {w}: ([\d.]+)"), 0.8 * held_out)
