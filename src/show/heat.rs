//! Heat maps: numbers as colours.

use super::axis::{Axis, Scale};
use super::chart::Chart;
use super::look::{LABEL_SIZE, TEXT, escape, text, text_width};
use super::mesh::Frame;
use super::plane_check::check_range;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::sync::Arc;

/// Red, green, blue and opacity at equal steps from the lowest value to the highest. The colours themselves are as far from
/// white as from the dark page, from blue to orange, and opacity brings them in: so the map gets darker on a light page and
/// lighter on a dark one, in steps of equal size to the eye (in OKLab, to a third), and without a green against a red.
const RAMP: [[f64; 4]; 9] = [
    [34.0, 119.0, 204.0, 0.0],
    [71.0, 112.0, 204.0, 0.145],
    [108.0, 104.0, 204.0, 0.29],
    [144.0, 92.0, 184.0, 0.43],
    [175.0, 80.0, 159.0, 0.552],
    [202.0, 69.0, 137.0, 0.66],
    [210.0, 75.0, 99.0, 0.77],
    [216.0, 82.0, 61.0, 0.875],
    [224.0, 90.0, 16.0, 1.0],
];

/// What no value has, so that nobody takes a NaN for a low one.
const MAGENTA: [u8; 4] = [255, 0, 255, 255];

const MOST_CELLS: usize = 512;

const BAR: f64 = 10.0;
const BAR_GAP: f64 = 12.0;
const BAR_STEPS: usize = 128;

#[derive(Clone, Debug)]
pub(super) struct Heat {
    pub(super) name: String,
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) values: Arc<[f64]>,
    pub(super) x_range: (f64, f64),
    pub(super) y_range: (f64, f64),
    pub(super) shown: Option<(f64, f64)>,
}

impl Chart {
    /// Adds a heat map of `columns` x `rows` values over a region, row by row from the left and from below, with a bar of its
    /// colours and its name beside it; lines and points are drawn over it. The lowest values are transparent. Of several
    /// the last is drawn. [`Plane::heat`](super::Plane::heat) has one scale on both axes.
    ///
    /// ```
    /// use noisebook::show::{Chart, Show};
    /// let chart = Chart::new("").heat("value", 2, 1, &[0.0, 3.0], (0.0, 2.0), (0.0, 100.0));
    /// assert!(chart.bundle()?.plain_text().contains("value: 2 x 1 cells, from 0 to 3, highest around (1.5, 50)"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn heat(
        mut self,
        name: impl Into<String>,
        columns: usize,
        rows: usize,
        values: &[f64],
        x_range: (f64, f64),
        y_range: (f64, f64),
    ) -> Self {
        let (name, values) = (name.into(), values.into());
        self.heat = Some(Heat { name, columns, rows, values, x_range, y_range, shown: None });
        self
    }
}

impl Heat {
    /// What the axes have to reach.
    pub(super) fn corners(&self) -> [(f64, f64); 2] {
        [(self.x_range.0, self.y_range.0), (self.x_range.1, self.y_range.1)]
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self { name, columns, rows, .. } = self;
        if !(1..=MOST_CELLS).contains(columns) || !(1..=MOST_CELLS).contains(rows) {
            let rule = format!("from 1 x 1 to {MOST_CELLS} x {MOST_CELLS}");
            return Err(Error::argument(format!("cells of '{name}'"), format!("{columns} x {rows}"), rule));
        }
        if self.values.len() != columns * rows {
            let value = format!("{} numbers", self.values.len());
            let rule = format!("one for each of the {columns} x {rows} cells");
            return Err(Error::argument(format!("values of '{name}'"), value, rule));
        }
        check_range(&format!("x_range of '{name}'"), Some(self.x_range))?;
        check_range(&format!("y_range of '{name}'"), Some(self.y_range))?;
        check_range("heat_range", self.shown)
    }

    /// The values at the ends of the colours.
    pub(super) fn ends(&self) -> (f64, f64) {
        let finite = self.values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        match self.shown {
            Some(ends) => ends,
            None if low < high => (low, high),
            None if low.is_finite() => (low - 1.0, low),
            None => (0.0, 1.0),
        }
    }

