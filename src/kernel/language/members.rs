//! What of the crate a cell may use. rust-analyzer takes all crates for the reader's own, and offers their private parts.

use ra_ap_syntax::ast::{self, AstNode, HasAttrs, HasModuleItem, HasName, HasVisibility};
use ra_ap_syntax::{Edition, SourceFile};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

/// Methods of the standard library's traits, which values of many types have.
const EVERYWHERE: [&str; 24] = [
    "add",
    "as_ref",
    "borrow",
    "borrow_mut",
    "clone",
    "clone_from",
    "clone_into",
    "cmp",
    "div",
    "eq",
    "fmt",
    "ge",
    "gt",
    "hash",
    "into",
    "le",
    "lt",
    "mul",
    "ne",
    "neg",
    "partial_cmp",
    "sub",
    "to_owned",
    "to_string",
];

/// The crate's types and modules by their names, with what is in them.
#[derive(Default)]
pub struct Members {
    types: HashMap<String, Names>,
    modules: HashMap<String, Names>,
    /// Methods of its traits.
    of_traits: BTreeSet<String>,
}

#[derive(Default)]
struct Names {
    public: BTreeSet<String>,
    private: BTreeSet<String>,
    /// Those of a value, of its own type: fields and methods.
    of_value: BTreeSet<String>,
}

/// Where a name is about to be written.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// What there is of it.
    pub name: Range<usize>,
    /// The name before a `::`; none behind a `.`.
    path: Option<String>,
}

impl Place {
    /// None if no `.` and no `::` comes before it.
    pub fn of(source: &str, at: usize) -> Option<Self> {
        let name = last_word(source.get(..at)?)..at;
        let before = &source[..name.start];
        if let Some(path) = before.strip_suffix("::") {
            return Some(Self { name, path: Some(path[last_word(path)..].to_string()) });
        }
        let value = before.strip_suffix('.').filter(|value| !value.ends_with('.'))?;
        // Not behind a number, nor in a range.
        (!value.ends_with(|c: char| c.is_ascii_digit())).then_some(Self { name, path: None })
    }
}

/// Where the name begins at which a text ends.
fn last_word(text: &str) -> usize {
    text.len() - text.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>()
}

impl Members {
    /// Of the crate whose sources lie in a folder.
    pub fn of(folder: &Path) -> Self {
        let mut members = Self::default();
        members.read(folder, "noisebook");
        members
    }

    fn read(&mut self, folder: &Path, module: &str) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // The program's, and not the library's.
            if path.ends_with("src/kernel") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                self.read(&path, &name);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && let Ok(code) = std::fs::read_to_string(&path)
            {
                self.add(&code, if matches!(name.as_str(), "mod" | "lib") { module } else { &name });
            }
        }
    }

    /// A file that holds a module.
    fn add(&mut self, code: &str, module: &str) {
        let file = SourceFile::parse(code, Edition::Edition2024).tree();
        for item in file.items() {
            match &item {
                ast::Item::Impl(block) => self.add_impl(block),
                ast::Item::Struct(item) => self.add_fields(item),
                ast::Item::Use(item) => self.add_imports(item, module),
                ast::Item::Trait(item) => {
                    let items = item.assoc_item_list().into_iter().flat_map(|list| list.assoc_items());
                    self.of_traits.extend(items.filter_map(|item| Some(name(item.syntax())?.text().to_string())));
                }
                _ => {}
            }
            if let Some(name) = name(item.syntax()) {
                let public = ast::AnyHasVisibility::cast(item.syntax().clone()).is_some_and(|item| is_public(&item));
                self.modules.entry(module.to_string()).or_default().add(name.text(), public);
            }
        }
    }

    fn add_imports(&mut self, item: &ast::Use, module: &str) {
        let names = self.modules.entry(module.to_string()).or_default();
        for tree in item.syntax().descendants().filter_map(ast::UseTree::cast) {
            let renamed = tree.rename().and_then(|rename| rename.name()).map(|name| name.text().to_string());
            let path = tree.path().filter(|_| tree.use_tree_list().is_none() && tree.star_token().is_none());
            let named = path.and_then(|path| Some(path.segment()?.name_ref()?.text().to_string()));
            if let Some(name) = renamed.or(named) {
                names.add(&name, is_public(item));
            }
        }
    }

    fn add_impl(&mut self, block: &ast::Impl) {
        let Some(ast::Type::PathType(of)) = block.self_ty() else { return };
        let Some(of) = of.path().and_then(|path| path.segment()?.name_ref()) else { return };
        let names = self.types.entry(of.text().to_string()).or_default();
        let of_trait = block.trait_().is_some();
        for item in block.assoc_item_list().into_iter().flat_map(|list| list.assoc_items()) {
            if let Some(name) = name(item.syntax()) {
                let public = ast::AnyHasVisibility::cast(item.syntax().clone()).is_some_and(|item| is_public(&item));
                names.add(name.text(), of_trait || public);
                let offered = matches!(&item, ast::AssocItem::Fn(item) if is_offered(item));
                if offered && !of_trait {
                    names.of_value.insert(name.text().to_string());
                }
            }
        }
    }

    fn add_fields(&mut self, item: &ast::Struct) {
        let (Some(of), Some(ast::FieldList::RecordFieldList(list))) = (item.name(), item.field_list()) else { return };
        let names = self.types.entry(of.text().to_string()).or_default();
        for field in list.fields() {
            if let Some(name) = field.name() {
                names.add(name.text(), is_public(&field));
                names.of_value.insert(name.text().to_string());
            }
        }
    }

    /// Those of the names, which are all that there are at a place, that a cell may not use.
    pub fn hidden<'a>(&self, names: &BTreeSet<&'a str>, place: &Place) -> Vec<&'a str> {
        let owners: Vec<&Names> = match &place.path {
            Some(path) => [self.types.get(path), self.modules.get(path)].into_iter().flatten().collect(),
            // Of a value whose type is the crate's, all names are the crate's.
            None if names.iter().all(|name| self.knows(name)) => {
                self.types.values().filter(|owner| owner.are_among(names)).collect()
            }
            None => Vec::new(),
        };
        let some =
            |set: fn(&Names) -> &BTreeSet<String>, name: &str| owners.iter().any(|owner| set(owner).contains(name));
        let hidden = |name: &&str| {
            let name = name.trim_end_matches(':');
            some(|owner| &owner.private, name) && !some(|owner| &owner.public, name)
        };
        names.iter().copied().filter(hidden).collect()
    }

    fn knows(&self, name: &str) -> bool {
        name.starts_with("try_")
            || EVERYWHERE.contains(&name)
            || self.of_traits.contains(name)
            || self.types.values().any(|names| names.public.contains(name) || names.private.contains(name))
    }
}

