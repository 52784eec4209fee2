//! The one place that writes and reads tensors: safetensors files, with what describes them as JSON in their header.
//!
//! A file appears whole or not at all: it is written beside its place, forced to the disk, and renamed.

use crate::{Error, Result};
use safetensors::tensor::{Dtype, View};
use safetensors::{SafeTensorError, SafeTensors, serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The header's field for the description. One field, since more would come in any order: the same values, the same bytes.
const FIELD: &str = "noisebook";

/// What a file holds: tensors under their names, and what describes them.
pub(crate) type Contents = (Vec<(String, Tensor)>, Map<String, Value>);

/// Writes tensors (float32, float64 or int64, of any device) under their names, and `metadata`.
pub(crate) fn write(path: &Path, tensors: &[(String, Tensor)], metadata: &Map<String, Value>) -> Result<()> {
    let views = tensors.iter().map(|(name, tensor)| Ok((name, Stored::new(name, tensor)?)));
    let views = views.collect::<Result<Vec<_>>>()?;
    let description = (FIELD.to_string(), Value::Object(metadata.clone()).to_string());
    let bytes = serialize(views, Some([description].into_iter().collect()))
        .map_err(|error| refusal(path, format!("cannot be written: {error}")))?;
    write_whole(path, &bytes)
}

/// The tensors of a file, on the CPU, and its description: empty in a file that something else wrote.
pub(crate) fn read(path: &Path) -> Result<Contents> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refusal(path, "there is no such file"),
        _ => refusal(path, format!("cannot be read: {error}")),
    })?;
    let broken = |error| refusal(path, not_whole(path, &bytes, &error));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let description = header.metadata().as_ref().and_then(|fields| fields.get(FIELD));
    let metadata = match description.map(|text| serde_json::from_str(text)) {
        None => Map::new(),
        Some(Ok(Value::Object(metadata))) => metadata,
        Some(_) => return Err(refusal(path, "its description is not one of this crate's")),
    };
    let mut tensors = Vec::new();
    for (name, view) in SafeTensors::deserialize(&bytes).map_err(broken)?.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::I64 => Kind::Int64,
            other => {
                return Err(refusal(path, format!("{name} is {other}: float32, float64 and int64 can be read")));
            }
        };
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        tensors.push((name.to_string(), Tensor::f_from_data_size(view.data(), &shape, kind)?));
    }
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok((tensors, metadata))
}

/// What a file is that is no whole safetensors file, and what to do.
fn not_whole(path: &Path, bytes: &[u8], error: &SafeTensorError) -> String {
    // torch.save writes a ZIP archive, or, until PyTorch 1.6, bare pickles of protocol 2 and later.
    if bytes.starts_with(b"PK") || matches!(bytes, [0x80, 2..=5, ..]) {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return format!(
            "a file of torch.save, not of safetensors. In Python: safetensors.torch.save_file(torch.load({:?}, \
             map_location=\"cpu\"), {:?}), where it holds a state dict; docs/saving.md says more",
            name(path),
            name(&path.with_extension("safetensors"))
        );
    }
    format!(
        "not a whole safetensors file ({error}): take another copy, or of a run's checkpoints another, such as \
         best.safetensors"
    )
}

/// Writes `bytes` so that `path` holds all of them, or what it held before.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let (folder, partial) = beside(path)?;
    let written = (|| {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // The new name has to reach the disk too. Only Unix opens folders.
        if cfg!(unix) { File::open(&folder)?.sync_all() } else { Ok(()) }
    })();
    written.map_err(|error| {
        // The disk may be full: what was begun makes room again.
        let _ = fs::remove_file(&partial);
        if folder.is_dir() {
            refusal(path, format!("cannot be written: {error}"))
        } else {
            refusal(path, format!("there is no folder {}", folder.display()))
        }
    })
}

