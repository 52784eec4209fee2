//! Where everything of a grid lies on the page.

use super::grid::Grid;
use super::look::{LABEL_SIZE, TEXT, shorten, text, text_lines, text_width, wrap};
use super::mosaic::Layout;
use std::fmt::Write;

/// Where a pixel of an image is less than two of the page's, the PNG has this many for one of the page's, so that it is sharp
/// on dense screens. Larger pixels are squares on any screen.
const DENSE: usize = 2;

/// The height of a line of captions.
pub(super) const CAPTION_LINE: f64 = 17.0;

const GAP: f64 = 4.0;
/// What groups of rows have between them besides.
const GROUP_GAP: f64 = 10.0;
const WIDEST_CAPTION: f64 = 110.0;
const WIDEST_ROW_LABEL: f64 = 150.0;
/// From a line of a row's label to the next.
const LEADING: f64 = 14.0;

/// The images' places, and the text around them as SVG.
pub(super) struct Sheet {
    pub(super) layout: Layout,
    /// Where the first image begins.
    pub(super) left: f64,
    /// Where the last caption of a row ends.
    pub(super) right: f64,
    /// Where the last row ends, with its captions.
    pub(super) bottom: f64,
    /// A hairline around each image: a white one would be lost on a white page.
    pub(super) borders: String,
    pub(super) captions: String,
    pub(super) row_labels: String,
}

