//! The prepared build: the crate and its dependencies, compiled once as cells want them, and cloned by every session.
//!
//! ```text
//! ~/.cache/noisebook/kernel/<fingerprint>/
//!     crate/            a copy of this crate's source: what cells depend on
//!     .cargo/           cargo's settings for everything below: quick cells, optimised dependencies
//!     cell-rustc        see cell_rustc.rs
//!     no-sources/       see environment.rs
//!     template/         evcxr's build directory, with everything compiled
//!     sessions/*        clones of it, one a running kernel
//!     ready             written last: the Rust and libtorch that the template is for
//! ~/.cache/noisebook/kernel/bindings-*/
//!     libtch.a          torch-sys's C++ part, compiled already
//! ```

use super::clone::clone_build;
use super::{Result, cell_rustc, environment, source};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Counted up when the layout changes.
const LAYOUT: u32 = 3;

/// How many prepared builds are kept besides those in use.
const KEPT: usize = 3;

/// Where the prepared build of this program lies, or will lie.
pub struct Warm {
    root: PathBuf,
    /// What a compiled dependency depends on besides its source.
    toolchain: String,
}

impl Warm {
    /// Finds the place: it is named by all that the build depends on, so that a change is noticed.
    pub fn locate() -> Result<Self> {
        let libtorch = environment::libtorch_lib().unwrap_or_default();
        let toolchain = format!("{LAYOUT}\n{libtorch}\n{}\n{}", identity(libtorch), rustc(&["-Vv"])?);
        let mut hash = Sha256::new();
        hash.update(&toolchain);
        hash.update(cell_rustc::script(&[]));
        hash.update([cell_rustc::EDIT, cell_rustc::EDIT_AGAIN].concat());
        hash.update(settings(Path::new("")));
        for (path, content) in source::files() {
            hash.update(format!("\n{path} {}\n", content.len()));
            hash.update(content);
        }
        Ok(Self { root: cache()?.join(short_hash(&hash.finalize())), toolchain })
    }

    pub fn is_ready(&self) -> bool {
        self.root.join("ready").exists()
    }

    /// The folder that is kept, for messages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a compiled dependency depends on besides its source, as `ready` holds it.
    pub fn toolchain(&self) -> &str {
        &self.toolchain
    }

    /// The crate that cells depend on.
    pub fn crate_folder(&self) -> PathBuf {
        self.root.join("crate")
    }

    /// The command that makes it a dependency.
    pub fn dependency(&self) -> String {
        format!(":dep noisebook = {{ path = {:?} }}", self.crate_folder().display().to_string())
    }

    /// The environment that the build was made in.
    pub fn environment(&self) -> PathBuf {
        self.root.join("environment.json")
    }