/// The folder of `path`, and the file in it that becomes `path` when it is whole.
fn beside(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let Some(name) = path.file_name() else {
        return Err(refusal(path, "this is no name of a file"));
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let partial = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
    Ok((folder.to_path_buf(), folder.join(partial)))
}

pub(super) fn refusal(path: &Path, rule: impl Into<String>) -> Error {
    Error::argument("path", path.display(), rule)
}

/// A tensor as the format wants it: on the CPU, its numbers in order.
struct Stored {
    kind: Dtype,
    shape: Vec<usize>,
    tensor: Tensor,
    bytes: usize,
}

impl Stored {
    fn new(name: &str, tensor: &Tensor) -> Result<Self> {
        let kind = match tensor.f_kind()? {
            Kind::Float => Dtype::F32,
            Kind::Double => Dtype::F64,
            Kind::Int64 => Dtype::I64,
            other => {
                let rule = "float32, float64 and int64 can be written";
                return Err(Error::argument(name, format!("{other:?}"), rule));
            }
        };
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let shape = tensor.size().into_iter().map(|side| side as usize).collect();
        let bytes = tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
        Ok(Self { kind, shape, tensor, bytes })
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.kind
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.bytes];
        // It copies a CPU tensor into as many bytes as it has, and so has nothing to refuse.
        self.tensor.copy_data_u8(&mut bytes, self.tensor.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A path of a file that this test alone writes.
    pub(crate) fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("noisebook-{}-{name}", std::process::id()))
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_written_is_read() {
        let path = place("round.safetensors");
        let tensors = [
            ("b.weight", Tensor::from_slice(&[1.5f32, -2.0, f32::MIN_POSITIVE, f32::INFINITY]).view([2, 2])),
            ("a", Tensor::from_slice(&[0.1f64, f64::MAX]).view([1, 2])),
            ("a/schritt", Tensor::from(i64::MIN)),
            ("empty", Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))),
            ("transposed", Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).tr()),
        ];
        let tensors = tensors.map(|(name, tensor)| (name.to_string(), tensor));
        let metadata = object(json!({"name": "x", "betas": [0.1, 1e-300], "none": null}));
        write(&path, &tensors, &metadata).unwrap();
        let (read, described) = read(&path).unwrap();
        assert_eq!(described, metadata);
        let mut sorted = tensors.iter().collect::<Vec<_>>();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        for ((name, tensor), (expected_name, expected)) in read.iter().zip(sorted) {
            assert_eq!((name, tensor, tensor.kind()), (expected_name, expected, expected.kind()));
        }
        assert_eq!(read.len(), tensors.len());
        let bytes = fs::read(&path).unwrap();
        write(&path, &tensors, &metadata).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::remove_file(path).unwrap();
    }

    /// The format by hand: the header's length as eight bytes, the header, and the numbers, little end first.
    #[test]
    fn a_file_of_another_program_is_read() {
        let path = place("hand.safetensors");
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0]); // 1 and -2
        fs::write(&path, &bytes).unwrap();
        let (tensors, metadata) = read(&path).unwrap();
        assert_eq!(tensors, [("w".to_string(), Tensor::from_slice(&[1f32, -2.0]))]);
        assert!(metadata.is_empty());

        let said = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().to_string().replace(&path.display().to_string(), "FILE")
        };
        let cut = said(&bytes[..bytes.len() - 1]);
        let other = "take another copy, or of a run's checkpoints another, such as best.safetensors";
        let cause = "incomplete metadata, file not fully covered";
        assert_eq!(cut, format!("path = FILE: not a whole safetensors file ({cause}): {other}"));
        assert_eq!(said(b""), format!("path = FILE: not a whole safetensors file (header too small): {other}"));
        let half = String::from_utf8_lossy(&bytes[8..8 + header.len()]).replace("F32", "BF16").replace("[2]", "[4]");
        let half = [&(half.len() as u64).to_le_bytes(), half.as_bytes(), &bytes[bytes.len() - 8..]].concat();
        assert_eq!(said(&half), "path = FILE: w is BF16: float32, float64 and int64 can be read");
        fs::remove_file(&path).unwrap();
        let gone = read(&path).unwrap_err().to_string();
        assert_eq!(gone, format!("path = {}: there is no such file", path.display()));
    }

    #[test]
    fn a_file_of_pytorchs_own_kind_is_recognised() {
        let path = place("article.pt");
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let (own, new) = (name(path.clone()), name(path.with_extension("safetensors")));
        let call = format!("safetensors.torch.save_file(torch.load(\"{own}\", map_location=\"cpu\"), \"{new}\")");
        let rule = "where it holds a state dict; docs/saving.md says more";
        let expected =
            format!("path = {}: a file of torch.save, not of safetensors. In Python: {call}, {rule}", path.display());
        // What torch.save writes begins so: a ZIP archive, and, with _use_new_zipfile_serialization=False, a pickle.
        for bytes in [b"PK\x03\x04\x00\x00\x08\x08\x00\x00".as_slice(), b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap_err().to_string(), expected);
        }
        fs::remove_file(path).unwrap();
        // The length of a header may begin with the same byte as a pickle.
        let path = place("long.safetensors");
        let begins = |length: usize| {
            write(&path, &[("w".repeat(length), Tensor::from(1f32))], &Map::new()).unwrap();
            fs::read(&path).unwrap().starts_with(&[0x80, 2]) // a header of 640 bytes
        };
        assert!((1..640).any(begins));
        assert!(read(&path).is_ok());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let path = place("kept.safetensors");
        let one = [("w".to_string(), Tensor::from_slice(&[1f32]))];
        write(&path, &one, &Map::new()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let half = [("h".to_string(), Tensor::from_slice(&[1f32]).to_kind(Kind::Half))];
        let said = write(&path, &half, &Map::new()).unwrap_err().to_string();
        assert_eq!(said, "h = Half: float32, float64 and int64 can be written");
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::remove_file(&path).unwrap();

        let lost = place("no-such-folder").join("w.safetensors");
        let said = write(&lost, &one, &Map::new()).unwrap_err().to_string();
        assert_eq!(said, format!("path = {}: there is no folder {}", lost.display(), lost.parent().unwrap().display()));
        assert_eq!(
            write(Path::new("/"), &one, &Map::new()).unwrap_err().to_string(),
            "path = /: this is no name of a file"
        );
        // A folder stands in the way of the rename.
        let folder = place("folder.safetensors");
        fs::create_dir(&folder).unwrap();
        let said = write(&folder, &one, &Map::new()).unwrap_err().to_string();
        assert!(said.starts_with(&format!("path = {}: cannot be written: ", folder.display())), "{said}");
        assert!(!beside(&folder).unwrap().1.exists());
        fs::remove_dir(folder).unwrap();
    }
}
