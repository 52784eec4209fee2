//! Sets of points as pictures: a scatter of points in the plane, a histogram of points on a line.

use super::bins::histogram_over;
use super::grid::evenly;
use super::look::{PAGE_WIDTH, SERIES};
use super::words::digits;
use super::{Chart, Figure, Part, Plane, grouped};
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

const BINS: usize = 40;
/// Points in each of several pictures.
const DOTS: usize = 600;
const GAP: f64 = 16.0;

/// A set of points, by class.
#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    groups: Vec<Group>,
    on_a_line: bool,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    xs: Vec<f64>,
    ys: Vec<f64>,
}

/// From where to where a picture reaches, in each direction.
type Region = ((f64, f64), (f64, f64));

impl Cloud {
    /// Points N x D on any device, of which at most the first two numbers are drawn; with labels, by class: the classes' names,
    /// or their numbers. Where there are more classes than colours the last share one.
    pub(crate) fn new(points: &Tensor, labels: Option<&Tensor>, classes: &[String]) -> Result<Self> {
        let size = points.size();
        if size.len() != 2 || size[1] == 0 {
            return Err(Error::argument("points", format!("{size:?}"), "points are a tensor N x D"));
        }
        let mut columns = coordinates(&points.f_narrow(1, 0, size[1].min(2))?)?.into_iter();
        let xs = columns.next().unwrap_or_default();
        let ys = columns.next().unwrap_or_else(|| vec![0.0; xs.len()]);
        let labels = match labels {
            Some(labels) => Vec::<i64>::try_from(labels.f_to_device(Device::Cpu)?)?,
            None => vec![-1; xs.len()],
        };
        Ok(Self { groups: groups(&xs, &ys, &labels, classes), on_a_line: size[1] == 1 })
    }

    /// Whether a point is one number.
    pub(crate) fn is_on_a_line(&self) -> bool {
        self.on_a_line
    }

    /// The smallest region that holds all points, with a margin.
    fn region<'a>(clouds: impl Iterator<Item = &'a Self> + Clone) -> Region {
        let groups = || clouds.clone().flat_map(|cloud| &cloud.groups);
        let around = |pick: fn(&Group) -> &[f64]| {
            let values = groups().flat_map(pick).copied().filter(|value| value.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            match high - low {
                width if width > 1e-9 * low.abs().max(high.abs()) => (low - 0.04 * width, high + 0.04 * width),
                width if width >= 0.0 => (low - 0.5, high + 0.5),
                _ => (-1.0, 1.0),
            }
        };
        (around(|group| &group.xs), around(|group| &group.ys))
    }

    /// One picture below a title.
    pub(crate) fn part(&self, title: &str) -> Part {
        if self.on_a_line {
            return self.chart(title, Self::region(std::iter::once(self)).0).into();
        }
        self.plane(title).x_label("x\u{2081}").y_label("x\u{2082}").into()
    }

    /// The points as layers of a picture.
    pub(crate) fn plane(&self, title: &str) -> Plane {
        self.groups.iter().fold(Plane::new(title), |plane, group| plane.points(&group.name, &group.xs, &group.ys))
    }

    fn chart(&self, title: &str, range: (f64, f64)) -> Chart {
        let chart = Chart::new(title).x_label("x").y_label("density");
        self.groups.iter().fold(chart, |chart, group| {
            let (edges, densities) = histogram_over(&group.xs, range, BINS);
            chart.bars(&group.name, &edges, &densities)
        })
    }

    fn len(&self) -> usize {
        self.groups.iter().map(|group| group.xs.len()).sum()
    }

    /// Of many points a sample, evenly spaced.
    fn thinned(&self) -> Self {
        let total = self.len();
        if total <= DOTS {
            return self.clone();
        }
        let thin = |group: &Group| {
            let shown = evenly(group.xs.len(), DOTS * group.xs.len() / total);
            let pick = |all: &[f64]| shown.iter().map(|&index| all[index]).collect();
            Group { name: group.name.clone(), xs: pick(&group.xs), ys: pick(&group.ys) }
        };
        Self { groups: self.groups.iter().map(thin).collect(), on_a_line: false }
    }
}

/// The columns of a tensor N x D, which may be anywhere.
pub(crate) fn coordinates(points: &Tensor) -> Result<Vec<Vec<f64>>> {
    let columns = points.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_tr()?.f_contiguous()?;
    Ok(Vec::<Vec<f64>>::try_from(columns)?)
}

fn groups(xs: &[f64], ys: &[f64], labels: &[i64], classes: &[String]) -> Vec<Group> {
    let mut present: Vec<i64> = labels.to_vec();
    present.sort_unstable();
    present.dedup();
    let own = if present.len() > SERIES.len() { SERIES.len() - 1 } else { present.len() };
    let named = |label: i64| match usize::try_from(label) {
        Ok(class) => classes.get(class).cloned().unwrap_or_else(|| format!("class {label}")),
        Err(_) if present.len() == 1 => String::new(),
        Err(_) => "no label".into(),
    };
    let mut groups: Vec<Group> =
        present[..own].iter().map(|&label| Group { name: named(label), xs: Vec::new(), ys: Vec::new() }).collect();
    if let (Some(&first), Some(&last)) = (present.get(own), present.last()) {
        groups.push(Group { name: format!("{} to {}", named(first), named(last)), xs: Vec::new(), ys: Vec::new() });
    }
    for ((&x, &y), label) in xs.iter().zip(ys).zip(labels) {
        let group = present.binary_search(label).unwrap_or(0).min(groups.len() - 1);
        groups[group].xs.push(x);
        groups[group].ys.push(y);
    }
    groups
}