impl Sheet {
    pub(super) fn new(grid: &Grid, available: f64) -> Self {
        let (count, tile) = (grid.tiles.count, (grid.tiles.width, grid.tiles.height));
        let (mut enlarged, density) = enlarged(count, tile, grid.scale);
        let captions = grid.shown_captions();
        let widest = |labels: &mut dyn Iterator<Item = &str>, most: f64| {
            labels.map(|label| text_width(label, LABEL_SIZE)).fold(0.0, f64::max).min(most)
        };
        let row_labels: Vec<Vec<String>> =
            grid.row_labels.iter().map(|label| wrap(label, WIDEST_ROW_LABEL, LABEL_SIZE)).collect();
        let label_width = widest(&mut row_labels.iter().flatten().map(String::as_str), WIDEST_ROW_LABEL);
        let labels = if label_width > 0.0 { label_width + 10.0 } else { 0.0 };
        if let (None, Some(columns)) = (grid.scale, grid.columns) {
            // Images make room for as many as were asked for.
            let room = (available - labels + GAP) / columns.min(count) as f64 - GAP;
            while enlarged > density && (tile.0 * enlarged) as f64 > room * density as f64 {
                enlarged -= density;
            }
        }
        let [width, height] = [tile.0, tile.1].map(|pixels| (pixels * enlarged) as f64 / density as f64);
        let caption_width = widest(&mut captions.iter().copied(), WIDEST_CAPTION.max(width));
        let cell = width.max(caption_width + 4.0 * f64::from(u8::from(caption_width > 0.0)));
        let pitch = (cell + GAP).ceil();
        let left = (labels + (cell - width) / 2.0).round();
        let fitting = ((available - labels + GAP) / pitch).floor().max(1.0) as usize;
        let columns = grid.columns.unwrap_or_else(|| columns(count, fitting));

        // A row without captions takes no room for them.
        let captioned =
            |row: usize| captions.chunks(columns).nth(row).is_some_and(|row| row.iter().any(|c| !c.is_empty()));
        let mut bottom = 0.0;
        let tops: Vec<f64> = (0..count.div_ceil(columns))
            .map(|row| {
                if row > 0 && grid.rows_together.is_some_and(|together| row % together == 0) {
                    bottom += GROUP_GAP;
                }
                let top = bottom;
                bottom += (height + GAP + if captioned(row) { CAPTION_LINE } else { 0.0 }).ceil();
                top
            })
            .collect();

        let mut edges = String::new();
        for index in 0..count {
            let (x, y) = (left + (index % columns) as f64 * pitch + 0.5, tops[index / columns] + 0.5);
            let _ = write!(edges, "M{x} {y}h{0}v{1}h-{0}z", width - 1.0, height - 1.0);
        }
        let borders = format!("<path fill=\"none\" stroke=\"{TEXT}\" stroke-opacity=\"0.3\" d=\"{edges}\"/>\n");

        let mut text_below = String::new();
        for (index, caption) in captions.iter().enumerate().filter(|(_, caption)| !caption.is_empty()) {
            let x = left + (index % columns) as f64 * pitch + width / 2.0;
            let y = tops[index / columns] + height + LABEL_SIZE + 1.0;
            text_below += &text(x, y, "middle", &shorten(caption, cell, LABEL_SIZE));
        }
        let mut text_beside = String::new();
        let fit = |line: &str| shorten(line, WIDEST_ROW_LABEL, LABEL_SIZE);
        for (lines, top) in row_labels.iter().zip(&tops) {
            let most = (((height - LABEL_SIZE) / LEADING) as usize + 1).min(lines.len());
            // What is left over of a label that is higher than its image goes into the last line, as far as it fits.
            let last = lines[most - 1..].join(" ");
            let lines: Vec<String> = lines[..most - 1].iter().chain([&last]).map(|line| fit(line)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let y = top + height / 2.0 + 4.0 - LEADING * (most - 1) as f64 / 2.0;
            text_beside += &text_lines(labels - 8.0, y, "end", LEADING, &lines);
        }
        let layout = Layout {
            columns,
            enlarged,
            density,
            pitch_x: pitch as usize * density,
            tops: tops.iter().map(|&top| top as usize * density).collect(),
        };
        let right = labels + (columns.min(count) as f64) * pitch - GAP;
        Self { layout, left, right, bottom: bottom - GAP, borders, captions: text_below, row_labels: text_beside }
    }
}

/// How many pixels of the PNG a pixel of an image takes, and one of the page: few images are drawn larger than many.
fn enlarged(count: usize, (width, height): (usize, usize), scale: Option<u32>) -> (usize, usize) {
    let dense = |times: usize| match (times % DENSE, times / DENSE) {
        // Whole pixels of the page.
        (0, whole @ 2..) => (whole, 1),
        _ => (times, DENSE),
    };
    if let Some(scale) = scale {
        return dense(scale as usize * DENSE);
    }
    let wanted = match count {
        1 => 128,
        2..=6 => 96,
        _ => 58,
    };
    let side = width.max(height);
    let times = (wanted * DENSE + side / 2) / side;
    // A multiple of the density keeps the pixels equal on screens that are not dense.
    dense(if times < DENSE { 1 } else { (times + DENSE / 2) / DENSE * DENSE })
}

/// Full rows where that can be, of ten images or a few less.
fn columns(count: usize, fitting: usize) -> usize {
    let most = fitting.min(10).min(count).max(1);
    (most.div_ceil(2)..=most).rev().find(|columns| count.is_multiple_of(*columns)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_full_where_that_can_be() {
        assert_eq!(
            [1, 5, 10, 12, 13, 16, 20, 64, 80, 100].map(|count| columns(count, 12)),
            [1, 5, 10, 6, 10, 8, 10, 8, 10, 10]
        );
        assert_eq!(columns(64, 3), 2);
    }

    #[test]
    fn images_are_of_a_size_that_one_can_see() {
        let size = |side: usize, enlarged: (usize, usize)| (side * enlarged.0) as f64 / enlarged.1 as f64;
        for side in [1, 4, 8, 16, 28, 32, 64] {
            let shown = size(side, enlarged(64, (side, side), None));
            assert!((40.0..=70.0).contains(&shown), "{side}: {shown}");
        }
        assert_eq!(size(256, enlarged(64, (256, 192), None)), 128.0);
        assert_eq!((enlarged(64, (8, 8), None), enlarged(64, (64, 64), None)), ((8, 1), (2, 2)));
        assert_eq!((enlarged(1, (8, 8), Some(3)), enlarged(1, (8, 8), Some(1))), ((3, 1), (2, 2)));
    }
}
