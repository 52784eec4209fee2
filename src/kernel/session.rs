//! One evcxr session: what runs the cells.

use super::failure::Failure;
use super::output::Output;
use super::pump::{Report, Shared};
use super::warm::Warm;
use super::{Result, environment, lock};
use crate::show::frame::MessageKind;
use evcxr::{CommandContext, EvalContext, EvalContextOutputs, EvalOutputs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How much cells are optimised. They are compiled while somebody waits; what is heavy lies in the crate.
const CELL_OPT_LEVEL: &str = "0";

/// An evcxr context whose process is connected to the pump.
///
/// evcxr infers the types of a cell's variables with rust-analyzer, which takes seconds to read the standard library, the
/// crate and its dependencies. A cell without `let` needs none of it. So rust-analyzer sees nothing of them at first:
/// the standard library's source is hidden (`environment::hide_sources`), and rustc hears of the crate from the wrapper
/// (cell_rustc.rs) and not from the manifest. It learns of them when the first `let` comes, or when there is nothing
/// else to do.
pub struct Session {
    context: CommandContext,
    shared: Arc<Shared>,
    /// The crate for the manifest, and the versions of all that it depends on.
    dependency: String,
    lock_files: [PathBuf; 2],
    knows_types: bool,
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
            dependency: format!("{{ path = {:?} }}", warm.crate_folder().display().to_string()),
            lock_files: [warm.lock_file(), folder.join("Cargo.lock")],
            knows_types: false,
        })
    }

    /// Puts the crate into the manifest of the cells.
    fn add_dependency(&mut self) -> Result<()> {
        // Cargo removes from the lock file what is not depended on, so it was emptied by the cells so far.
        std::fs::copy(&self.lock_files[0], &self.lock_files[1])?;
        self.context.execute(&format!(":offline 1\n:dep noisebook = {}", self.dependency))?;
        // The reader's own dependencies may come from the network.
        self.context.execute(":offline 0")?;
        Ok(())
    }

    /// Lets rust-analyzer see the standard library and the crate.
    fn learn_types(&mut self) {
        if std::mem::replace(&mut self.knows_types, true) {
            return;
        }
        environment::show_sources();
        if let Err(error) = self.add_dependency() {
            eprintln!("noisebook: the types of variables will not be found: {error}");
        }
        *lock(&self.shared.report) = Report::default();
    }

    /// Does a part of what later cells would wait for; false if there was nothing left to do.
    pub fn warm_up(&mut self) -> bool {
        let last = self.knows_types;
        let warmed = catch_unwind(AssertUnwindSafe(|| {
            if last {
                let code = "{ use noisebook::prelude::*; let tensor: Tensor = todo!(); tensor.si }";
                let _ = self.context.completions(code, code.len() - 2);
            } else {
                self.learn_types();
            }
        }));
        if warmed.is_err() {
            eprintln!("noisebook: warming up failed; cells work all the same");
        }
        !last
    }

    fn evaluate(&mut self, code: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        if needs_types(code) {
            self.learn_types();
        }
        let mut code = code.to_string();
        loop {
            let result = self.context.execute(&code);
            let Err(error @ evcxr::Error::CompilationErrors(_)) = &result else { return result };
            match with_number_type(error, &code) {
                Some(changed) => code = changed,
                None if !self.knows_types => self.learn_types(),
                None => return result,
            }
        }
    }

    /// Runs a cell. What it shows is shown by the pump meanwhile.
    pub fn execute(&mut self, code: &str) -> std::result::Result<(), Failure> {
        self.shared.link.forget_interrupts();
        *lock(&self.shared.report) = Report::default();
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| self.evaluate(code))) else {
            return Err(Failure::plain("KernelError", "evcxr could not handle this cell; the kernel's log says more"));
        };
        let report = std::mem::take(&mut *lock(&self.shared.report));
        let outputs = result.map_err(|error| Failure::from_evcxr(&error, code))?;
        if let Some(text) = report.panic {
            return Err(Failure::from_panic(&text, code, &self.context.last_source().unwrap_or_default()));
        }
        if let Some(text) = report.error {
            let text = if text.is_empty() { "the cell returned an error at a `?`" } else { &text };
            return Err(Failure::plain("Error", text));
        }
        show_commands(&self.shared.output, outputs);
        Ok(())
    }
}

/// The cell with a type for a number, where rustc asks for one only because evcxr calls a method on the cell's value:
/// `let n = 5; n` fails to compile otherwise. None if this was not the error.
fn with_number_type(error: &evcxr::Error, code: &str) -> Option<String> {
    let evcxr::Error::CompilationErrors(errors) = error else { return None };
    let [error] = errors.as_slice() else { return None };
    let kind = error
        .message()
        .strip_prefix("you must specify a type for this binding, like `")?
        .trim_end_matches('`')
        .to_string();
    let span = error.primary_spanned_message()?.span?;
    let line = code.split_inclusive('\n').nth(span.start_line - 1)?;
    let before: usize = code.split_inclusive('\n').take(span.start_line - 1).map(str::len).sum();
    let (column, _) = line.char_indices().nth(span.start_column - 1)?;
    let (head, tail) = code.split_at(before + column);
    Some(format!("{head}: {kind}{tail}"))
}

/// Whether a cell may bind variables, or is a command, which may ask for their types.
fn needs_types(code: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "let")
        || code.lines().any(|line| line.trim_start().starts_with(':'))
}

/// What evcxr's commands say (`:vars`, `:help`); values of cells do not come this way.
fn show_commands(output: &Output, outputs: EvalOutputs) {
    let mut contents: Vec<_> = outputs.content_by_mime_type.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    contents.sort();
    if !contents.is_empty() {
        output.bundle(MessageKind::ExecuteResult, contents);
    }
}

/// evcxr waits until its own channels are read. The pump leaves nothing for them but what it cannot know.
fn drain(outputs: EvalContextOutputs) {
    let EvalContextOutputs { stdout, stderr } = outputs;
    std::thread::spawn(move || stdout.iter().for_each(|line| eprintln!("noisebook: from the child: {line}")));
    std::thread::spawn(move || stderr.iter().for_each(|line| eprintln!("noisebook: from the child: {line}")));
}

/// Compiles everything that sessions clone, in the template's folder. Takes minutes the first time.
pub fn prepare(warm: &Warm, shared: Arc<Shared>, template: &Path) -> Result<()> {
    let mut session = Session::start(shared, template, warm)?;
    session.add_dependency()?;
    let code = "{ use noisebook::prelude::*; drop(Tensor::from(1.0)); }";
    session.execute(code).map_err(|failure| failure.traceback.join("\n"))?;
    warm.finish()
}
