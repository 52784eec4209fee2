//! What a report and a cleaning look like.

use super::clean::Cleaning;
use super::report::Report;
use super::troubles::few;
use super::{Dataset, duplicates};
use crate::Result;
use crate::show::{Bundle, Grid, Show, Table, digits, grouped, sides};

/// Images of a kind that are shown.
const SHOWN: usize = 20;
/// Names in a line of a table.
const NAMED: usize = 6;

impl Show for Report {
    fn bundle(&self) -> Result<Bundle> {
        let dataset = &self.dataset;
        let name = |&index: &usize| dataset.sample_name(index);
        let short = |index: usize| short(&dataset.sample_name(index));
        let repeats = |pairs: &[(usize, usize)], word: &str| -> Vec<String> {
            pairs.iter().map(|(index, other)| format!("{} {word} {}", name(index), name(other))).collect()
        };
        let names = |indices: &[usize]| indices.iter().map(name).collect::<Vec<_>>();
        let shape = dataset.shape();
        let classes: Vec<String> =
            self.class_counts().into_iter().map(|(class, count)| format!("{class}: {}", grouped(count))).collect();
        let mut rows = vec![
            ("samples".to_string(), grouped(dataset.len()), sides(&shape[1..])),
            ("classes".into(), grouped(classes.len()), few(&classes, 20)),
            ("range".into(), String::new(), self.range_in_words()),
        ];
        if self.unlabelled > 0 && !classes.is_empty() {
            rows.push(("without a label".into(), grouped(self.unlabelled), String::new()));
        }
        let within = format!("near duplicates (within {} of another)", duplicates::NEAR);
        let far = format!("outliers (farther than {} from the mean)", digits(self.fence));
        let mut found =
            |what: &str, names: &[String]| rows.push((what.into(), grouped(names.len()), few(names, NAMED)));
        found("not finite", &names(&self.not_finite()));
        found("exact duplicates", &repeats(&self.duplicates(), "is"));
        if shape.len() == 4 {
            found(&within, &repeats(&self.near_duplicates(), "is like"));
            found("of one value", &names(&self.blank()));
        }
        found(&far, &names(&self.outliers()));
        for (what, files) in self.troubles() {
            found(&what, &files);
        }
        if self.other_label > 0 {
            rows.push(("duplicates with another label".into(), grouped(self.other_label), String::new()));
        }
        let mut worst: Vec<(usize, String)> = Vec::new();
        worst.extend(self.not_finite().into_iter().take(SHOWN).map(|index| (index, "not finite".to_string())));
        for (pairs, word) in [(self.duplicates(), "same"), (self.near_duplicates(), "near")] {
            for (index, other) in pairs.into_iter().take(SHOWN / 4) {
                worst.extend([(other, short(other)), (index, format!("{word}: {}", short(index)))]);
            }
        }
        worst.extend(self.blank().into_iter().take(SHOWN / 4).map(|index| (index, "one value".to_string())));
        worst.extend(self.outliers().into_iter().take(SHOWN).map(|index| (index, format!("far: {}", short(index)))));
        worst.truncate(2 * SHOWN);
        table_and_images(dataset, dataset.name(), rows, &worst)
    }
}

impl Show for Cleaning {
    fn bundle(&self) -> Result<Bundle> {
        let dataset = &self.report.dataset;
        let removed = self.removed();
        let reasons = self.reasons();
        let rows = reasons
            .iter()
            .map(|(reason, indices)| {
                let names: Vec<String> = indices.iter().map(|&index| dataset.sample_name(index)).collect();
                ((*reason).to_string(), grouped(indices.len()), few(&names, NAMED))
            })
            .collect();
        let shown: Vec<(usize, String)> =
            removed.iter().take(2 * SHOWN).map(|&index| (index, short(&dataset.sample_name(index)))).collect();
        let title = match removed.len() {
            0 => format!("{}: nothing to remove", dataset.name()),
            count => format!(
                "{}: apply() would remove {} of {}; nothing is removed yet",
                dataset.name(),
                grouped(count),
                grouped(dataset.len())
            ),
        };
        table_and_images(dataset, &title, rows, &shown)
    }
}

/// A table of what, how many and which, and below it images with captions.
fn table_and_images(
    dataset: &Dataset,
    title: &str,
    rows: Vec<(String, String, String)>,
    images: &[(usize, String)],
) -> Result<Bundle> {
    let table =
        rows.into_iter().fold(Table::new(["what", "count", "which"]).title(title), |table, (what, count, which)| {
            table.row([what, count, which])
        });
    let table = table.bundle()?;
    if images.is_empty() || dataset.shape().len() != 4 || ![1, 3].contains(&dataset.shape()[1]) {
        return Ok(table);
    }
    let indices: Vec<i64> = images.iter().map(|(index, _)| *index as i64).collect();
    let captions = images.iter().map(|(_, caption)| caption.clone()).collect();
    let grid = Grid::new(&dataset.batch_of(&indices)?.images)?.captions(captions).bundle()?;
    let html: Vec<String> = [&table, &grid].into_iter().filter_map(Bundle::to_html).collect();
    Ok(Bundle::text(format!("{}\n\n{}", table.plain_text(), grid.plain_text())).html(html.join("\n")))
}

impl Report {
    fn range_in_words(&self) -> String {
        let [low, high, mean, std] = [self.low(), self.high(), self.mean(), self.std()].map(digits);
        format!("{low} to {high}, mean {mean}, standard deviation {std}")
    }
}

/// A file's name without its folders and its ending: what fits below an image.
fn short(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_string()
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.bundle().map_or_else(|error| error.to_string(), |bundle| bundle.plain_text().to_string());
        write!(f, "{text}")
    }
}
