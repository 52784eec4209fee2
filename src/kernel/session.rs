//! One evcxr session: what runs the cells.

use super::builds::Progress;
use super::cell::{Cell, Changed};
use super::failure::Failure;
use super::interrupts::Interrupted;
use super::notebook::Notebook;
use super::output::Output;
use super::pump::{Report, Shared};
use super::warm::Warm;
use super::{Result, lock, log, types};
use crate::show::frame::MessageKind;
use evcxr::{CommandContext, CompilationError, EvalContext, EvalContextOutputs, EvalOutputs};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How much cells are optimised. They are compiled while somebody waits; what is heavy lies in the crate.
const CELL_OPT_LEVEL: &str = "0";

/// An evcxr context whose process is connected to the pump.
///
/// evcxr infers the types of a cell's variables with rust-analyzer, which takes tens of seconds to read the standard
/// library, the crate and its dependencies. It need not: rustc says the types (types.rs), the standard library's source is
/// hidden (`environment::hide_sources`), and rustc hears of the crate from the wrapper (cell_rustc.rs) and not from the
/// manifest. Only a cell with `:dep` names the crate there, so that both share their dependencies.
pub struct Session {
    context: CommandContext,
    shared: Arc<Shared>,
    folder: PathBuf,
    /// The crate for the manifest, and the versions of all that it depends on.
    dependency: String,
    lock_file: PathBuf,
    names_crate: bool,
    /// `:dep` lines so far.
    dependencies: Vec<String>,
}

impl Session {
    /// Starts in a prepared folder, which must be the one that `EVCXR_TMPDIR` names.
    pub fn start(shared: Arc<Shared>, folder: &Path, warm: &Warm) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        shared.link.attach(&mut command);
        let (mut context, outputs) = EvalContext::with_subprocess_command(command)?;
        drain(outputs);
        context.set_opt_level(CELL_OPT_LEVEL)?;
        // evcxr allows `?` from the first time on that it sees one, and takes that one for a value that cannot be shown.
        context.eval("Ok::<(), String>(())?;")?;
        Ok(Self {
            context: CommandContext::with_eval_context(context),
            shared,
            folder: folder.to_path_buf(),
            dependency: warm.dependency(),
            lock_file: warm.lock_file(),
            names_crate: false,
            dependencies: Vec::new(),
        })
    }

    /// Runs a cell's commands. With the first dependency, the crate becomes one too.
    fn run_commands(&mut self, commands: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        let dependencies: Vec<String> =
            commands.lines().filter(|line| line.trim_start().starts_with(":dep ")).map(str::to_string).collect();
        if dependencies.is_empty() {
            return self.context.execute(commands);
        }
        let _progress = Progress::of(&dependencies, self.shared.clone());
        let outputs = if self.names_crate {
            self.context.execute(commands)
        } else {
            self.name_crate(&format!("{}\n", commands.trim_end()))
        };
        if outputs.is_ok() {
            self.dependencies.extend(dependencies);
        }
        outputs
    }

    /// Puts the crate into the manifest of the cells, after other commands.
    fn name_crate(&mut self, commands: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        // Cargo removes from the lock file what is not depended on, so it was emptied by the cells so far.
        std::fs::copy(&self.lock_file, self.folder.join("Cargo.lock"))?;
        let outputs = self.context.execute(&format!("{commands}{}", self.dependency))?;
        self.names_crate = true;
        Ok(outputs)
    }

    fn evaluate(&mut self, code: &str, changed: &mut Changed) -> std::result::Result<EvalOutputs, evcxr::Error> {
        let mut outputs = EvalOutputs::new();
        let commands = Cell::parse(code).commands();
        if !commands.is_empty() {
            outputs.merge(self.run_commands(commands)?);
        }
        *changed = Changed::not(&Cell::parse(code).without_commands());
        if changed.code.trim().is_empty() {
            return Ok(outputs);
        }
        let plain = changed.code.clone();
        if let Some(typed) = self.typed(&plain) {
            *changed = typed;
        }
        let mut result = self.context.execute(&changed.code);
        if let Err(evcxr::Error::CompilationErrors(errors)) = &result
            && changed.adds_to(errors.iter().flat_map(places))
        {
            // A type that cannot be written here. evcxr says so in other words.
            *changed = Changed::not(&plain);
            result = self.context.execute(&plain);
        }
        outputs.merge(result?);
        Ok(outputs)
    }

    /// The cell with the types of its variables; None if there are none to write, or if it does not compile.
    fn typed(&mut self, code: &str) -> Option<Changed> {
        let cell = Cell::parse(code);
        if cell.variables() == 0 {
            return None;
        }
        let source = self.analysis(&cell.probed(types::probe).code)?;
        let types = types::infer(&self.folder, &source, cell.variables()).ok()?;
        Some(cell.with_types(&types))
    }

    /// evcxr's source for the analysis of a cell that has a comment: it writes that file before it looks for completions.
    fn analysis(&mut self, code: &str) -> Option<String> {
        let file = self.folder.join("src/lib.rs");
        let _ = std::fs::remove_file(&file);
        // There are none in a comment, which takes no time to find out.
        let _ = self.context.completions(code, code.find(types::COMMENT)? + 3);
        std::fs::read_to_string(file).ok()
    }

    /// Runs a cell. What it shows is shown by the pump meanwhile.
    pub fn execute(&mut self, code: &str) -> std::result::Result<(), Failure> {
        self.remove_loaded_cells();
        let before: BTreeSet<String> = self.variables().collect();
        self.shared.link.forget_interrupts();
        self.shared.interrupts.begin();
        let result = self.run(code);
        let result = match (self.shared.interrupts.end(), result) {
            (Interrupted::Not, result) => result,
            // What went wrong by itself says more.
            (Interrupted::Running, Err(failure)) => Err(failure),
            (how, _) => Err(Failure::interrupted(how)),
        };
        result.map_err(|failure| {
            let after: BTreeSet<String> = self.variables().collect();
            failure.with_lost(&before.difference(&after).cloned().collect::<Vec<_>>())
        })
    }

    /// The libraries of earlier cells are loaded, and evcxr would leave their files: a megabyte a cell.
    fn remove_loaded_cells(&self) {
        let Ok(targets) = self.folder.join("target").read_dir() else { return };
        let folders = targets.flatten().filter_map(|target| target.path().join("debug").read_dir().ok());
        for file in folders.flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("libcode_") {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    fn variables(&self) -> impl Iterator<Item = String> {
        self.context.variables_and_types().map(|(name, _)| name.to_string())
    }

    fn run(&mut self, code: &str) -> std::result::Result<(), Failure> {
        *lock(&self.shared.report) = Report::default();
        let mut changed = Changed::not(code);
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| self.evaluate(code, &mut changed))) else {
            return Err(Failure::plain("KernelError", "evcxr could not handle this cell; the kernel's log says more"));
        };
        let report = std::mem::take(&mut *lock(&self.shared.report));
        let outputs = result.map_err(|error| Failure::from_evcxr(&error, &changed))?;
        if let Some(text) = report.panic {
            return Err(Failure::from_panic(&text, &changed, &self.context.last_source().unwrap_or_default()));
        }
        if let Some(text) = report.error {
            let text = if text.is_empty() { "the cell returned an error at a `?`" } else { &text };
            return Err(Failure::plain("Error", text));
        }
        show_commands(&self.shared.output, outputs);
        Ok(())
    }

    /// What the cells so far have made.
    pub fn notebook(&mut self) -> Notebook {
        let source = catch_unwind(AssertUnwindSafe(|| self.analysis(&format!("({}0)", types::COMMENT))))
            .ok()
            .flatten()
            .unwrap_or_default();
        let variables = self.context.variables_and_types().map(|(name, kind)| (name.to_string(), kind.to_string()));
        Notebook::new(&source, variables.collect(), self.dependencies.clone())
    }
}

