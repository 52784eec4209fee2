//! What is amiss with the files of a folder of images.

use crate::show::grouped;

/// One kind of trouble, and the files that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    pub(super) files: Vec<String>,
}

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TroubleKind {
    Unreadable,
    NoImage,
    EmptyFolder,
    OneClass,
    NoClass,
    Grey,
    Colour,
    Opacity,
    Palette,
    SixteenBits,
    Turned,
    OtherSize,
    NotSquare,
    UpperCase,
}

impl TroubleKind {
    /// What it is, and what was done about it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable, left out",
            Self::NoImage => "no images by their endings, left out",
            Self::EmptyFolder => "folders without an image, left out",
            Self::OneClass => "one class only",
            Self::NoClass => "beside the classes' folders, without a label",
            Self::Grey => "grey, made colour",
            Self::Colour => "colour, made grey",
            Self::Opacity => "see-through, laid over the background",
            Self::Palette => "palettes, made plain",
            Self::SixteenBits => "16 bits a channel, made 8",
            Self::Turned => "turned as their EXIF says",
            Self::OtherSize => "of another size, fitted",
            Self::NotSquare => "of another ratio of sides, fitted",
            Self::UpperCase => "upper-case endings, read all the same",
        }
    }
}

/// Troubles by kind, each with its files in their order.
pub(super) fn by_kind(mut found: Vec<(TroubleKind, String)>) -> Vec<Trouble> {
    found.sort_by_key(|&(kind, _)| kind);
    let mut troubles: Vec<Trouble> = Vec::new();
    for (kind, file) in found {
        match troubles.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.files.push(file),
            None => troubles.push(Trouble { kind, files: vec![file] }),
        }
    }
    troubles
}

/// The first few names, and how many more there are.
pub(super) fn few(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {} more", grouped(more)),
    }
}
