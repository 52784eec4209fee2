//! The process that holds rust-analyzer: a question a line comes in, an answer a line goes out.

use crate::kernel::Result;
use crate::kernel::warm::Warm;
use evcxr::{CommandContext, EvalContext};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Answers until the input ends. `EVCXR_TMPDIR` names the folder.
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
    context.execute(&format!(":offline 1\n{}\n:dep tch = \"*\"", warm.dependency()))?;
    // The first question makes rust-analyzer read everything.
    answer(
        &mut context,
        &json!({ "what": "complete", "before": "use noisebook::prelude::*;", "code": "Schedule::l", "at": 11 }),
    );
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let mut reply = catch_unwind(AssertUnwindSafe(|| answer(&mut context, &question))).unwrap_or_default();
        reply["id"] = question["id"].clone();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(context: &mut CommandContext, question: &Value) -> Value {
    let text = |name: &str| question[name].as_str().unwrap_or_default();
    let (before, code) = (text("before"), text("code"));
    // A command is known by its place: at the very beginning.
    let before = if code.trim_start().starts_with(':') { String::new() } else { format!("{before}\n") };
    let at = before.len() + question["at"].as_u64().unwrap_or_default() as usize;
    let source = format!("{before}{code}");
    if text("what") == "inspect" {
        let Ok((plain, html)) = context.hover_at(&source, at) else { return json!({}) };
        return json!({ "plain": plain, "html": html });
    }
    let Ok(completions) = context.completions(&source, at) else { return json!({ "matches": [] }) };
    let shown = completions.completions.iter().map(|completion| (inserted(&completion.code), completion.kind));
    let matches: BTreeMap<&str, &str> = shown.filter(|(text, _)| !text.is_empty()).collect();
    let matches: Vec<_> = matches.iter().map(|(text, kind)| json!({ "text": text, "kind": kind })).collect();
    let place = |offset: usize| offset.saturating_sub(before.len());
    json!({ "matches": matches, "start": place(completions.start_offset), "end": place(completions.end_offset) })
}

/// A name alone: the arguments that rust-analyzer proposes would have to be deleted.
fn inserted(code: &str) -> &str {
    code.split(['(', '{', '<', ' ', '\n']).next().unwrap_or_default()
}
