//! An axis: what part of the numbers it shows, where its ticks are and what they are called.

/// How a number becomes a place on the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

/// Beyond this a range could overflow.
const LARGEST: f64 = 1e150;

impl Scale {
    /// The place of a value, linear along the axis; none for what the axis cannot show.
    pub(super) fn place(self, value: f64) -> Option<f64> {
        match self {
            Self::Linear => (value.is_finite() && value.abs() < LARGEST).then_some(value),
            Self::Log => (value.is_finite() && value > 0.0).then(|| value.log10()),
        }
    }
}

/// A range of places, with ticks in it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<f64>,
    /// The names of the ticks.
    pub(super) names: Vec<String>,
}

impl Axis {
    /// An axis over all places that come, with a margin on both sides that is a fraction of them.
    pub(super) fn around(scale: Scale, places: impl Iterator<Item = f64>, margin: f64, most: usize) -> Self {
        let (mut low, mut high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p), b.max(p)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= 1e-9 * low.abs().max(high.abs()) {
            let room = if low == 0.0 || scale == Scale::Log { 0.5 } else { 0.1 * low.abs() };
            (low, high) = (low - room, high + room);
        } else {
            let room = margin * (high - low);
            (low, high) = (low - room, high + room);
        }
        let axis = Self::new(scale, low, high, most);
        if margin > 0.0 {
            return axis;
        }
        // Steps 1 to 999 should go from the tick 0 to the tick 1,000.
        let near = |tick: &f64| (tick - tick.clamp(low, high)).abs() <= 0.015 * (high - low);
        let (before, after) = axis.neighbours();
        Self::new(scale, before.filter(near).unwrap_or(low), after.filter(near).unwrap_or(high), most)
    }

    /// Where the tick before the first would be, and the one after the last.
    fn neighbours(&self) -> (Option<f64>, Option<f64>) {
        match self.ticks[..] {
            [first, second, .., before, last] => (Some(2.0 * first - second), Some(2.0 * last - before)),
            [first, last] => (Some(2.0 * first - last), Some(2.0 * last - first)),
            _ => (None, None),
        }
    }

    /// An axis from place to place with at most about `most` ticks.
    pub(super) fn new(scale: Scale, low: f64, high: f64, most: usize) -> Self {
        let ticks = |most| -> Vec<(f64, String)> {
            let values = match scale {
                Scale::Linear => linear_ticks(low, high, most),
                Scale::Log => log_ticks(low, high, most),
            };
            values.into_iter().filter(|(place, _)| (low..=high).contains(place)).collect()
        };
        // One tick alone gives no scale: then a few more, closer together.
        let values = (most..most + 3).map(ticks).find(|ticks| ticks.len() > 1).unwrap_or_else(|| ticks(most));
        let (ticks, names) = values.into_iter().unzip();
        Self { low, high, ticks, names }
    }
}

fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let step = round_step((high - low) / most.max(1) as f64);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let count = (last - first) as usize;
    // Each tick is a multiple of its own, so that 0 is 0 and not a sum of rounded steps.
    (0..=count)
        .map(|index| (first + index as f64) * step)
        .map(|value| (value.clamp(low, high), name(value, step)))
        .collect()
}

fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

fn log_ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let decades = high - low;
    if decades < 0.7 {
        let linear = linear_ticks(10_f64.powf(low), 10_f64.powf(high), most.min(4));
        return linear
            .into_iter()
            .filter(|(value, _)| *value > 0.0)
            .map(|(value, name)| (value.log10(), name))
            .collect();
    }
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    if decades < 2.0 {
        let mantissas = [1.0, 2.0, 5.0];
        let values = (first..=last).flat_map(|power| mantissas.map(|mantissa| (power, mantissa)));
        return values
            .map(|(power, mantissa)| mantissa * 10_f64.powi(power))
            .map(|value| (value.log10(), name(value, value)))
            .collect();
    }
    let stride = (decades / most.max(1) as f64).ceil().max(1.0) as i32;
    (first..=last).filter(|power| power % stride == 0).map(|power| (f64::from(power), power_of_ten(power))).collect()
}

