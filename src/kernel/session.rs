//! One evcxr session: what runs the cells.

use super::builds::Progress;
use super::cell::{self, Cell, Changed};
use super::failure::{self, End, Ended, Failure, Gone, Memory};
use super::interrupts::Interrupted;
use super::kept_lock::KeptLock;
use super::notebook::Notebook;
use super::output::Output;
use super::pump::{Report, Shared};
use super::warm::Warm;
use super::{Result, lock, log, processes, types};
use crate::show::frame::MessageKind;
use evcxr::{CommandContext, CompilationError, Error, EvalContext, EvalContextOutputs, EvalOutputs};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How much cells are optimised. They are compiled while somebody waits; what is heavy lies in the crate.
const CELL_OPT_LEVEL: &str = "0";

/// evcxr allows `?` from the first time on that it sees one, and takes that one for a value that cannot be shown.
const ALLOW_QUESTION_MARKS: &str = "Ok::<(), String>(())?;";

/// An evcxr context whose process is connected to the pump.
///
/// evcxr infers the types of a cell's variables with rust-analyzer, which takes tens of seconds to read the standard
/// library, the crate and its dependencies. It need not: rustc says the types (types.rs), the standard library's source is
/// hidden (`environment::hide_sources`), and rustc hears of the crate from the wrapper (cell_rustc.rs) and not from the
/// manifest. Only a cell with `:dep` names the crate there, so that both share their dependencies.
pub struct Session {
    context: CommandContext,
    pub shared: Arc<Shared>,
    folder: PathBuf,
    /// The crate for the manifest, and the versions of all that it depends on.
    dependency: String,
    lock_file: PathBuf,
    names_crate: bool,
    /// `:dep` lines so far.
    dependencies: Vec<String>,
    /// What became of variables that are no more.
    gone: Gone,
    /// Variables of the cell at hand whose types have no names, with these types.
    unnamed: Vec<(String, String)>,
    /// Before the cell at hand.
    memory: Memory,
    /// The cell at hand has returned before its end.
    returned: bool,
    /// The process that has the panic hook.
    hooked: Option<u32>,
}

