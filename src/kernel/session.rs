//! One evcxr session: what runs the cells.

use super::failure::Failure;
use super::output::Output;
use super::pump::{Report, Shared};
use super::warm::Warm;
use super::{Result, lock};
use evcxr::{CommandContext, EvalContext, EvalContextOutputs, EvalOutputs};
use noisebook::show::frame::MessageKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// How much cells are optimised. They are compiled while somebody waits; what is heavy lies in the crate.
const CELL_OPT_LEVEL: &str = "0";

/// An evcxr context whose process is connected to the pump.
pub struct Session {
    context: CommandContext,
    shared: Arc<Shared>,
}

impl Session {
    /// Starts in a prepared folder, which must be the one that `EVCXR_TMPDIR` names.
    pub fn start(shared: Arc<Shared>, folder: &Path, warm: &Warm) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        shared.link.attach(&mut command);
        let (mut context, outputs) = EvalContext::with_subprocess_command(command)?;
        drain(outputs);
        // evcxr has compiled a crate without dependencies by now, and cargo has removed all others from the lock file.
        std::fs::copy(warm.lock_file(), folder.join("Cargo.lock"))?;
        let mut state = context.state();
        state.set_offline_mode(true);
        state.set_opt_level(CELL_OPT_LEVEL)?;
        state.add_dep("noisebook", &format!("{{ path = {:?} }}", warm.crate_folder().display().to_string()))?;
        context.eval_with_state("", state)?;
        // The reader's own dependencies may come from the network.
        let mut state = context.state();
        state.set_offline_mode(false);
        context.eval_with_state("", state)?;
        Ok(Self { context: CommandContext::with_eval_context(context), shared })
    }

    /// Does what the first cells would wait for: analyses the crate, and lets cells use `?` without a second build.
    pub fn warm_up(&mut self) {
        let code = "{ use noisebook::prelude::*; let tensor: Tensor = todo!(); tensor.si }";
        let offset = code.find(" }").unwrap_or_default();
        let warmed = catch_unwind(AssertUnwindSafe(|| {
            let _ = self.context.execute("Ok::<(), String>(())?;");
            let _ = self.context.completions(code, offset);
        }));
        if warmed.is_err() {
            eprintln!("noisebook: warming up failed; cells work all the same");
        }
        *lock(&self.shared.report) = Report::default();
    }

    fn evaluate(&mut self, code: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        let mut code = code.to_string();
        loop {
            let result = self.context.execute(&code);
            match result.as_ref().err().and_then(|error| with_number_type(error, &code)) {
                Some(changed) => code = changed,
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
    let code = "{ use noisebook::prelude::*; let _ = Tensor::from(1.0); }";
    session.execute(code).map_err(|failure| failure.traceback.join("\n"))?;
    warm.finish()
}
