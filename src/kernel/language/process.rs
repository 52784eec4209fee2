//! The process that holds rust-analyzer: a question a line comes in, an answer a line goes out.

use super::members::{Members, Place};
use crate::kernel::clone::clone_build;
use crate::kernel::kept_lock::KeptLock;
use crate::kernel::warm::Warm;
use crate::kernel::{Result, log};
use evcxr::{CommandContext, Completions, EvalContext};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Answers until the input ends. `EVCXR_TMPDIR` names the folder, which lies in the session's.
pub fn run(folder: &Path) -> Result<()> {
    let warm = Warm::locate()?;
    while !warm.is_ready() {
        std::thread::sleep(Duration::from_secs(1));
    }
    std::fs::create_dir_all(folder)?;
    warm.fill(folder)?;
    let (context, outputs) = EvalContext::with_subprocess_command(Command::new(std::env::current_exe()?))?;
    std::thread::spawn(move || outputs.stdout.iter().for_each(drop));
    std::thread::spawn(move || outputs.stderr.iter().for_each(drop));
    let mut context = CommandContext::with_eval_context(context);
    std::fs::copy(warm.lock_file(), folder.join("Cargo.lock"))?;
    let kept = KeptLock::of(folder.join("Cargo.lock"))?;
    context.execute(&format!(":offline 1\n{}\n:dep tch = \"*\"\n{}", warm.dependency(), kept.command()))?;
    // The first question makes rust-analyzer read everything.
    let first = json!({ "what": "complete", "before": "use noisebook::prelude::*;", "code": "Tensor::fr", "at": 10 });
    let members = Members::of(&warm.crate_folder().join("src"));
    answer(&mut context, &members, &first);
    let mut added = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let reply = catch_unwind(AssertUnwindSafe(|| {
            add(&mut context, &question["dependencies"], &mut added, folder);
            answer(&mut context, &members, &question)
        }));
        let mut reply = reply.unwrap_or_else(|_| json!({}));
        reply["id"] = question["id"].clone();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

/// Adds the notebook's dependencies, with what the notebook's session has compiled of them.
fn add(context: &mut CommandContext, dependencies: &Value, added: &mut Vec<String>, folder: &Path) {
    let dependencies = dependencies.as_array().into_iter().flatten().filter_map(Value::as_str);
    let new: Vec<String> =
        dependencies.filter(|line| !added.iter().any(|other| other == line)).map(str::to_string).collect();
    if new.is_empty() {
        return;
    }
    let session = folder.join("..");
    let shared = clone_build(&session.join("target"), &folder.join("target"))
        .and_then(|()| std::fs::copy(session.join("Cargo.lock"), folder.join("Cargo.lock")).map(drop));
    let kept = shared.and_then(|()| KeptLock::of(folder.join("Cargo.lock")));
    let commands = |kept: KeptLock| format!("{}\n{}", new.join("\n"), kept.command());
    if let Err(error) = kept
        .map_err(|error| error.to_string())
        .and_then(|kept| context.execute(&commands(kept)).map(drop).map_err(|error| error.to_string()))
    {
        log::line(format_args!("no completion for {}: {error}", new.join(", ")));
    }
    added.extend(new);
}

fn answer(context: &mut CommandContext, members: &Members, question: &Value) -> Value {
    let text = |name: &str| question[name].as_str().unwrap_or_default();
    let (before, code) = (text("before"), text("code"));
    // A command is known by its place: at the very beginning.
    let before = if code.trim_start().starts_with(':') { String::new() } else { format!("{before}\n") };
    let at = before.len() + question["at"].as_u64().unwrap_or_default() as usize;
    let source = format!("{before}{code}");
    if text("what") == "inspect" {
        let Ok((_, html)) = context.hover_at(&source, at) else { return json!({}) };
        return json!({ "html": html });
    }
    let found = match Place::of(&source, at) {
        Some(place) => of_member(context, members, &source, &place),
        None => context.completions(&source, at).ok(),
    };
    let Some(completions) = found else { return json!({ "matches": [] }) };
    let shown = completions.completions.iter().map(|completion| (inserted(&completion.code), completion.kind));
    let matches: BTreeMap<&str, &str> =
        shown.filter(|(text, _)| !text.is_empty() && !text.starts_with("evcxr_")).collect();
    let matches: Vec<_> = matches.iter().map(|(text, kind)| json!({ "text": text, "kind": kind })).collect();
    let place = |offset: usize| offset.saturating_sub(before.len());
    json!({ "matches": matches, "start": place(completions.start_offset), "end": place(completions.end_offset) })
}

/// Names behind a `.` or a `::`, but those that a cell may not use. rust-analyzer knows whose they are only where nothing of
/// the name is written yet.
fn of_member(context: &mut CommandContext, members: &Members, source: &str, place: &Place) -> Option<Completions> {
    let asked = format!("{}{}", &source[..place.name.start], &source[place.name.end..]);
    let mut completions = context.completions(&asked, place.name.start).ok()?;
    let names = completions.completions.iter().map(|completion| inserted(&completion.code)).collect();
    let hidden = members.hidden(&names, place);
    let hidden: BTreeSet<String> = hidden.into_iter().map(str::to_string).collect();
    let start = &source[place.name.clone()];
    completions.completions.retain(|completion| {
        let name = inserted(&completion.code);
        name.starts_with(start) && !hidden.contains(name)
    });
    (completions.start_offset, completions.end_offset) = (place.name.start, place.name.end);
    Some(completions)
}

/// A name alone: the arguments that rust-analyzer proposes would have to be deleted.
fn inserted(code: &str) -> &str {
    code.split(['(', '{', '<', ' ', '\n']).next().unwrap_or_default()
}
