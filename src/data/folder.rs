//! A folder of image files.

use super::bytes::Bytes;
use super::image_file::{Fit, Head, Target, head, read_into};
use super::parallel::in_threads;
use super::samples::Stored;
use super::troubles::{TroubleKind, by_kind, few};
use super::{Dataset, ImageSize};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Endings of images, also of those that are not decoded here: such a file is named, not passed over.
const ENDINGS: [&str; 28] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "gif", "bmp", "dib", "webp", "tif", "tiff", "tga", "qoi", "pbm",
    "pgm", "ppm", "pnm", "pam", "ico", "ff", "avif", "heic", "heif", "jxl", "dds", "exr", "hdr",
];

/// Folders within folders, at most: a link to a folder above would have no end.
const DEEPEST: usize = 16;

/// How a folder of images becomes a data set; [`Dataset::folder`] starts one, [`load`](Self::load) reads it.
///
/// ```no_run
/// use noisebook::prelude::*;
/// let emoji = Dataset::folder("data/emoji").image_size(32).load()?; // one sub-folder a class
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    size: Option<ImageSize>,
    channels: Option<i64>,
    fit: Fit,
    background: [u8; 3],
    strict: bool,
    on_disk: bool,
}

impl Dataset {
    /// The images in a folder, and in the folders in it: PNG, JPEG, GIF (the first frame), BMP, WebP, TIFF (the first
    /// page), TGA, QOI, PNM, ICO (the largest) and farbfeld, grey or colour, with a palette, an opacity or 16 bits, turned as
    /// their EXIF says. Each folder in it is a class, in the order of the names; a
    /// folder without folders has no classes. Of `train/cat` and `test/cat`, `train` and `test` would be the classes: load
    /// `train`. Hidden files are passed over.
    ///
    /// Setters never fail: [`load`](Folder::load) checks the whole.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let photos = Dataset::folder("photos").image_size((48, 64)).load()?;
    /// photos.report()?.show()?; // what was unusual about which file
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn folder(path: impl AsRef<Path>) -> Folder {
        Folder {
            path: path.as_ref().to_path_buf(),
            size: None,
            channels: None,
            fit: Fit::Crop,
            background: [255; 3],
            strict: false,
            on_disk: false,
        }
    }
}

impl Folder {
    /// Height and width of all images (default: that of the files, where they have but one). Resizing is bilinear, and where an
    /// image becomes smaller each pixel is a mean over all that it covers.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let square = Dataset::folder("photos").image_size(64);
    /// let wide = Dataset::folder("photos").image_size((48, 64)); // height, width
    /// ```
    #[must_use]
    pub fn image_size(mut self, size: impl Into<ImageSize>) -> Self {
        self.size = Some(size.into());
        self
    }

    /// 1 channel, grey, or 3, colour (default: 3, unless all files are grey). Colours become grey by Rec. 709's weights.
    ///
    /// ```
    /// let grey = noisebook::Dataset::folder("photos").channels(1);
    /// ```
    #[must_use]
    pub fn channels(mut self, channels: i64) -> Self {
        self.channels = Some(channels);
        self
    }

    /// What images with an opacity are laid over, and what [`pad`](Self::pad) fills with: red, green, blue (default: white).
    ///
    /// ```
    /// let on_black = noisebook::Dataset::folder("emoji").background(0, 0, 0);
    /// ```
    #[must_use]
    pub fn background(mut self, red: u8, green: u8, blue: u8) -> Self {
        self.background = [red, green, blue];
        self
    }

    /// Of an image with another ratio of sides takes the middle (the default).
    ///
    /// ```
    /// let middles = noisebook::Dataset::folder("photos").image_size(64).crop();
    /// ```
    #[must_use]
    pub fn crop(mut self) -> Self {
        self.fit = Fit::Crop;
        self
    }

    /// Of an image with another ratio of sides takes the whole, with the background beside it.
    ///
    /// ```
    /// let whole = noisebook::Dataset::folder("photos").image_size(64).pad();
    /// ```
    #[must_use]
    pub fn pad(mut self) -> Self {
        self.fit = Fit::Pad;
        self
    }

    /// Of an image with another ratio of sides takes the whole, out of proportion.
    ///
    /// ```
    /// let stretched = noisebook::Dataset::folder("photos").image_size(64).stretch();
    /// ```
    #[must_use]
    pub fn stretch(mut self) -> Self {
        self.fit = Fit::Stretch;
        self
    }

