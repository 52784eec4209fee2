//! One data set into two.

use super::Dataset;
use crate::random::{Stream, generator, permutation};
use crate::{Error, Result};

impl Dataset {
    /// Splits into two data sets: `fraction` of the images of every class, drawn with `seed`, and the rest.
    ///
    /// Stratified: rounding happens in running totals, so the first part has round(fraction N) images and each class
    /// its share to within one.
    ///
    /// # Errors
    /// A fraction that leaves one side empty.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let (train, test) = Dataset::digits()?.split(0.9, 0)?;
    /// assert_eq!((train.len(), test.len()), (1_617, 180));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        let wanted = (fraction * self.len() as f64).round();
        if !(fraction > 0.0 && fraction < 1.0 && wanted >= 1.0 && wanted < self.len() as f64) {
            let rule = format!("must leave at least one of the {} images on each side", self.len());
            return Err(Error::argument("fraction", fraction, rule));
        }
        let labels = Vec::<i64>::try_from(self.labels())?;
        let mut order = permutation(&mut generator(seed, Stream::Split, 0), self.len());
        // Stable: by class, and within a class in the drawn order.
        order.sort_by_key(|&index| labels[index as usize]);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (position, &index) in order.iter().enumerate() {
            let until = |count: usize| (fraction * count as f64).round();
            if until(position + 1) > until(position) { first.push(index) } else { second.push(index) }
        }
        first.sort_unstable();
        second.sort_unstable();
        let part =
            |indices: &[i64], share: f64| self.select(format!("{} ({:.0}%)", self.name(), 100.0 * share), indices);
        Ok((part(&first, fraction)?, part(&second, 1.0 - fraction)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_split_is_a_partition_with_every_class_in_proportion() {
        let digits = Dataset::digits().unwrap();
        let (train, test) = digits.split(0.9, 0).unwrap();
        let sum = |set: &Dataset| set.images().sum(Kind::Double).double_value(&[]);
        assert!((sum(&train) + sum(&test) - sum(&digits)).abs() < 1e-6);
        let labels = Vec::<i64>::try_from(test.labels()).unwrap();
        for class in 0..10 {
            let count = labels.iter().filter(|&&label| label == class).count();
            assert!((17..=19).contains(&count), "{count} of class {class}"); // a tenth of 174 to 183
        }
        assert_eq!(digits.split(0.9, 0).unwrap().1.images(), test.images());
        assert_ne!(digits.split(0.9, 1).unwrap().1.images(), test.images());
    }

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let digits = Dataset::digits().unwrap();
        for (fraction, shown) in [(0.0, "0"), (1.0, "1"), (1e-9, "0.000000001"), (f64::NAN, "NaN")] {
            let said = digits.split(fraction, 0).unwrap_err().to_string();
            assert_eq!(said, format!("fraction = {shown}: must leave at least one of the 1797 images on each side"));
        }
    }
}
