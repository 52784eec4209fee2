//! The ideal denoiser of a data set.

use super::Dataset;
use crate::denoiser::Ideal;
use crate::{Result, Schedule};

impl Ideal {
    /// The ideal denoiser of all samples of a data set, each as likely; of a label's samples where labels are given.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let digits = Dataset::digits()?;
    /// let ideal = Ideal::new(&digits, &Schedule::cosine(1_000)?)?;
    /// let noise = Tensor::randn([1, 1, 8, 8], (Kind::Float, Device::Cpu));
    /// let blur = ideal.denoise(&noise, 1.0, None)?; // of pure noise, nearly the mean of all digits
    /// assert!((blur - digits.images().mean_dim(&[0i64][..], true, Kind::Float)).abs().max().double_value(&[]) < 0.1);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(dataset: &Dataset, schedule: &Schedule) -> Result<Self> {
        let classes = dataset.classes().len() as i64;
        let labels = (classes > 0).then(|| (dataset.labels(), classes));
        Self::of(dataset.name(), &dataset.images(), labels, schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Denoiser;
    use tch::{Device, Kind, Tensor};

    fn set(values: &[f32], labels: &[i64], classes: &[&str], schedule: &Schedule) -> Ideal {
        let points = Tensor::from_slice(values).view([-1, 2]);
        let labels = Some(Tensor::from_slice(labels)).filter(|labels| labels.size()[0] > 0);
        Ideal::new(&Dataset::new("points", &points, labels.as_ref(), classes).unwrap(), schedule).unwrap()
    }

    fn largest(x: Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    /// Whatever the noise: there is but one answer.
    #[test]
    fn of_one_point_it_is_that_point() {
        let ideal = set(&[3.0, -4.0], &[], &[], &Schedule::edm(10).unwrap());
        for t in [0.1, 0.5, 1.0] {
            let x = Tensor::from_slice(&[-50.0, 7.0, 0.0, 0.0]).view([2, 2]);
            assert!(largest(ideal.denoise(&x, t, None).unwrap() - Tensor::from_slice(&[3.0, -4.0])) < 1e-12);
        }
    }

    /// Of the points a and -a it is a tanh(alpha a.x/sigma^2): the softmax of two, by hand.
    #[test]
    fn of_two_points_it_is_a_hyperbolic_tangent() {
        for schedule in [Schedule::linear(10), Schedule::flow(10), Schedule::edm(10)].map(Result::unwrap) {
            let ideal = set(&[1.0, 0.5, -1.0, -0.5], &[], &[], &schedule);
            for t in [0.3, 0.8, 1.0] {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                for x in [[0.2, 0.1], [-1.0, 1.5], [3.0, -2.0]] {
                    let along = x[0] + 0.5 * x[1];
                    let expected = Tensor::from_slice(&[1.0, 0.5]) * (alpha * along / sigma.powi(2)).tanh();
                    let said = ideal.denoise(&Tensor::from_slice(&x).view([1, 2]), t, None).unwrap();
                    assert!(largest(said - expected) < 1e-9, "{schedule:?} {t}");
                }
            }
        }
    }

    #[test]
    fn the_score_is_the_gradient_of_the_density() {
        for schedule in [Schedule::linear(100), Schedule::edm(100), Schedule::flow(100)].map(Result::unwrap) {
            let ideal = Ideal::new(&Dataset::digits().unwrap().split(0.2, 0).unwrap().0, &schedule).unwrap();
            for (t, label) in [(0.05, -1i64), (0.4, 3), (1.0, 7)] {
                let x = ideal.sample(2, 1).unwrap().to_kind(Kind::Double) * schedule.alpha(t) + 0.3 * schedule.sigma(t);
                let (x, labels) = (x.set_requires_grad(true), Tensor::from_slice(&[label, -1]));
                let density = ideal.log_density(&x, t, Some(&labels)).unwrap().sum(Kind::Double);
                let slope = Tensor::run_backward(&[density], &[&x], false, false).remove(0);
                let error = largest(ideal.score(&x, t, Some(&labels)).unwrap() - &slope) / largest(slope);
                assert!(error < 1e-9, "{schedule:?} {t}: {error}");
            }
        }
    }

    /// With so much noise that all points are as likely, the mean of those of the label.
    #[test]
    fn a_label_restricts_it_to_a_class() {
        let zero = Schedule::flow(10).unwrap();
        let ideal = set(&[1.0, 0.0, 3.0, 0.0, 0.0, 8.0], &[0, 0, 1], &["a", "b", "c"], &zero);
        let x = Tensor::from_slice(&[0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6]).view([3, 2]);
        let said = ideal.denoise(&x, 1.0, Some(&Tensor::from_slice(&[0i64, 1, -1]))).unwrap();
        let expected = Tensor::from_slice(&[2.0f32, 0.0, 0.0, 8.0, 4.0 / 3.0, 8.0 / 3.0]).view([3, 2]);
        assert!(largest(said - expected) < 1e-6);
        let error = ideal.denoise(&x, 1.0, Some(&Tensor::from_slice(&[2i64, 0, 0]))).unwrap_err().to_string();
        assert_eq!(error, "label = 2: no sample of the data bears it");
        let most = ideal.sample(usize::MAX, 0).unwrap_err().to_string();
        assert_eq!(most, format!("count = {}: draw at most 10,000,000", usize::MAX));
    }

    #[test]
    fn it_says_what_it_knows() {
        use crate::show::Show;
        let schedule = Schedule::cosine(10).unwrap();
        let text = |data: &Dataset| Ideal::new(data, &schedule).unwrap().bundle().unwrap().plain_text().to_string();
        assert_eq!(
            text(&Dataset::digits().unwrap()),
            "Ideal denoiser of digits: 1,797 samples of 1 x 8 x 8, 10 classes; cosine schedule"
        );
        let grey = Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu));
        let grey = Dataset::new("grey", &grey, Some(&Tensor::from_slice(&[0i64, 0])), &["grey"]).unwrap();
        assert_eq!(text(&grey), "Ideal denoiser of grey: 2 samples of 1 x 4 x 4, 1 class; cosine schedule");
        let numbers = Dataset::new("two", &Tensor::from_slice(&[-1.0, 1.0]).view([2, 1]), None, &[]).unwrap();
        assert!(text(&numbers).contains("t = 0.25: 401 points") && !text(&numbers).contains("t = 0.1:"));
    }

    /// 2,000 x 2,000 pairs of 64 numbers would be 2 GB in float64.
    #[test]
    fn large_sets_and_batches_fit() {
        let digits = Dataset::digits().unwrap();
        let ideal = Ideal::new(&digits, &Schedule::cosine(100).unwrap()).unwrap();
        let x = Tensor::cat(&[digits.images(), digits.images()], 0);
        let x0 = ideal.denoise(&x, 0.01, None).unwrap();
        assert!(largest(x0 - x) < 1e-5); // with hardly any noise each is itself
    }
}
