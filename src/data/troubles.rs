//! What is amiss with the files of a folder of images.

use crate::show::grouped;
use std::collections::HashSet;
use std::sync::Arc;

/// One kind of trouble, and the files that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    pub(super) files: Vec<String>,
    /// Whether they are what a part of the folder is told of the whole.
    pub(super) of_whole: bool,
}

impl Trouble {
    /// What it is, and what was done about it.
    pub(super) fn words(&self) -> String {
        let words = self.kind.words();
        if self.of_whole { format!("{words} (of the whole folder)") } else { words.to_string() }
    }
}

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TroubleKind {
    Unreadable,
    NoImage,
    EmptyFolder,
    OnlyFolders,
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
    /// Whether it is of files that are images of the data set, not of the folder.
    fn is_of_images(self) -> bool {
        self > Self::OneClass
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable, left out",
            Self::NoImage => "no images by their endings, left out",
            Self::EmptyFolder => "folders without an image, left out",
            Self::OnlyFolders => "classes that hold images only in folders, which are no classes",
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
            None => troubles.push(Trouble { kind, files: vec![file], of_whole: false }),
        }
    }
    troubles
}

/// What is told of a part of a folder that has these files: of its images what is amiss with them, and of the folder all.
pub(super) fn of_part(troubles: &[Trouble], files: &[Arc<str>]) -> Vec<Trouble> {
    let files: HashSet<&str> = files.iter().map(|file| &**file).collect();
    let part = |trouble: &Trouble| match trouble.kind {
        kind if kind.is_of_images() => {
            let files = trouble.files.iter().filter(|file| files.contains(file.as_str())).cloned().collect();
            Trouble { files, ..trouble.clone() }
        }
        TroubleKind::OneClass => trouble.clone(),
        _ => Trouble { of_whole: true, ..trouble.clone() },
    };
    troubles.iter().map(part).filter(|trouble| !trouble.files.is_empty()).collect()
}

/// The first few names, and how many more there are.
pub(super) fn few(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {} more", grouped(more)),
    }
}
