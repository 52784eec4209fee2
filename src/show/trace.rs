//! What of a series is worth drawing: pieces without gaps, cut at the frame, thinned to what the screen can show.

/// A place on the screen, in pixels.
pub(super) type Pixel = (f64, f64);

/// The pieces of a line: it breaks where a point is missing and where it leaves the band between `top` and `bottom`.
pub(super) fn pieces(points: &[Option<Pixel>], top: f64, bottom: f64) -> Vec<Vec<Pixel>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Pixel> = Vec::new();
    let mut previous: Option<Pixel> = None;
    for &point in points {
        match (previous, point) {
            (Some(from), Some(to)) => {
                if let Some((start, end)) = clip(from, to, top, bottom) {
                    if piece.last() != Some(&start) {
                        close(&mut piece, &mut pieces);
                        piece.push(start);
                    }
                    piece.push(end);
                }
            }
            (None, Some(to)) if (top..=bottom).contains(&to.1) => piece.push(to),
            (_, None) => close(&mut piece, &mut pieces),
            _ => {}
        }
        previous = point;
    }
    close(&mut piece, &mut pieces);
    pieces
}

fn close(piece: &mut Vec<Pixel>, pieces: &mut Vec<Vec<Pixel>>) {
    match piece[..] {
        [] => {}
        // A lonely point between two gaps would be invisible as a line: give it a pixel of length.
        [(x, y)] => pieces.push(vec![(x - 0.5, y), (x + 0.5, y)]),
        _ => pieces.push(thin(piece)),
    }
    piece.clear();
}

/// The part of a straight line that lies between `top` and `bottom`.
fn clip(from: Pixel, to: Pixel, top: f64, bottom: f64) -> Option<(Pixel, Pixel)> {
    let inside = |y: f64| (top..=bottom).contains(&y);
    let at = |y: f64| (from.0 + (to.0 - from.0) * ((y - from.1) / (to.1 - from.1)), y);
    let cut = |point: Pixel| if inside(point.1) { point } else { at(point.1.clamp(top, bottom)) };
    let misses = from.1.max(to.1) < top || from.1.min(to.1) > bottom;
    (!misses).then(|| (cut(from), cut(to)))
}

/// Of the neighbours that fall into one pixel column only the first, the lowest, the highest and the last: the same
/// picture, in at most four points a column.
fn thin(points: &[Pixel]) -> Vec<Pixel> {
    let mut kept = Vec::new();
    let mut start = 0;
    while start < points.len() {
        let column = points[start].0.floor();
        let length = points[start..].iter().take_while(|point| point.0.floor() == column).count();
        let run = &points[start..start + length];
        let by_height = |a: &usize, b: &usize| run[*a].1.total_cmp(&run[*b].1);
        let low = (0..length).min_by(by_height).unwrap_or(0);
        let high = (0..length).max_by(by_height).unwrap_or(0);
        let mut indices = vec![0, low, high, length - 1];
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| run[index]));
        start += length;
    }
    kept
}

/// The points inside the frame, one for every half pixel that holds any.
pub(super) fn dots(points: &[Option<Pixel>], top: f64, bottom: f64) -> Vec<Pixel> {
    let mut cells: Vec<(i32, i32)> = points
        .iter()
        .flatten()
        .filter(|point| (top..=bottom).contains(&point.1))
        .map(|&(x, y)| ((x * 2.0).round() as i32, (y * 2.0).round() as i32))
        .collect();
    cells.sort_unstable();
    cells.dedup();
    cells.into_iter().map(|(x, y)| (f64::from(x) / 2.0, f64::from(y) / 2.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_point_is_a_gap() {
        let points =
            [Some((0.0, 1.0)), Some((1.0, 2.0)), None, Some((3.0, 4.0)), Some((4.0, 5.0)), None, Some((9.0, 9.0))];
        let pieces = pieces(&points, 0.0, 10.0);
        assert_eq!(pieces, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 4.0), (4.0, 5.0)], vec![(8.5, 9.0), (9.5, 9.0)]]);
    }

    #[test]
    fn lines_end_at_the_frame() {
        let points = [Some((0.0, -10.0)), Some((10.0, 10.0)), Some((20.0, 30.0)), Some((30.0, 10.0))];
        assert_eq!(
            pieces(&points, 0.0, 20.0),
            [vec![(5.0, 0.0), (10.0, 10.0), (15.0, 20.0)], vec![(25.0, 20.0), (30.0, 10.0)]]
        );
        assert!(pieces(&[Some((0.0, 30.0)), Some((1.0, 40.0))], 0.0, 20.0).is_empty());
    }

    #[test]
    fn thinning_keeps_the_extremes_of_every_column() {
        let points: Vec<_> = (0..10_000_i32).map(|i| (f64::from(i) / 100.0, f64::from(i * 7919 % 1_000))).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= 400, "{}", thinned.len());
        for column in 0..100 {
            let within = |points: &[Pixel]| {
                let heights = points.iter().filter(|point| point.0.floor() == f64::from(column)).map(|point| point.1);
                heights.fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(y), b.max(y)))
            };
            assert_eq!(within(&points), within(&thinned));
        }
    }

    #[test]
    fn dots_on_one_place_are_one() {
        let points = [Some((1.0, 1.0)), Some((1.1, 1.1)), None, Some((5.0, 99.0)), Some((2.0, 1.0))];
        assert_eq!(dots(&points, 0.0, 20.0), [(1.0, 1.0), (2.0, 1.0)]);
    }
}