    /// The highest value and the middle of its cell.
    pub(super) fn highest(&self) -> Option<(f64, (f64, f64))> {
        let finite = self.values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let (index, &value) = finite.max_by(|a, b| a.1.total_cmp(b.1))?;
        let middle = |(low, high): (f64, f64), index: usize, count: usize| {
            low + (high - low) * (index as f64 + 0.5) / count as f64
        };
        let x = middle(self.x_range, index % self.columns, self.columns);
        Some((value, (x, middle(self.y_range, index / self.columns, self.rows))))
    }

    /// How many values no colour stands for. Minus infinity is low: it is the logarithm of zero.
    pub(super) fn strange(&self) -> usize {
        self.values.iter().filter(|&&value| is_strange(value)).count()
    }

    /// The map in its place.
    pub(super) fn svg(&self, frame: &Frame, (x, y): (&Axis, &Axis)) -> Result<String> {
        let (low, high) = self.ends();
        let colour = |&value: &f64| if is_strange(value) { MAGENTA } else { colour((value - low) / (high - low)) };
        // Pictures begin above.
        let pixels = self.values.chunks_exact(self.columns).rev().flatten().flat_map(colour).collect::<Vec<u8>>();
        let (left, top) = frame.pixel(x, y, (self.x_range.0, self.y_range.1));
        let (right, bottom) = frame.pixel(x, y, (self.x_range.1, self.y_range.0));
        let place = (left, top, right - left, bottom - top);
        picture(&pixels, (self.columns, self.rows), place, "class=\"series\" style=\"image-rendering:pixelated\" ")
    }

    /// The ticks of the bar of colours.
    pub(super) fn bar_axis(&self, height: f64) -> Axis {
        let (low, high) = self.ends();
        Axis::new(Scale::Linear, low, high, (height / 45.0) as usize)
    }

    /// The width of the bar with its numbers and its name.
    pub(super) fn bar_width(&self, axis: &Axis) -> f64 {
        let numbers = axis.names.iter().map(|name| text_width(name, LABEL_SIZE)).fold(0.0, f64::max);
        BAR_GAP + BAR + 6.0 + numbers + if self.name.is_empty() { 4.0 } else { 20.0 }
    }

    /// The bar of colours to the right of the frame.
    pub(super) fn bar(&self, frame: &Frame, axis: &Axis) -> Result<String> {
        let pixels = (0..BAR_STEPS).rev().flat_map(|step| colour(step as f64 / (BAR_STEPS - 1) as f64));
        let (left, height) = (frame.right + BAR_GAP, frame.bottom - frame.top);
        let place = (left, frame.top, BAR, height);
        let mut body = picture(&pixels.collect::<Vec<u8>>(), (1, BAR_STEPS), place, "")?;
        body += &format!(
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{BAR}\" height=\"{height:.1}\" fill=\"none\" stroke=\"{TEXT}\" \
             stroke-width=\"0.6\"/>\n",
            frame.top
        );
        for (tick, name) in axis.ticks.iter().zip(&axis.names) {
            let at = frame.bottom - height * (tick - axis.low) / (axis.high - axis.low);
            body += &format!("<path stroke=\"{TEXT}\" d=\"M{:.1} {at:.1}h3\"/>\n", left + BAR);
            body += &text(left + BAR + 6.0, at + 4.0, "start", name);
        }
        if !self.name.is_empty() {
            let (x, y) = (left + self.bar_width(axis) - BAR_GAP - 4.0, (frame.top + frame.bottom) / 2.0);
            body += &format!(
                "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                escape(&self.name)
            );
        }
        Ok(body)
    }
}

fn is_strange(value: f64) -> bool {
    value.is_nan() || value == f64::INFINITY
}

/// The colour of a place between 0 and 1; beyond them, of the nearer end.
fn colour(place: f64) -> [u8; 4] {
    let at = place.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let index = (at as usize).min(RAMP.len() - 2);
    let share = at - index as f64;
    let mix = |channel: usize| RAMP[index][channel] * (1.0 - share) + RAMP[index + 1][channel] * share;
    [mix(0).round() as u8, mix(1).round() as u8, mix(2).round() as u8, (mix(3) * 255.0).round() as u8]
}

