//! Addresses in a cell's library, as lines of its generated source.
//!
//! The process of the cells only says the addresses: to name lines itself it would read libtorch's symbols, for seconds.

use super::super::Result;
use addr2line::gimli::{Dwarf, EndianSlice, RunTimeEndian, SectionId};
use object::{Object, ObjectSection};
use std::path::Path;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Line and column, counted from 1, of every call that leads to one of these return addresses, the innermost first.
/// Calls from other files are left out.
pub fn lines(library: &Path, addresses: &[u64]) -> Result<Vec<(usize, usize)>> {
    let bytes = std::fs::read(library)?;
    let file = object::File::parse(bytes.as_slice())?;
    let load = |id: SectionId| -> Result<Slice<'_>, addr2line::gimli::Error> {
        let section = file.section_by_name(id.name()).and_then(|section| section.data().ok());
        Ok(EndianSlice::new(section.unwrap_or_default(), RunTimeEndian::Little))
    };
    let context = addr2line::Context::from_dwarf(Dwarf::load(load)?)?;
    let mut lines = Vec::new();
    for address in addresses {
        // The call stands before the address to which it returns.
        let mut frames = context.find_frames(address.saturating_sub(1)).skip_all_loads()?;
        while let Some(frame) = frames.next()? {
            let Some(place) = frame.location else { continue };
            if place.file.is_some_and(|file| file.ends_with("src/lib.rs"))
                && let Some(line) = place.line
            {
                lines.push((line as usize, place.column.unwrap_or(1).max(1) as usize));
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use object::ObjectSymbol;
    use std::process::Command;

    #[test]
    fn addresses_become_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let source =
            "fn inner() {\n    panic!()\n}\n#[unsafe(no_mangle)]\npub extern \"C\" fn outer() {\n  inner();\n}\n";
        std::fs::write(folder.path().join("src/lib.rs"), source).unwrap();
        let rustc = ["--crate-type=cdylib", "-Cprefer-dynamic", "-Cdebuginfo=line-tables-only", "-oa.so", "src/lib.rs"];
        let status = Command::new("rustc").args(rustc).current_dir(folder.path()).status().unwrap();
        assert!(status.success());
        let library = folder.path().join("a.so");
        let bytes = std::fs::read(&library).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let outer = file.dynamic_symbols().find(|symbol| symbol.name() == Ok("outer")).unwrap().address();
        // Behind the prologue somewhere is the call.
        let found: Vec<_> = (1..12).flat_map(|offset| lines(&library, &[outer + offset]).unwrap()).collect();
        assert!(found.contains(&(6, 3)), "{found:?}");
        assert_eq!(lines(&library, &[7]).unwrap(), []);
    }
}