impl Names {
    fn add(&mut self, name: &str, public: bool) {
        let names = if public { &mut self.public } else { &mut self.private };
        names.insert(name.to_string());
    }

    /// Whether a value with these names may be of this type.
    fn are_among(&self, names: &BTreeSet<&str>) -> bool {
        !self.of_value.is_empty() && self.of_value.iter().all(|name| names.contains(name.as_str()))
    }
}

/// Whether it is offered behind a value.
fn is_offered(function: &ast::Fn) -> bool {
    let attributes = function.attrs().map(|attribute| attribute.syntax().text().to_string());
    let mut attributes = attributes.filter(|attribute| attribute.contains("cfg(") || attribute.contains("doc(hidden)"));
    function.param_list().is_some_and(|list| list.self_param().is_some()) && attributes.next().is_none()
}

fn is_public(item: &impl HasVisibility) -> bool {
    item.visibility().is_some_and(|visibility| visibility.visibility_inner().is_none())
}

fn name(node: &ra_ap_syntax::SyntaxNode) -> Option<ast::Name> {
    node.children().find_map(ast::Name::cast)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RUN: &str = "pub struct Run { pub losses: Vec<f64>, steps: usize }\nstruct Record { steps: usize, seed: u64 }\n\
        impl Run { pub fn ema(&self) {} pub(crate) fn floor(&self) {} fn new() -> Self { todo!() } #[doc(hidden)] pub fn x(&self) {} }\n\
        impl Show for Run { fn bundle(&self) {} }\npub trait Show { fn show(&self); }\nmod inner;\npub mod outer;\n\
        pub(crate) use inner::{Tiles as Parts, Cloud};\npub use inner::Grid;\nfn help() {}";

    fn hidden(names: &[&'static str], path: Option<&str>) -> Vec<&'static str> {
        let mut members = Members::default();
        members.add(RUN, "train");
        members.hidden(&names.iter().copied().collect(), &Place { name: 0..0, path: path.map(str::to_string) })
    }

    #[test]
    fn private_parts_are_hidden() {
        let all = ["bundle", "clone", "ema", "floor", "losses", "show", "steps", "try_into"];
        assert_eq!(hidden(&all, None), ["floor", "steps"]);
        assert_eq!(hidden(&["bundle", "ema", "floor", "from", "new"], Some("Run")), ["floor", "new"]);
        assert_eq!(
            hidden(&["Grid", "Parts", "Run", "Record", "Show", "help", "inner::", "outer::"], Some("train")),
            ["Parts", "Record", "help", "inner::"]
        );
        // A value of another crate, which has names of its own.
        assert!(hidden(&[all.as_slice(), &["push"]].concat(), None).is_empty());
        // Not a `Run`: some of its names are missing.
        assert!(hidden(&["clone", "steps"], None).is_empty());
        assert!(hidden(&["new"], Some("Vec")).is_empty());
    }

    #[test]
    fn places_of_members() {
        let place = |source: &str| Place::of(source, source.len());
        let at = |name: Range<usize>, path: Option<&str>| Some(Place { name, path: path.map(str::to_string) });
        assert_eq!(place("a; größe.le"), at(11..13, None));
        assert_eq!(place("f(Trainer::"), at(11..11, Some("Trainer")));
        assert_eq!(place("a().b"), at(4..5, None));
        for other in ["Tra", "", "1.", "0..n", "a: b"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
