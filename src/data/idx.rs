//! The idx format of MNIST: a big-endian header, then bytes.

use crate::{Error, Result};
use std::io::Read;

/// The unsigned bytes of a gzipped idx file, and its dimensions. `name` is what an error calls it.
pub(crate) fn read_gzipped(name: &str, bytes: &[u8]) -> Result<(Vec<usize>, Vec<u8>)> {
    let wrong = |rule: &str| Error::argument("idx file", name, rule);
    let mut data = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut data).map_err(|_| wrong("is no whole gzip file"))?;
    let [0, 0, 8, rank, rest @ ..] = data.as_slice() else {
        return Err(wrong("does not begin with 0 0 8, the mark of unsigned bytes"));
    };
    let header = 4 * usize::from(*rank);
    if rest.len() < header {
        return Err(wrong("ends within its header"));
    }
    let (sizes, values) = rest.split_at(header);
    let sizes: Vec<usize> =
        sizes.chunks_exact(4).map(|size| size.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))).collect();
    if sizes.iter().product::<usize>() != values.len() {
        return Err(wrong("holds another number of bytes than its header says"));
    }
    Ok((sizes, values.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_header_and_its_bytes() {
        let file = gzip(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);
        assert_eq!(read_gzipped("x", &file).unwrap(), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn broken_files_are_refused_by_name() {
        let said = |bytes: &[u8]| read_gzipped("x", bytes).unwrap_err().to_string();
        assert_eq!(said(b"no gzip"), "idx file = x: is no whole gzip file");
        assert_eq!(said(&gzip(&[0, 0, 9, 1])), "idx file = x: does not begin with 0 0 8, the mark of unsigned bytes");
        assert_eq!(said(&gzip(&[0, 0, 8, 1, 0])), "idx file = x: ends within its header");
        assert_eq!(
            said(&gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 7])),
            "idx file = x: holds another number of bytes than its header says"
        );
    }
}