    /// Ends with an error where a file cannot be read, and names every such file. By default they are left out, and named in a
    /// line of warning and in [`report`](Dataset::report).
    ///
    /// ```
    /// let all_or_none = noisebook::Dataset::folder("photos").strict();
    /// ```
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Keeps the pixels in a file, which the system pages in, and which is gone when the data set is: what happens by itself
    /// where they would take more than half of the free memory. It lies in `$XDG_CACHE_HOME/noisebook/data` (`~/.cache/..`).
    ///
    /// ```
    /// let large = noisebook::Dataset::folder("photos").image_size(256).on_disk();
    /// ```
    #[must_use]
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// Reads all images, in as many threads as there are cores.
    ///
    /// # Errors
    /// A folder that cannot be read or holds no image; files of several sizes where no size is set; channels other than 1 or 3;
    /// an interrupt; with [`strict`](Self::strict), a file that cannot be read.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let error = Dataset::folder("no/such/folder").load().unwrap_err();
    /// assert!(error.to_string().starts_with("path = no/such/folder: cannot be read: "));
    /// ```
    pub fn load(&self) -> Result<Dataset> {
        if let Some(channels) = self.channels.filter(|channels| ![1, 3].contains(channels)) {
            return Err(Error::argument("channels", channels, "1, grey, or 3, colour"));
        }
        let mut found = Found::default();
        self.walk(&self.path, "", DEEPEST, &mut found)?;
        let Found { files, mut troubles } = found;
        let target = self.target(&files)?;
        let channels = if target.grey { 1 } else { 3 };
        let size = channels * target.height as usize * target.width as usize;
        let mut bytes = Bytes::zeroed(files.len() * size, self.on_disk)?;
        let places = files.iter().zip(bytes.chunks_exact_mut(size));
        let results =
            in_threads("Reading images", places, |(file, out)| read_into(&self.path.join(file), &target, out))?;

        let mut read: Vec<String> = Vec::new();
        for (index, (file, result)) in files.into_iter().zip(results).enumerate() {
            match result {
                Ok(unusual) => {
                    troubles.extend(unusual.into_iter().map(|kind| (kind, file.clone())));
                    if Path::new(&file).extension().is_some_and(|ending| ending.to_ascii_lowercase() != ending) {
                        troubles.push((TroubleKind::UpperCase, file.clone()));
                    }
                    bytes.copy_within(index * size..(index + 1) * size, read.len() * size);
                    read.push(file);
                }
                Err(cause) => troubles.push((TroubleKind::Unreadable, format!("{file} ({cause})"))),
            }
        }
        bytes.truncate(read.len() * size);
        self.speak_of(&troubles, read.is_empty())?;

        let (classes, labels) = classes(&read);
        if classes.len() == 1 {
            troubles.push((TroubleKind::OneClass, classes[0].clone()));
        }
        troubles.extend(self.only_folders(&classes, &read));
        if !classes.is_empty() {
            let without = read.iter().zip(&labels).filter(|(_, label)| **label < 0);
            troubles.extend(without.map(|(file, _)| (TroubleKind::NoClass, file.clone())));
        }
        let stored = Stored::new(bytes, [channels as i64, i64::from(target.height), i64::from(target.width)]);
        let mut dataset = Dataset::stored(&self.name(), stored, &labels, classes)?;
        dataset.files = read.into_iter().map(Into::into).collect();
        dataset.troubles = by_kind(troubles).into();
        Ok(dataset)
    }

    /// All files below `folder`, in the order of their names; whether there was an image.
    fn walk(&self, folder: &Path, name: &str, deeper: usize, found: &mut Found) -> Result<bool> {
        let failed =
            |error: std::io::Error| Error::argument("path", folder.display(), format!("cannot be read: {error}"));
        let mut entries =
            std::fs::read_dir(folder).map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
        let mut any = false;
        for entry in entries {
            let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if file.starts_with('.') {
                continue;
            }
            let inner = if name.is_empty() { file.clone() } else { format!("{name}/{file}") };
            if path.is_dir() {
                if deeper > 0 && self.walk(&path, &inner, deeper - 1, found)? {
                    any = true;
                } else {
                    found.troubles.push((TroubleKind::EmptyFolder, inner));
                }
                continue;
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                found.files.push(inner);
                any = true;
            } else {
                found.troubles.push((TroubleKind::NoImage, inner));
            }
        }
        Ok(any)
    }