/// Sets of points side by side, `columns` a row, over one region, each below a caption; the title says which region, and what
/// of large sets is drawn.
pub(crate) fn sheet(clouds: &[Cloud], captions: &[String], columns: usize, title: &str) -> Figure {
    sheet_of_rows(clouds, captions, columns, &[], title)
}

/// The same with a title above each row.
pub(crate) fn sheet_of_rows(
    clouds: &[Cloud],
    captions: &[String],
    columns: usize,
    rows: &[String],
    title: &str,
) -> Figure {
    over(Cloud::region(clouds.iter()), clouds, captions, columns, rows, title)
}

/// One row of sets after another, all over one region, each set below its caption.
pub(crate) fn sheets(rows: &[Vec<Cloud>], captions: &[Vec<String>]) -> Vec<Figure> {
    let region = Cloud::region(rows.iter().flatten());
    rows.iter().zip(captions).map(|(row, captions)| over(region, row, captions, row.len(), &[], "")).collect()
}

fn over((x, y): Region, clouds: &[Cloud], captions: &[String], columns: usize, rows: &[String], title: &str) -> Figure {
    let columns = columns.clamp(1, clouds.len().max(1));
    let width = ((PAGE_WIDTH - GAP * (columns - 1) as f64) / columns as f64).min(300.0).floor();
    let part = |(index, cloud): (usize, &Cloud)| -> Part {
        let caption = captions.get(index).map_or("", String::as_str);
        if cloud.on_a_line {
            let (width, height) = (width.max(120.0), (0.75 * width).max(110.0));
            return cloud.chart(caption, x).size(width as u32, height as u32).into();
        }
        let height = 10.0 + (width - 10.0) * ((y.1 - y.0) / (x.1 - x.0)).clamp(0.5, 1.5);
        let plane = cloud.thinned().plane(caption).x_range(x.0, x.1).y_range(y.0, y.1).bare();
        plane.size(width.max(100.0) as u32, height.max(100.0) as u32).into()
    };
    let parts: Vec<Part> = clouds.iter().enumerate().map(part).collect();
    let named = |at: usize| rows.get(at).map_or("", String::as_str);
    let rows = parts.chunks(columns).enumerate().map(|(at, row)| Figure::row(row.to_vec()).title(named(at)));
    let figure = Figure::column(rows).title(title);
    if clouds.first().is_none_or(|cloud| cloud.on_a_line) {
        return figure;
    }
    let [left, right, low, high] = [x.0, x.1, y.0, y.1].map(digits);
    let count = clouds.iter().map(Cloud::len).max().unwrap_or(0);
    let few = if count > DOTS { format!("; {DOTS} of {} points drawn", grouped(count)) } else { String::new() };
    figure.note(format!("each: x\u{2081} from {left} to {right}, x\u{2082} from {low} to {high}{few}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Show;
    use super::*;

    fn cloud(points: i64, dimension: i64) -> Cloud {
        let numbers = Tensor::arange(points * dimension, (Kind::Float, Device::Cpu)).view([points, dimension]);
        Cloud::new(&numbers, None, &[]).unwrap()
    }

    #[test]
    fn all_pictures_of_a_sheet_show_one_region() {
        let figure = sheet(&[cloud(3, 2), cloud(2_000, 2)], &["a".into(), "b".into()], 5, "two");
        let text = figure.bundle().unwrap().plain_text().to_string();
        let region = "x\u{2081} from -159.9 to 4,158, x\u{2082} from -158.9 to 4,159";
        assert!(text.starts_with("two\na\n"), "{text}");
        assert!(text.ends_with(&format!("each: {region}; 600 of 2,000 points drawn")), "{text}");
        assert_eq!(text.matches("x from -159.9 to 4,158, y from -158.9 to 4,159").count(), 2, "{text}");
        let histograms = sheet(&[cloud(3, 1), cloud(9, 1)], &[], 2, "").bundle().unwrap().plain_text().to_string();
        assert_eq!(histograms.matches("density against x\n40 bars from -0.32 to 8.32").count(), 2, "{histograms}");
    }

    #[test]
    fn more_classes_than_colours_share_the_last() {
        let points = Tensor::zeros([12, 2], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[-1_i64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let cloud = Cloud::new(&points, Some(&labels), &["a".into()]).unwrap();
        let names: Vec<&str> = cloud.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(
            (names.len(), names[..3].to_vec(), names[9]),
            (10, vec!["no label", "a", "class 1"], "class 8 to class 10")
        );
        let counts: Vec<usize> = cloud.groups.iter().map(|group| group.xs.len()).collect();
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 1, 1, 3]);
    }
}