    /// The versions of the dependencies that are compiled.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("Cargo.lock")
    }

    /// Stands for the standard library's source while that is hidden.
    pub fn no_sources(&self) -> PathBuf {
        self.root.join("no-sources")
    }

    /// Keeps other processes from preparing the same build, until the result is dropped.
    pub fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.root)?;
        let file = File::create(self.root.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// Writes everything but the compiled template. An earlier build for the same Rust and libtorch is made use of.
    pub fn lay_out(&self) -> Result<PathBuf> {
        source::write(&self.crate_folder())?;
        fs::write(self.lock_file(), source::lock_file())?;
        environment::save(&self.environment())?;
        let wrapper = self.wrapper();
        let standard_library = rustc(&["--print", "target-libdir"])?;
        let folders = [standard_library.trim(), environment::libtorch_lib().unwrap_or_default()];
        cell_rustc::write(&wrapper, &folders)?;
        fs::create_dir_all(self.root.join(".cargo"))?;
        let mut settings = settings(&wrapper);
        if let (Some((archive, links)), Some(lib), Some(folder)) =
            (source::BINDINGS, environment::libtorch_lib(), bindings_folder()?)
        {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("libtch.a"), archive)?;
            settings.push_str(&bindings(&host()?, &folder, links, lib));
        }
        fs::write(self.root.join(".cargo/config.toml"), settings)?;
        fs::create_dir_all(self.root.join("sessions"))?;
        let template = self.template();
        if !template.exists()
            && let Some(earlier) = self.earlier()
        {
            clone_build(&earlier.join("template/target"), &template.join("target"))?;
        }
        fs::create_dir_all(&template)?;
        Ok(template)
    }

    /// Fetches the sources of all dependencies, those for other systems too: sessions work without a network, and
    /// rust-analyzer asks cargo about the whole graph.
    pub fn fetch(&self) -> Result<()> {
        let manifest = self.crate_folder().join("Cargo.toml");
        let status = Command::new("cargo").args(["fetch", "--quiet", "--manifest-path"]).arg(&manifest).status()?;
        if !status.success() {
            return Err("the dependencies of the crate could not be fetched: is there a network?".into());
        }
        Ok(())
    }

    /// The template is compiled: from now on sessions may clone it.
    pub fn finish(&self) -> Result<()> {
        fs::copy(self.template().join("Cargo.lock"), self.lock_file())?;
        let libtorch = environment::libtorch_lib().map(PathBuf::from);
        let search: Vec<_> = libtorch.into_iter().chain(bindings_folder()?).collect();
        // tch is the crate's, so that a cell's `tch::Tensor` is the same type.
        let crates = [("noisebook", self.compiled("noisebook")?), ("tch", self.compiled("tch")?)];
        cell_rustc::offer_crates(&self.wrapper(), &crates, &self.products()?, &search)?;
        fs::write(self.root.join("ready.new"), &self.toolchain)?;
        fs::rename(self.root.join("ready.new"), self.root.join("ready"))?;
        self.sweep();
        Ok(())
    }

    /// Removes builds of earlier versions that nobody uses, but the last few: large files are shared, yet not all.
    fn sweep(&self) {
        let builds = self.root.parent().and_then(|cache| fs::read_dir(cache).ok()).into_iter().flatten().flatten();
        let mut unused: Vec<_> = builds
            .filter_map(|build| Some((build.path().join("sessions").metadata().ok()?.modified().ok()?, build.path())))
            .filter(|(_, build)| *build != self.root && sessions(build).all(|path| is_stale(&path)))
            .collect();
        unused.sort();
        for (_, build) in unused.iter().rev().skip(KEPT) {
            // Another kernel may be sweeping too.
            let _ = fs::remove_dir_all(build);
        }
    }

    /// A folder for this process's session, empty so far. Those of processes that are no more are removed.
    pub fn new_session(&self) -> Result<SessionFolder> {
        let folder = self.root.join("sessions");
        fs::create_dir_all(&folder)?;
        for path in sessions(&self.root).filter(|path| is_stale(path)) {
            // Another kernel may be sweeping too.
            let _ = fs::remove_dir_all(path);
        }
        let path = folder.join(format!("{}-{:08x}", std::process::id(), uuid::Uuid::new_v4().as_fields().0));
        // Locked before it is in its place, so that nobody finds the folder with a lock that is free.
        let new = path.with_extension("new");
        let lock = File::create(&new)?;
        lock.lock()?;
        // The cells of a notebook are nobody else's business.
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        fs::rename(&new, path.join(LOCK))?;
        Ok(SessionFolder { path, _lock: lock })
    }

    /// Fills a session's folder from the template.
    pub fn fill(&self, session: &Path) -> Result<()> {
        clone_build(&self.template().join("target"), &session.join("target"))?;
        Ok(())
    }

    fn wrapper(&self) -> PathBuf {
        self.root.join("cell-rustc")
    }

    /// Where cargo puts what it compiles.
    fn products(&self) -> Result<PathBuf> {
        Ok(self.template().join("target").join(host()?).join("debug/deps"))
    }

    /// A compiled crate.
    fn compiled(&self, name: &str) -> Result<PathBuf> {
        let folder = self.products()?;
        let start = format!("lib{name}-");
        let rlibs = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&start) && name.ends_with(".rlib")
        });
        // An earlier build's may lie beside it.
        let newest = rlibs.max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        newest.ok_or_else(|| format!("{}: the compiled {name} is not there", folder.display()).into())
    }

    fn template(&self) -> PathBuf {
        self.root.join("template")
    }

    fn earlier(&self) -> Option<PathBuf> {
        let candidates = fs::read_dir(self.root.parent()?).ok()?.flatten().filter_map(|entry| {
            let ready = entry.path().join("ready");
            let same = fs::read_to_string(&ready).is_ok_and(|toolchain| toolchain == self.toolchain);
            same.then(|| Some((ready.metadata().ok()?.modified().ok()?, entry.path())))?
        });
        candidates.max().map(|(_, path)| path)
    }
}

