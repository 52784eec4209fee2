//! Lines through the plane: paths, the ways of samples, and pairs of points.

use super::look::{SERIES, TEXT};
use super::plane::{Layer, Plane};
use super::trace::Pixel;
use std::fmt::Write;

/// A way that stands out is drawn in so many parts, each less transparent than the one before: so it says where it leads.
const PARTS: usize = 8;

/// What a line through the plane looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    /// Thin, a ring at its start and a dot at its end, all in one colour.
    Thin,
    /// One among many, in the colour of the first points: a ring at its start.
    Faint,
    /// In a colour of its own, which grows with the way.
    Strong,
    /// From a ring around a point to a dot.
    Pair,
}

impl Plane {
    /// The ways of samples, those of `strong` in colours of their own over the others. The first layer holds their ends.
    pub(crate) fn ways(self, ways: &[(Vec<f64>, Vec<f64>)], strong: &[usize]) -> Self {
        let is_strong = |index: &usize| strong.contains(index);
        let others = (0..ways.len()).filter(|index| !is_strong(index)).map(|index| (index, Stroke::Faint));
        let all = others.chain(strong.iter().map(|&index| (index, Stroke::Strong)));
        all.fold(self, |plane, (index, stroke)| plane.stroke(stroke, &ways[index].0, &ways[index].1))
    }

    /// Each point (a dot) with its partner (a ring) and a line between them.
    pub(crate) fn pairs(self, partners: [&[f64]; 2], points: [&[f64]; 2]) -> Self {
        (0..points[0].len()).fold(self, |plane, index| {
            plane.stroke(Stroke::Pair, &[partners[0][index], points[0][index]], &[partners[1][index], points[1][index]])
        })
    }

    pub(super) fn stroke(self, stroke: Stroke, xs: &[f64], ys: &[f64]) -> Self {
        self.with(Layer::Path { stroke, xs: xs.into(), ys: ys.into() })
    }
}

/// The marks at the ends of lines, which lie over all lines.
#[derive(Default)]
pub(super) struct Ends {
    rings: Vec<(Pixel, Stroke, usize)>,
    dots: Vec<(Pixel, Stroke, usize)>,
}

impl Ends {
    /// Of a line, which has none where it is in pieces, such as the edges of a graph.
    pub(super) fn add(&mut self, pixels: &[Option<Pixel>], stroke: Stroke, colour: usize) {
        self.rings.extend(pixels.iter().flatten().next().map(|&pixel| (pixel, stroke, colour)));
        let dot = pixels.iter().flatten().next_back().filter(|_| stroke != Stroke::Faint);
        self.dots.extend(dot.map(|&pixel| (pixel, stroke, colour)));
    }

    pub(super) fn svg(&self) -> String {
        let mut body = String::new();
        for [stroke, next] in [[Stroke::Faint, Stroke::Thin], [Stroke::Pair, Stroke::Strong]] {
            for stroke in [stroke, next] {
                body += &self.rings_of(stroke);
            }
            for stroke in [stroke, next] {
                body += &self.dots_of(stroke);
            }
        }
        body
    }

    fn rings_of(&self, stroke: Stroke) -> String {
        let (radius, width, opacity) = match stroke {
            Stroke::Thin => (1.8, 1.0, 1.0),
            Stroke::Faint => (1.5, 0.8, 0.5),
            Stroke::Strong => (3.0, 1.6, 1.0),
            Stroke::Pair => (3.4, 1.2, 0.9),
        };
        let mut body = String::new();
        for colour in colours(&self.rings, stroke) {
            let mut path = String::new();
            for (x, y) in of(&self.rings, stroke, colour) {
                let (left, wide) = (x - radius, 2.0 * radius);
                let _ = write!(
                    path,
                    "M{left:.1} {y:.1}a{radius} {radius} 0 1 0 {wide} 0a{radius} {radius} 0 1 0 -{wide} 0"
                );
            }
            let paint = match stroke {
                Stroke::Thin => TEXT,
                // A ring in another colour than the dot in it.
                Stroke::Pair => SERIES[1],
                _ => SERIES[colour % SERIES.len()],
            };
            let opacity = if opacity < 1.0 { format!(" stroke-opacity=\"{opacity}\"") } else { String::new() };
            body +=
                &format!("<path fill=\"none\" stroke=\"{paint}\" stroke-width=\"{width}\"{opacity} d=\"{path}\"/>\n");
        }
        body
    }