/// Pixels (red, green, blue, opacity) stretched over a place (left, top, width, height).
fn picture(
    pixels: &[u8],
    (columns, rows): (usize, usize),
    (left, top, width, height): (f64, f64, f64, f64),
    attributes: &str,
) -> Result<String> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Up)
        .write_image(pixels, columns as u32, rows as u32, ExtendedColorType::Rgba8)
        .map_err(Error::display)?;
    Ok(format!(
        "<image {attributes}x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n",
        STANDARD.encode(&png)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Show;
    use super::*;

    /// OKLab (Ottosson 2020) of a colour over a page.
    fn seen([red, green, blue, opacity]: [u8; 4], page: f64) -> [f64; 3] {
        let linear = |channel: u8| {
            let share = f64::from(opacity) / 255.0;
            let value = (f64::from(channel) * share + page * (1.0 - share)) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let (r, g, b) = (linear(red), linear(green), linear(blue));
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766 * s,
        ]
    }

    #[test]
    fn equal_steps_of_a_value_are_equal_steps_to_the_eye_on_both_pages() {
        for page in [255.0, 17.0] {
            let lab: Vec<[f64; 3]> = (0..=16).map(|step| seen(colour(f64::from(step) / 16.0), page)).collect();
            let steps: Vec<f64> = lab
                .windows(2)
                .map(|pair| (0..3).map(|i| (pair[1][i] - pair[0][i]).powi(2)).sum::<f64>().sqrt())
                .collect();
            let mean = steps.iter().sum::<f64>() / 16.0;
            assert!(steps.iter().all(|step| (step / mean - 1.0).abs() < 0.35), "{page}: {steps:?}");
            // Ever darker on the light page, ever lighter on the dark one: to be read without colours too.
            let towards = if page > 100.0 { -1.0 } else { 1.0 };
            assert!(lab.windows(2).all(|pair| towards * (pair[1][0] - pair[0][0]) > 0.005), "{page}: {lab:?}");
        }
    }

    #[test]
    fn a_chart_takes_it_where_both_axes_are_linear() {
        let chart = Chart::new("").heat("a", 2, 1, &[0.0, 1.0], (0.0, 2.0), (0.0, 50.0)).line("b", &[1.0], &[20.0]);
        let said = |chart: &Chart| chart.bundle().map(|bundle| bundle.plain_text().to_string());
        let text = "y against x\na: 2 x 1 cells, from 0 to 1, highest around (1.5, 25)\nb: 1 point";
        assert!(said(&chart).unwrap().starts_with(text), "{}", said(&chart).unwrap());
        let refused = said(&chart.clone().log_x()).unwrap_err().to_string();
        assert_eq!(refused, "axes = logarithmic: a heat map has cells of one size, so both axes are linear");
        let odd = said(&chart.heat("a", 2, 2, &[0.0], (0.0, 1.0), (0.0, 1.0))).unwrap_err().to_string();
        assert_eq!(odd, "values of 'a' = 1 numbers: one for each of the 2 x 2 cells");
    }

    #[test]
    fn rows_go_up_and_colours_follow_the_values() {
        let heat = Heat {
            name: String::new(),
            columns: 2,
            rows: 2,
            values: vec![0.0, 1.0, f64::NAN, f64::NEG_INFINITY].into(),
            x_range: (0.0, 2.0),
            y_range: (0.0, 2.0),
            shown: None,
        };
        let frame = Frame { left: 0.0, right: 10.0, top: 0.0, bottom: 10.0 };
        let axis = Axis::new(Scale::Linear, 0.0, 2.0, 2);
        let svg = heat.svg(&frame, (&axis, &axis)).unwrap();
        let png = svg.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let image = image::load_from_memory(&STANDARD.decode(png).unwrap()).unwrap().into_rgba8();
        assert_eq!(image.get_pixel(0, 0).0, MAGENTA);
        assert_eq!((image.get_pixel(1, 0).0[3], image.get_pixel(0, 1).0[3]), (0, 0));
        assert_eq!(image.get_pixel(1, 1).0, [224, 90, 16, 255]);
        assert_eq!((heat.ends(), heat.strange(), heat.highest()), ((0.0, 1.0), 1, Some((1.0, (1.5, 0.5)))));
    }
}