/// In a session's folder, and locked while its kernel lives: on whichever machine that shares the folder.
pub const LOCK: &str = "lock";

/// How long a folder may be without its lock: its kernel is about to make it.
const BEGINNING: Duration = Duration::from_secs(60);

/// The build directory of one running kernel.
pub struct SessionFolder {
    path: PathBuf,
    _lock: File,
}

impl SessionFolder {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it. A compiler that still runs may write into it meanwhile, so a second try may be needed.
    pub fn remove(&self) {
        for _ in 0..3 {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {}
                _ => return,
            }
        }
    }
}

/// The sessions of a prepared build.
pub fn sessions(build: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(build.join("sessions")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// Whether the kernel of a session is no more.
pub fn is_stale(session: &Path) -> bool {
    match File::open(session.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => {
            let made = session.metadata().and_then(|metadata| metadata.modified());
            made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > BEGINNING))
        }
    }
}

/// Where prepared builds lie. evcxr allows no spaces in the path of a build.
fn cache() -> Result<PathBuf> {
    let folder = environment::user_folder("XDG_CACHE_HOME", ".cache")?.join("noisebook/kernel");
    if !folder.to_string_lossy().contains(char::is_whitespace) {
        return Ok(folder);
    }
    // SAFETY: the call takes and touches nothing.
    let user = unsafe { libc::getuid() };
    Ok(std::env::temp_dir().join(format!("noisebook-{user}/kernel")))
}

/// What changes when another libtorch is put into the same place.
fn identity(libtorch: &str) -> String {
    let library = fs::metadata(Path::new(libtorch).join("libtorch_cpu.so"));
    let made = library.as_ref().ok().and_then(|library| library.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    let bindings = source::BINDINGS.map(|(archive, _)| short_hash(&Sha256::digest(archive)));
    format!("{:?} {:?} {bindings:?}", library.map_or(0, |library| library.len()), made.map(|made| made.as_secs()))
}

fn settings(wrapper: &Path) -> String {
    format!(
        "# Written by noisebook: settings for the builds of notebook cells.\n\
         [build]\nrustc-workspace-wrapper = {:?}\n\n\
         [profile.dev.package.\"*\"]\nopt-level = 3\ndebug-assertions = false\noverflow-checks = false\n",
        wrapper.display().to_string()
    )
}

/// Where the compiled bindings lie. Named by what it holds, since cargo compiles tch again when this path changes.
fn bindings_folder() -> Result<Option<PathBuf>> {
    let Some((archive, _)) = source::BINDINGS else { return Ok(None) };
    Ok(Some(cache()?.join(format!("bindings-{}", short_hash(&Sha256::digest(archive))))))
}

/// What the compiler compiles for.
fn host() -> Result<String> {
    let version = rustc(&["-vV"])?;
    match version.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_string()),
        None => Err("rustc -vV names no host".into()),
    }
}

fn short_hash(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Lets cargo use bindings that are compiled already in place of torch-sys's build script, which takes minutes.
fn bindings(host: &str, folder: &Path, links: &[&str], lib: &str) -> String {
    let search = [format!("native={lib}"), format!("native={}", folder.display())];
    format!(
        "\n[target.{host}.tch]\nrustc-link-search = {search:?}\nrustc-link-lib = {links:?}\nlibtorch_lib = {lib:?}\n"
    )
}

/// What rustc answers.
fn rustc(arguments: &[&str]) -> Result<String> {
    let output = Command::new("rustc").args(arguments).output().map_err(|error| {
        format!("rustc was not found ({error}): cells are compiled, so Rust must be installed and on the PATH")
    })?;
    if !output.status.success() {
        return Err(format!("rustc failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