    fn dots_of(&self, stroke: Stroke) -> String {
        let size = match stroke {
            Stroke::Pair => 3.4,
            Stroke::Strong => 8.0,
            _ => 4.5,
        };
        let mut body = String::new();
        for colour in colours(&self.dots, stroke) {
            let mut path = String::new();
            for (x, y) in of(&self.dots, stroke, colour) {
                let _ = write!(path, "M{x:.1} {y:.1}h0");
            }
            let paint = SERIES[colour % SERIES.len()];
            body += &format!(
                "<path fill=\"none\" stroke=\"{paint}\" stroke-width=\"{size}\" stroke-linecap=\"round\" d=\"{path}\"/>\n"
            );
        }
        body
    }
}

fn of(marks: &[(Pixel, Stroke, usize)], stroke: Stroke, colour: usize) -> impl Iterator<Item = Pixel> {
    marks.iter().filter(move |mark| (mark.1, mark.2) == (stroke, colour)).map(|mark| mark.0)
}

fn colours(marks: &[(Pixel, Stroke, usize)], stroke: Stroke) -> Vec<usize> {
    let mut colours: Vec<usize> = marks.iter().filter(|mark| mark.1 == stroke).map(|mark| mark.2).collect();
    colours.sort_unstable();
    colours.dedup();
    colours
}

/// A line; it breaks where a point is missing.
pub(super) fn line(pixels: &[Option<Pixel>], stroke: Stroke, colour: usize) -> String {
    let paint = SERIES[colour % SERIES.len()];
    match stroke {
        Stroke::Thin => path(pixels, paint, 1.0, 0.6),
        Stroke::Faint => path(pixels, paint, 0.8, 0.35),
        Stroke::Pair => path(pixels, TEXT, 1.0, 0.8),
        Stroke::Strong => {
            let steps = pixels.len().saturating_sub(1);
            let part = |part: usize| {
                let (from, to) = (part * steps / PARTS, (part + 1) * steps / PARTS);
                let opacity = 0.15 + 0.85 * part as f64 / (PARTS - 1) as f64;
                path(&pixels[from..=to.min(pixels.len() - 1)], paint, 1.5, opacity)
            };
            if steps < PARTS { path(pixels, paint, 1.5, 1.0) } else { (0..PARTS).map(part).collect() }
        }
    }
}

/// Steps too short to see are left out.
fn path(pixels: &[Option<Pixel>], colour: &str, width: f64, opacity: f64) -> String {
    let mut path = String::new();
    let mut last: Option<Pixel> = None;
    for (index, pixel) in pixels.iter().enumerate() {
        let Some((x, y)) = *pixel else {
            last = None;
            continue;
        };
        let ends = pixels.get(index + 1).is_none_or(Option::is_none);
        let near = last.is_some_and(|(px, py)| (x - px).hypot(y - py) < 0.7);
        if !near || ends {
            let _ = write!(path, "{}{x:.1} {y:.1}", if last.is_some() { 'L' } else { 'M' });
            last = Some((x, y));
        }
    }
    if path.is_empty() {
        return path;
    }
    format!(
        "<path class=\"series\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
         stroke-opacity=\"{opacity:.2}\" stroke-linejoin=\"round\" d=\"{path}\"/>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::Show;
    use super::*;

    fn svg(plane: &Plane) -> String {
        plane.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

    #[test]
    fn a_few_ways_stand_out() {
        let ways: Vec<(Vec<f64>, Vec<f64>)> =
            (0..5).map(|way| (vec![0.0, 1.0, 2.0], vec![0.0, 0.5, f64::from(way)])).collect();
        let ends = Plane::new("").points("samples", &[2.0; 5], &[0.0, 1.0, 2.0, 3.0, 4.0]);
        let svg = svg(&ends.ways(&ways, &[1, 4]));
        // The three others in the points' colour, the two in the next ones, each with its ring and its dot.
        assert_eq!(svg.matches("stroke-opacity=\"0.35\"").count(), 3);
        for colour in &SERIES[1..3] {
            assert_eq!(svg.matches(&format!("stroke=\"{colour}\"")).count(), 3, "{colour}");
        }
        assert!(!svg.contains(SERIES[3]));
    }

    #[test]
    fn a_pair_is_a_dot_and_a_ring() {
        let svg = svg(&Plane::new("").pairs([&[0.0, 1.0], &[0.0, 1.0]], [&[0.1, 1.0], &[0.0, 0.8]]));
        assert_eq!(svg.matches("a3.4 3.4").count(), 4); // a ring is two arcs
        assert_eq!(svg.matches("h0").count(), 2);
        assert!(svg.contains(&format!("stroke=\"{}\"", SERIES[1])));
    }
}
