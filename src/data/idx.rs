//! The idx format of MNIST: a big-endian header, then bytes.

use crate::{Error, Result};
use std::io::Read;

/// The unsigned bytes of an idx file, gzipped or not, and its dimensions. `name` is what an error calls it.
pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<(Vec<usize>, Vec<u8>)> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return read_from(name, flate2::read::GzDecoder::new(bytes));
    }
    read_from(name, bytes)
}

fn read_from(name: &str, mut from: impl Read) -> Result<(Vec<usize>, Vec<u8>)> {
    let wrong = |rule: &str| Error::argument("idx file", name, rule);
    let cut = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => wrong("is no whole gzip file"),
        _ => wrong("ends within its header"),
    };
    let mut mark = [0; 4];
    from.read_exact(&mut mark).map_err(cut)?;
    let [0, 0, 8, rank] = mark else {
        return Err(wrong("does not begin with 0 0 8, the mark of unsigned bytes"));
    };
    let mut sizes = vec![0; 4 * usize::from(rank)];
    from.read_exact(&mut sizes).map_err(cut)?;
    let sizes: Vec<usize> =
        sizes.chunks_exact(4).map(|size| size.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))).collect();
    let length = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    // What a header says is no reason to take that much memory.
    let mut values = Vec::with_capacity(length.unwrap_or(0).min(1 << 28));
    from.read_to_end(&mut values).map_err(|_| wrong("is no whole gzip file"))?;
    if length != Some(values.len()) {
        return Err(wrong("holds another number of bytes than its header says"));
    }
    Ok((sizes, values))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_header_and_its_bytes() {
        let file = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        assert_eq!(read("x", &file).unwrap(), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(read("x", &gzip(&file)).unwrap(), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn broken_files_are_refused_by_name() {
        let said = |bytes: &[u8]| read("x", bytes).unwrap_err().to_string();
        assert_eq!(said(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9]), "idx file = x: is no whole gzip file");
        assert_eq!(said(b"no idx"), "idx file = x: does not begin with 0 0 8, the mark of unsigned bytes");
        assert_eq!(said(&gzip(&[0, 0, 9, 1])), "idx file = x: does not begin with 0 0 8, the mark of unsigned bytes");
        assert_eq!(said(&gzip(&[0, 0, 8, 1, 0])), "idx file = x: ends within its header");
        let other = "idx file = x: holds another number of bytes than its header says";
        assert_eq!(said(&gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 7])), other);
        assert_eq!(said(&[[0, 0, 8, 4].as_slice(), &[255; 16]].concat()), other);
        let whole = gzip(&[[0, 0, 8, 1, 0, 0, 1, 0].as_slice(), &[7; 256]].concat());
        assert_eq!(said(&whole[..whole.len() - 9]), "idx file = x: is no whole gzip file");
    }
}
