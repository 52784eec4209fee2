//! What score fields look like.

use super::field::{FieldComparison, ScoreField};
use super::region::Region;
use crate::Result;
use crate::show::{Bundle, Figure, Plane, Show, coordinates};

/// Arrows along the longer side of one field, and of one of two.
const ARROWS: usize = 24;
const FEW_ARROWS: usize = 15;
/// Cells along the longer side of a map of angles.
const CELLS: usize = 40;
/// The share of arrows that are drawn at their length; the longest of all would leave nothing of the others.
const WHOLE: f64 = 0.9;

impl ScoreField {
    /// The arrows over the noised samples, and how long the longest are that are not cut.
    fn plane(&self, arrows: usize) -> Result<(Plane, f64)> {
        let here = coordinates(&self.here)?;
        let grid = Region::over(&self.here, arrows)?;
        let (xs, ys) = grid.middles();
        let score = coordinates(&self.score(&grid.points()?)?)?;
        let mut lengths: Vec<f64> = score[0].iter().zip(&score[1]).map(|(u, v)| u.hypot(*v)).collect();
        lengths.retain(|length| length.is_finite());
        lengths.sort_by(f64::total_cmp);
        let longest = lengths.get((WHOLE * lengths.len() as f64) as usize).copied().unwrap_or(1.0);
        let plane = Plane::new("").points("noised samples", &here[0], &here[1]).arrows(&xs, &ys, &score[0], &score[1]);
        Ok((plane.x_range(grid.x.0, grid.x.1).y_range(grid.y.0, grid.y.1), longest.max(f64::MIN_POSITIVE)))
    }
}

impl Show for ScoreField {
    fn bundle(&self) -> Result<Bundle> {
        let (plane, longest) = self.plane(ARROWS)?;
        let plane = plane.longest_arrow(longest).x_label("x\u{2081}").y_label("x\u{2082}");
        let title = format!("The score at t = {}, sigma = {:.3}", self.t, self.denoiser.schedule().sigma(self.t));
        Figure::column([plane]).title(title).bundle()
    }
}

/// The least of a few round angles that holds nine of ten.
fn scale(angles: &[f64]) -> f64 {
    let mut finite: Vec<f64> = angles.iter().copied().filter(|angle| angle.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    let most = finite.get(finite.len() * 9 / 10).copied().unwrap_or(90.0);
    [5.0, 15.0, 45.0, 90.0].into_iter().find(|&round| most <= round).unwrap_or(180.0)
}

impl Show for FieldComparison {
    fn bundle(&self) -> Result<Bundle> {
        let [a, b] = &self.fields;
        let (first, _) = a.plane(FEW_ARROWS)?;
        let (second, longest) = b.plane(FEW_ARROWS)?;
        let grid = Region::over(&b.here, CELLS)?;
        let angles = self.angles(&grid.points()?)?;
        let map = Plane::new("the angle between them")
            .heat("degrees", grid.columns, grid.rows, &angles, grid.x, grid.y)
            .heat_range(0.0, scale(&angles));
        let shape = (grid.y.1 - grid.y.0) / (grid.x.1 - grid.x.0);
        let height = (10.0 + 210.0 * shape.clamp(0.45, 1.5)) as u32;
        let part = |plane: Plane, title: &str| plane.title(title).longest_arrow(longest).bare().size(220, height);
        let mean = self.mean_angle()?;
        let row = [part(first, &self.titles[0]), part(second, &self.titles[1]), map.bare().size(285, height)];
        let title = format!("Two scores at t = {}: the mean angle is {mean:.1}\u{b0} where noised samples lie", b.t);
        Figure::row(row).title(title).bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::denoiser::Gaussian;

    #[test]
    fn fields_draw_arrows_over_where_the_samples_lie() {
        let gaussian = |mean: f64| Gaussian::isotropic(mean, 0.5, [2], &Schedule::flow(100).unwrap()).unwrap();
        let said = |shown: &dyn Show| shown.bundle().unwrap().plain_text().to_string();
        let text = said(&ScoreField::of(&gaussian(0.0), 0.5).unwrap());
        assert!(text.starts_with("The score at t = 0.5, sigma = 0.500\n"), "{text}");
        assert!(text.contains("\nnoised samples: 400 points around"), "{text}");
        let arrows: usize = text.split(" arrows").next().unwrap().rsplit('\n').next().unwrap().parse().unwrap();
        assert!((300..=576).contains(&arrows), "{text}");
        let text = said(&ScoreField::compare(&gaussian(0.0), &gaussian(1.0), 0.5).unwrap());
        assert!(text.starts_with("Two scores at t = 0.5: the mean angle is "), "{text}");
        assert!(text.contains("\nthe first\n") && text.contains("\ndegrees: 40 x"), "{text}");
    }
}
