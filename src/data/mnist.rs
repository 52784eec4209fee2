//! MNIST and Fashion-MNIST from their own files.

use super::bytes::Bytes;
use super::samples::Stored;
use super::{Dataset, idx};
use crate::{Error, Result};
use std::path::Path;

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CLOTHES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

impl Dataset {
    /// The 60,000 training digits of MNIST (LeCun et al. 1998), 28 x 28 grey pixels, 10 classes, from a folder that holds
    /// `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, gzipped or not. Ink is 1, paper -1.
    ///
    /// [`fetch`](Self::fetch) gets them by name.
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let mnist = Dataset::mnist("data/mnist")?.pad(32)?;
    /// assert_eq!(mnist.shape(), [60_000, 1, 32, 32]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn mnist(path: impl AsRef<Path>) -> Result<Self> {
        read("mnist", path.as_ref(), "train", &DIGITS)
    }

    /// The 10,000 test digits of MNIST, from `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`: as [`mnist`](Self::mnist).
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let test = Dataset::mnist_test(Dataset::fetch("mnist")?)?;
    /// assert_eq!(test.len(), 10_000);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn mnist_test(path: impl AsRef<Path>) -> Result<Self> {
        read("mnist", path.as_ref(), "t10k", &DIGITS)
    }

    /// The 60,000 training images of Fashion-MNIST (Xiao et al. 2017), clothes in the format of MNIST: as
    /// [`mnist`](Self::mnist).
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let clothes = Dataset::fashion_mnist(Dataset::fetch("fashion-mnist")?)?;
    /// assert_eq!(clothes.classes()[9], "Ankle boot");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fashion_mnist(path: impl AsRef<Path>) -> Result<Self> {
        read("fashion-mnist", path.as_ref(), "train", &CLOTHES)
    }

    /// The 10,000 test images of Fashion-MNIST: as [`mnist_test`](Self::mnist_test).
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let test = Dataset::fashion_mnist_test("data/fashion-mnist")?;
    /// assert_eq!(test.shape(), [10_000, 1, 28, 28]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fashion_mnist_test(path: impl AsRef<Path>) -> Result<Self> {
        read("fashion-mnist", path.as_ref(), "t10k", &CLOTHES)
    }
}

fn read(set: &str, folder: &Path, part: &str, classes: &[&str]) -> Result<Dataset> {
    let (images_name, images) = file(set, folder, &format!("{part}-images"), "idx3")?;
    let (sizes, pixels) = idx::read(&images_name, &images)?;
    drop(images);
    let (labels_name, labels) = file(set, folder, &format!("{part}-labels"), "idx1")?;
    let (label_sizes, labels) = idx::read(&labels_name, &labels)?;
    let &[count, height, width] = sizes.as_slice() else {
        return Err(Error::argument("idx file", images_name, "images have 3 dimensions: count, height, width"));
    };
    if label_sizes != [count] || count * height * width == 0 {
        let rule = format!("{label_sizes:?} labels for {count} images of {height} x {width}");
        return Err(Error::argument("idx file", labels_name, rule));
    }
    let labels: Vec<i64> = labels.into_iter().map(i64::from).collect();
    let stored = Stored::new(Bytes::Memory(pixels), [1, height as i64, width as i64]);
    let name = if part == "train" { set.to_string() } else { format!("{set} test") };
    Dataset::stored(&name, stored, &labels, classes.iter().map(|class| (*class).to_string()).collect())
}