    /// What all images become, as far as it is not set: what the files are.
    fn target(&self, files: &[String]) -> Result<Target> {
        let heads: Vec<Head> = match (self.size, self.channels) {
            (Some(_), Some(_)) => Vec::new(),
            _ => in_threads("Looking at images", files.iter(), |file| head(&self.path.join(file)))?
                .into_iter()
                .flatten()
                .collect(),
        };
        let [height, width] = match self.size {
            Some(size) => size.check()?,
            None => {
                let sizes = heads.iter().map(|head| (head.height, head.width));
                let (smallest, largest) = (sizes.clone().min().unwrap_or((1, 1)), sizes.max().unwrap_or((1, 1)));
                if smallest != largest {
                    let shown = |(height, width): (u32, u32)| format!("{height} x {width}");
                    let rule = format!(
                        "the files are of several sizes, {} to {}: choose one, such as .image_size(64)",
                        shown(smallest),
                        shown(largest)
                    );
                    return Err(Error::argument("image_size", "none", rule));
                }
                ImageSize { height: smallest.0.into(), width: smallest.1.into() }.check()?
            }
        };
        let [red, green, blue] = self.background;
        let grey = match self.channels {
            Some(channels) => channels == 1,
            None => !heads.is_empty() && red == green && green == blue && heads.iter().all(|head| head.grey),
        };
        let (height, width) = (height as u32, width as u32);
        Ok(Target { height, width, grey, fit: self.fit, background: self.background })
    }

    /// Names what cannot be read: in an error, where nothing else is left or nobody wants the rest, or in a line of warning.
    fn speak_of(&self, troubles: &[(TroubleKind, String)], nothing_read: bool) -> Result<()> {
        let unreadable: Vec<String> = troubles
            .iter()
            .filter(|(kind, _)| *kind == TroubleKind::Unreadable)
            .map(|(_, file)| file.clone())
            .collect();
        let files = match unreadable.len() {
            1 => "1 file cannot be read".to_string(),
            count => format!("{count} files cannot be read"),
        };
        if unreadable.is_empty() && nothing_read {
            return Err(Error::argument("path", self.path.display(), "holds no image"));
        }
        if !unreadable.is_empty() && (nothing_read || self.strict) {
            return Err(Error::argument("path", self.path.display(), format!("{files}: {}", unreadable.join(", "))));
        }
        if !unreadable.is_empty() {
            eprintln!(
                "{}: {files} and {} left out: {}",
                self.name(),
                if unreadable.len() == 1 { "is" } else { "are" },
                few(&unreadable, 10)
            );
        }
        Ok(())
    }

    /// The classes whose images all lie in folders: perhaps those are what is meant. A line of warning says so.
    fn only_folders(&self, classes: &[String], read: &[String]) -> Vec<(TroubleKind, String)> {
        let mut inner: BTreeMap<&str, (BTreeSet<&str>, usize)> = BTreeMap::new();
        let mut direct = BTreeSet::new();
        for (class, rest) in read.iter().filter_map(|file| file.split_once('/')) {
            let Some((folder, _)) = rest.split_once('/') else {
                direct.insert(class);
                continue;
            };
            let (folders, count) = inner.entry(class).or_default();
            folders.insert(folder);
            *count += 1;
        }
        inner.retain(|class, _| !direct.contains(class));
        let few_of = |folders: &BTreeSet<&str>| few(&folders.iter().map(ToString::to_string).collect::<Vec<_>>(), 4);
        if let Some((largest, (folders, _))) = inner.iter().max_by_key(|(_, (_, count))| *count) {
            eprintln!(
                "{}: the classes are {}; {largest} holds images only in folders ({}): for those as classes load {}",
                self.name(),
                few(classes, 10),
                few_of(folders),
                self.path.join(largest).display()
            );
        }
        let listed = |(class, (folders, _)): (&str, (BTreeSet<&str>, usize))| {
            (TroubleKind::OnlyFolders, format!("{class} ({})", few_of(&folders)))
        };
        inner.into_iter().map(listed).collect()
    }

    fn name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }
}

#[derive(Default)]
struct Found {
    files: Vec<String>,
    troubles: Vec<(TroubleKind, String)>,
}

/// The first folder of each file's name as its class: the classes in the order of their names, and each file's label.
fn classes(files: &[String]) -> (Vec<String>, Vec<i64>) {
    let class = |file: &String| file.split_once('/').map(|(class, _)| class.to_string());
    let mut classes: Vec<String> = files.iter().filter_map(class).collect();
    classes.sort_unstable();
    classes.dedup();
    let label =
        |file| class(file).and_then(|class| classes.binary_search(&class).ok()).map_or(-1, |label| label as i64);
    let labels = files.iter().map(label).collect();
    (classes, labels)
}