/// A value with as many digits as steps of this size need.
fn name(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let (size, digit) = (value.abs().log10(), step.abs().log10().floor());
    let text = if size >= 6.0 || digit < -5.0 {
        let power = (size + 1e-9).floor();
        let digits = (power - digit).max(0.0) as usize;
        format!("{:.digits$}·{}", value / 10_f64.powf(power), power_of_ten(power as i32))
    } else {
        let digits = (-digit).max(0.0) as usize;
        grouped(&format!("{value:.digits$}"))
    };
    text.replace('-', "−")
}

fn power_of_ten(power: i32) -> String {
    if (0..=3).contains(&power) {
        return grouped(&10_i32.pow(power as u32).to_string());
    }
    if (-3..0).contains(&power) {
        return format!("{:.digits$}", 10_f64.powi(power), digits = power.unsigned_abs() as usize);
    }
    let superscripts = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let sign = if power < 0 { "⁻" } else { "" };
    let digits = power.unsigned_abs().to_string().into_bytes();
    let raised: String = digits.iter().map(|digit| superscripts[usize::from(digit - b'0')]).collect();
    format!("10{sign}{raised}")
}

/// Commas between thousands: 10,000.
pub(super) fn grouped(number: &str) -> String {
    let whole = number.find('.').unwrap_or(number.len());
    let start = usize::from(number.starts_with('-'));
    let mut text = number.to_string();
    let mut at = whole;
    while at > start + 3 {
        at -= 3;
        text.insert(at, ',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scale: Scale, low: f64, high: f64) -> Vec<String> {
        Axis::new(scale, low, high, 6).names
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(names(Scale::Linear, 0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(names(Scale::Linear, -0.04, 1.04), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(names(Scale::Linear, 0.0, 999.0), ["0", "200", "400", "600", "800"]);
        assert_eq!(names(Scale::Linear, -10_000.0, 10_000.0), ["−10,000", "−5,000", "0", "5,000", "10,000"]);
        assert_eq!(names(Scale::Linear, 1e-4, 0.02), ["0.005", "0.010", "0.015", "0.020"]);
        assert_eq!(
            names(Scale::Linear, 0.0, 3e7),
            ["0", "5·10⁶", "1.0·10⁷", "1.5·10⁷", "2.0·10⁷", "2.5·10⁷", "3.0·10⁷"]
        );
        assert_eq!(names(Scale::Log, -5.0, 0.0), ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(names(Scale::Log, -1.3, 0.0), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(names(Scale::Log, -40.0, 0.0), ["10⁻³⁵", "10⁻²⁸", "10⁻²¹", "10⁻¹⁴", "10⁻⁷", "1"]);
        assert_eq!(names(Scale::Log, 1.0, 1.3), ["10", "15"]);
    }

    #[test]
    fn every_range_has_a_width() {
        for values in [vec![], vec![0.0], vec![5.0, 5.0], vec![-3.0], vec![1.0, 1.0 + 1e-15], vec![-1e149, 1e149]] {
            let axis = Axis::around(Scale::Linear, values.iter().copied(), 0.04, 6);
            assert!(axis.low < axis.high && (axis.high - axis.low).is_finite(), "{values:?}");
            assert!((2..=12).contains(&axis.ticks.len()), "{values:?}: {:?}", axis.ticks);
        }
        for last in [999.0, 1_000.0] {
            let steps = Axis::around(Scale::Linear, [1.0, last].into_iter(), 0.0, 6);
            assert_eq!(steps.names, ["0", "200", "400", "600", "800", "1,000"]);
        }
        let small = Axis::around(Scale::Linear, [1.0, 7.0].into_iter(), 0.0, 6);
        assert_eq!((small.low, small.high), (1.0, 7.0));
        assert_eq!(Scale::Linear.place(f64::NAN), None);
        assert_eq!(Scale::Log.place(0.0), None);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped("1797"), "1,797");
        assert_eq!(grouped("-100000.25"), "-100,000.25");
        assert_eq!(grouped("-100"), "-100");
    }
}