/// The name and the bytes of `train-images-idx3-ubyte` and the like, under any of the names that are in use.
fn file(set: &str, folder: &Path, stem: &str, format: &str) -> Result<(String, Vec<u8>)> {
    let names = ["-", "."].map(|mark| format!("{stem}{mark}{format}-ubyte"));
    for name in names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]) {
        let path = folder.join(&name);
        match std::fs::read(&path) {
            Ok(bytes) => return Ok((path.display().to_string(), bytes)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Error::argument("path", path.display(), format!("cannot be read: {error}"))),
        }
    }
    let rule = format!("is no folder with {} (or .gz) in it; Dataset::fetch(\"{set}\")? gets it", names[0]);
    Err(Error::argument("path", folder.display(), rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Folder;
    use crate::data::idx::tests::gzip;

    #[test]
    fn idx_files_gzipped_or_not_become_a_data_set() {
        let folder = Folder::new("mnist");
        let images =
            [[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3].as_slice(), &[0, 255, 51, 0, 0, 0], &[9; 6]].concat();
        let labels = [0, 0, 8, 1, 0, 0, 0, 2, 7, 1];
        folder.write("train-images-idx3-ubyte.gz", &gzip(&images));
        folder.write("train-labels.idx1-ubyte", &labels);
        let mnist = Dataset::mnist(folder.path()).unwrap();
        assert_eq!((mnist.name(), mnist.shape()), ("mnist", vec![2, 1, 2, 3]));
        assert_eq!(Vec::<i64>::try_from(mnist.labels()).unwrap(), [7, 1]);
        let first = Vec::<f32>::try_from(mnist.image(0).unwrap().view([-1])).unwrap();
        assert_eq!((first[0], first[1]), (-1.0, 1.0));
        assert!((first[2] + 0.6).abs() < 1e-6);
        folder.write("t10k-images-idx3-ubyte", &images);
        folder.write("t10k-labels-idx1-ubyte.gz", &gzip(&labels));
        let test = Dataset::fashion_mnist_test(folder.path()).unwrap();
        assert_eq!((test.name(), test.classes()[7].as_str()), ("fashion-mnist test", "Sneaker"));
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let folder = Folder::new("mnist-wrong");
        let shown = folder.path().display().to_string();
        let said = || Dataset::mnist(folder.path()).unwrap_err().to_string();
        let get = "(or .gz) in it; Dataset::fetch(\"mnist\")? gets it";
        assert_eq!(said(), format!("path = {shown}: is no folder with train-images-idx3-ubyte {get}"));
        folder.write("train-images-idx3-ubyte", &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5]);
        assert_eq!(said(), format!("path = {shown}: is no folder with train-labels-idx1-ubyte {get}"));
        folder.write("train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 2, 1, 2]);
        let labels = format!("idx file = {shown}/train-labels-idx1-ubyte: [2] labels for 1 images of 1 x 1");
        assert_eq!(said(), labels);
        folder.write("train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 1, 10]);
        assert_eq!(said(), "label = 10: the classes are 0 to 9, and -1 is no label");
    }

    #[test]
    #[ignore = "slow: reads MNIST from the folder in NOISEBOOK_MNIST and says how long that takes"]
    fn mnist_at_32_pixels() {
        let Some(folder) = std::env::var_os("NOISEBOOK_MNIST") else {
            println!("NOISEBOOK_MNIST names no folder: nothing was measured");
            return;
        };
        let memory = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
            line.trim_end_matches(" kB").rsplit(['\t', ' ']).next().unwrap().parse::<f64>().unwrap() / 1_024.0
        };
        Dataset::digits().unwrap(); // wakes libtorch
        let (before, began) = (memory(), std::time::Instant::now());
        let mnist = Dataset::mnist(&folder).unwrap().pad(32).unwrap();
        println!("{:?} in {:.2} s", mnist.shape(), began.elapsed().as_secs_f64());
        println!(
            "{:.0} MB more than before, {:.0} MB of pixels",
            memory() - before,
            mnist.shape().iter().product::<i64>() as f64 / 1_048_576.0
        );
        // Counted in the labels' file with od and uniq.
        let labels = Vec::<i64>::try_from(mnist.labels()).unwrap();
        let counts: Vec<usize> = (0..10).map(|class| labels.iter().filter(|&&label| label == class).count()).collect();
        assert_eq!(counts, [5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949]);
        let began = std::time::Instant::now();
        let report = mnist.report().unwrap();
        println!("report in {:.2} s\n{report:?}", began.elapsed().as_secs_f64());
        let mut loader = crate::data::Loader::new(&mnist, 64, 0).unwrap();
        let (began, steps) = (std::time::Instant::now(), 937);
        for step in 0..steps {
            loader.batch(step).unwrap();
        }
        println!("{:.3} ms a batch of 64, back to back", began.elapsed().as_secs_f64() * 1e3 / steps as f64);
    }
}