/// Where an error points to, as lines and columns.
fn places(error: &CompilationError) -> impl Iterator<Item = (usize, usize)> {
    error.spanned_messages().iter().filter_map(|message| message.span).map(|span| (span.start_line, span.start_column))
}

/// What evcxr's commands say (`:vars`, `:help`); values of cells do not come this way.
fn show_commands(output: &Output, outputs: EvalOutputs) {
    let mut contents: Vec<_> = outputs.content_by_mime_type.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    contents.iter_mut().for_each(|(_, text)| *text = types::short(text));
    contents.sort();
    if !contents.is_empty() {
        output.bundle(MessageKind::ExecuteResult, contents);
    }
}

/// evcxr waits until its own channels are read. The pump leaves nothing for them but what it cannot know.
fn drain(outputs: EvalContextOutputs) {
    let EvalContextOutputs { stdout, stderr } = outputs;
    std::thread::spawn(move || stdout.iter().for_each(|line| log::line(format_args!("from the child: {line}"))));
    std::thread::spawn(move || stderr.iter().for_each(|line| log::line(format_args!("from the child: {line}"))));
}

/// Compiles everything that sessions clone, in the template's folder. Takes minutes the first time.
pub fn prepare(warm: &Warm, shared: Arc<Shared>, template: &Path) -> Result<()> {
    let mut session = Session::start(shared, template, warm)?;
    session.name_crate(":offline 1\n")?;
    let code = "{ use noisebook::prelude::*; drop(Tensor::from(1.0)); }";
    session.execute(code).map_err(|failure| failure.traceback.join("\n"))?;
    warm.finish()
}