impl Session {
    /// Starts in a prepared folder, which must be the one that `EVCXR_TMPDIR` names.
    pub fn start(shared: Arc<Shared>, folder: &Path, warm: &Warm) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        shared.link.attach(&mut command);
        let (mut context, outputs) = EvalContext::with_subprocess_command(command)?;
        drain(outputs);
        context.set_opt_level(CELL_OPT_LEVEL)?;
        context.eval(&format!("{}\n{ALLOW_QUESTION_MARKS}", failure::PANIC_HOOK))?;
        let hooked = *lock(&shared.pid);
        Ok(Self {
            context: CommandContext::with_eval_context(context),
            shared,
            folder: folder.to_path_buf(),
            dependency: warm.dependency(),
            lock_file: warm.lock_file(),
            names_crate: false,
            dependencies: Vec::new(),
            gone: Gone::default(),
            unnamed: Vec::new(),
            memory: Memory::look(),
            returned: false,
            hooked,
        })
    }

    /// Runs a cell's commands. With the first dependency, the crate becomes one too.
    fn run_commands(&mut self, commands: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        let begins = |word: &str| commands.lines().any(|line| line.trim().split(' ').next() == Some(word));
        if begins(":quit") {
            // evcxr would end the kernel on the spot.
            return Err(evcxr::Error::Message(
                "`:quit` is for a terminal: here, shut the kernel down in its menu".into(),
            ));
        }
        let without = |word: &str| {
            let rest = commands.lines().filter(|line| line.trim().split(' ').next() != Some(word));
            rest.flat_map(|line| [line, "\n"]).collect::<String>()
        };
        if begins(":restart") {
            self.restart();
            return self.run_commands(&without(":restart"));
        }
        if begins(":clear") {
            self.context.execute(":clear")?;
            self.context.execute(ALLOW_QUESTION_MARKS)?;
            self.names_crate = false;
            self.dependencies.clear();
            return self.run_commands(&without(":clear"));
        }
        let dependencies: Vec<String> =
            commands.lines().filter(|line| line.trim_start().starts_with(":dep ")).map(str::to_string).collect();
        if dependencies.is_empty() {
            return self.context.execute(commands);
        }
        let _progress = Progress::of(&dependencies, self.shared.clone());
        let outputs = self.name_crate(&format!("{}\n", commands.trim_end()));
        if outputs.is_ok() {
            self.dependencies.extend(dependencies);
        }
        outputs
    }

    /// Starts a new process for the cells. evcxr's own command would go on with variables that the new one has not.
    fn restart(&mut self) {
        if let Some(process) = *lock(&self.shared.pid) {
            processes::kill(process);
        }
        // This hears of the end, and that is when evcxr starts anew.
        let _ = self.context.execute("()");
        self.shared.output.stream("stdout", "A new process runs the cells. The variables are gone.\n".to_string());
    }

    /// Puts the crate into the manifest of the cells, after other commands.
    fn name_crate(&mut self, commands: &str) -> std::result::Result<EvalOutputs, evcxr::Error> {
        let lock = self.folder.join("Cargo.lock");
        if !self.names_crate {
            // Cargo removes from the lock file what is not depended on, so it was emptied by the cells so far.
            std::fs::copy(&self.lock_file, &lock)?;
        }
        let kept = KeptLock::of(lock)?;
        let outputs = self.context.execute(&format!("{commands}{}\n{}", self.dependency, kept.command()));
        if outputs.is_err() {
            kept.restore()?;
        }
        let outputs = outputs?;
        self.names_crate = true;
        Ok(outputs)
    }

    fn evaluate(&mut self, code: &str) -> std::result::Result<EvalOutputs, Failure> {
        let mut outputs = EvalOutputs::new();
        let commands = Cell::parse(code).commands();
        if !commands.is_empty() {
            outputs.merge(self.run_commands(commands).map_err(|error| Failure::command(&error, commands))?);
        }
        let plain = Cell::parse(code).without_commands();
        if plain.trim().is_empty() {
            return Ok(outputs);
        }
        // evcxr would leave out what it cannot parse, and run the rest.
        if !Cell::parse(&plain).parses()
            && let Some(failure) = failure::problem(&plain).map(|error| Failure::compilation(&[error]))
        {
            return Err(failure);
        }
        let typed = if Cell::parse(&plain).parses() { self.typed(&plain) } else { None };
        let changed = match typed {
            Some(changed) => changed,
            // evcxr takes several builds to find out.
            None => self.check(&plain).map_or_else(|| Ok(Changed::not(&plain)), Err)?,
        };
        let mut result = self.compile_and_run(&changed);
        if let Err(Error::CompilationErrors(errors)) = &result
            && changed.adds_to(errors.iter().flat_map(places))
        {
            // A type that cannot be written here. evcxr says so in other words.
            result = self.compile_and_run(&Changed::not(&plain));
        }
        outputs.merge(result.map_err(|error| self.explain(&error, &plain))?);
        Ok(outputs)
    }

    fn compile_and_run(&mut self, cell: &Changed) -> std::result::Result<EvalOutputs, Error> {
        self.shared.sources.at_hand(self.shared.output.count(), cell);
        self.context.execute(&cell.code)
    }

    /// What is wrong with a cell that did not run to its end.
    fn explain(&mut self, error: &Error, code: &str) -> Failure {
        if let Error::SubprocessTerminated(status) = error {
            let words = std::mem::take(&mut lock(&self.shared.report).last_words);
            let (failure, rest) = Failure::death(status, &words, &self.memory, &self.shared.sources);
            self.shared.output.stream("stderr", failure::readable(rest, &self.shared.sources));
            return failure;
        }
        let generated = self.context.last_source().unwrap_or_default();
        let failure = self.check(code);
        failure.unwrap_or_else(|| Failure::from_evcxr(error, code, &self.unnamed, &generated, &self.shared.sources))
    }

    /// What rustc finds wrong with a cell.
    fn check(&mut self, code: &str) -> Option<Failure> {
        let analysis = self.definitions()?;
        let errors = failure::check::errors(&self.folder, &analysis, code, &self.shared.sources).ok()?;
        let errors: Vec<_> = errors.into_iter().map(|error| self.gone.explain(error)).collect();
        (!errors.is_empty()).then(|| Failure::compilation(&errors))
    }

    /// The cell with the types of its variables; None if it does not compile, or may not.
    fn typed(&mut self, code: &str) -> Option<Changed> {
        let cell = Cell::parse(code);
        self.unnamed.clear();
        if cell.variables() == 0 {
            return Some(Changed::not(code));
        }
        let source = self.analysis(&cell.probed(types::probe).code)?;
        let types = types::infer(&self.folder, &source, cell.variables()).ok()?;
        self.unnamed = cell.unnamed(&types);
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

    /// As above, of a cell that has nothing in it.
    fn definitions(&mut self) -> Option<String> {
        self.analysis(&format!("({}0)", types::COMMENT))
    }

    /// Runs a cell, for which `Shared::begin` was called. What it shows is shown by the pump meanwhile.
    pub fn execute(&mut self, code: &str) -> std::result::Result<(), Failure> {
        self.remove_loaded_cells();
        let before: BTreeSet<String> = self.variables().collect();
        self.memory = Memory::look();
        self.returned = false;
        let result = self.run(code);
        self.shared.sources.done();
        let how = self.shared.interrupts.end();
        if how == Interrupted::Killed && result.as_ref().err().is_none_or(|f| f.name != failure::PROCESS_ENDED) {
            // It had just completed, so evcxr has not heard of the end yet.
            let _ = self.context.execute("()");
        }
        let whole = result.is_ok() && !self.returned;
        let result = match (how, result) {
            (Interrupted::Not, result) => result,
            // What went wrong then, a panic over results that are not there say, is told too.
            (Interrupted::Running, Err(failure)) if failure.name != failure::PROCESS_ENDED => {
                let mut interrupted = Failure::interrupted(Interrupted::Running);
                interrupted.traceback.extend(failure.traceback);
                Err(interrupted)
            }
            (Interrupted::Running, Err(failure)) => Err(failure),
            // The request came when it had run.
            (Interrupted::Compiling, Ok(())) => Err(Failure::interrupted(Interrupted::Running)),
            (how, _) => Err(Failure::interrupted(how)),
        };
        let after: BTreeSet<String> = self.variables().collect();
        let anew = Cell::parse(code)
            .commands()
            .lines()
            .any(|line| line.trim().split(' ').next().is_some_and(|word| [":restart", ":clear"].contains(&word)));
        let end = match (&result, how) {
            _ if anew => End::Died,
            (_, Interrupted::Killed) => End::Died,
            (Err(failure), _) if failure.name == failure::PROCESS_ENDED => End::Died,
            (_, Interrupted::Not | Interrupted::Compiling) if result.is_err() => End::Failed,
            _ if !whole => End::Left,
            _ => End::Ran,
        };
        let number = self.shared.output.count();
        let retyped = std::mem::take(&mut lock(&self.shared.report).retyped);
        self.gone.note(&Ended { number, code, before: &before, after: &after, retyped: &retyped, end });
        if matches!(end, End::Left) {
            // What it has moved is gone with what it bound.
            let lost = cell::bound(code).into_iter().chain(before).filter(|name| !after.contains(name));
            let lost: BTreeSet<String> = lost.collect();
            let said = failure::left_behind(&lost);
            return match (result, said) {
                (Ok(()), said) => {
                    self.shared.output.stream("stderr", said.map_or_else(String::new, |said| said + "\n"));
                    Ok(())
                }
                (Err(mut failure), said) => {
                    failure.traceback.extend(said);
                    Err(failure)
                }
            };
        }
        result.map_err(|failure| failure.with_lost(&before.difference(&after).cloned().collect::<Vec<_>>()))
    }

    /// The libraries of earlier cells are loaded, and evcxr would leave their files: a megabyte a cell. Of the last ones a
    /// panic may need the lines.
    fn remove_loaded_cells(&self) {
        let Ok(targets) = self.folder.join("target").read_dir() else { return };
        let folders = targets.flatten().filter_map(|target| target.path().join("debug").read_dir().ok());
        let files = folders.flatten().flatten().map(|file| file.path());
        let mut libraries: Vec<_> = files.filter_map(|file| Some((failure::number(&file)?, file))).collect();
        libraries.sort();
        for (_, file) in libraries.iter().rev().skip(failure::BUILDS) {
            let _ = std::fs::remove_file(file);
        }
    }

    fn variables(&self) -> impl Iterator<Item = String> {
        self.context.variables_and_types().map(|(name, _)| name.to_string())
    }

    fn run(&mut self, code: &str) -> std::result::Result<(), Failure> {
        self.install_panic_hook()?;
        *lock(&self.shared.report) = Report::default();
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| self.evaluate(code))) else {
            return Err(Failure::plain("KernelError", "evcxr could not handle this cell; the kernel's log says more"));
        };
        let outputs = result?;
        let (panic, error) = {
            let mut report = lock(&self.shared.report);
            (report.panic.take(), report.error.take())
        };
        if let Some(text) = panic {
            return Err(Failure::from_panic(&text, &self.shared.sources));
        }
        match error {
            Some(text) if text.is_empty() => self.returned = true,
            Some(text) => return Err(Failure::from_error(&text, &self.shared.sources)),
            None => {}
        }
        show_commands(&self.shared.output, outputs);
        Ok(())
    }

    /// Each process of the cells needs its own.
    fn install_panic_hook(&mut self) -> std::result::Result<(), Failure> {
        if self.hooked.is_some() && self.hooked == *lock(&self.shared.pid) {
            return Ok(());
        }
        match self.context.execute(failure::PANIC_HOOK) {
            Ok(_) => self.hooked = *lock(&self.shared.pid),
            Err(error @ Error::SubprocessTerminated(_)) => {
                let mut failure = self.explain(&error, "");
                failure.traceback.push("That was after the last cell; this one was not run.".to_string());
                return Err(failure);
            }
            // Without the hook a panic's text is understood, and its line in the cell is not always found.
            Err(_) => {}
        }
        Ok(())
    }

    /// What the cells so far have made.
    pub fn notebook(&mut self) -> Notebook {
        let source = catch_unwind(AssertUnwindSafe(|| self.definitions())).ok().flatten().unwrap_or_default();
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
