//! Cells that ask for documentation: front ends show the answer as a page, beside the notebook or below the cell.

use crate::show::frame;
use serde_json::{Value, json};

/// evcxr's commands whose answer is to be read, and is no value.
const COMMANDS: [&str; 3] = [":help", ":doc", ":explain"];

const HELP: [&str; 4] = [
    "A cell holds Rust. The value of its last line is shown, and its variables live on in later cells.",
    "`use noisebook::prelude::*;` brings in the library; `Dataset::digits()?` is a first thing to look at.",
    "An interrupt (the square in the toolbar) stops a training at its next step and keeps what it has learnt.",
    "`:doc Trainer` explains a name. `:dep name = \"1.0\"` adds a crate. All commands, each on a line of its own:",
];

/// Whether a cell consists of such commands.
pub fn is_asked_for(code: &str) -> bool {
    let mut lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).peekable();
    lines.peek().is_some() && lines.all(|line| line.split(' ').next().is_some_and(|word| COMMANDS.contains(&word)))
}

/// The name that a cell asks `:doc` about, and nothing else.
pub fn name(code: &str) -> Option<&str> {
    let mut lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let name = lines.next()?.strip_prefix(":doc ")?.trim();
    lines.next().is_none().then_some(name)
}

/// The payload of the reply to such a cell.
pub fn payload(code: &str, mut answer: frame::Message) -> Value {
    if code.contains(":help") {
        let title = concat!("noisebook ", env!("CARGO_PKG_VERSION"));
        let html: String = HELP.iter().map(|line| format!("<p>{}</p>", with_code(line))).collect();
        before(&mut answer, "text/plain", &format!("{title}\n\n{}\n\n", HELP.join("\n")));
        before(&mut answer, "text/html", &format!("<h3>{title}</h3>{html}"));
    }
    json!({ "source": "page", "data": answer.data, "start": 0 })
}

fn before(answer: &mut frame::Message, mime: &str, text: &str) {
    if let Some(Value::String(old)) = answer.data.get_mut(mime) {
        old.insert_str(0, text);
    }
}

/// What stands between backticks is code.
fn with_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::{Message, MessageKind};

    #[test]
    fn documentation_is_asked_for_alone() {
        for code in [":help", " :help\n", "// what?\n:doc Vec\n\n:explain"] {
            assert!(is_asked_for(code), "{code}");
        }
        for code in ["", "// :help", ":helper", ":vars", ":help\n1", "help"] {
            assert!(!is_asked_for(code), "{code}");
        }
    }

    #[test]
    fn help_begins_with_the_kernel() {
        let mut answer = Message::new(MessageKind::ExecuteResult);
        answer.data.insert("text/plain".into(), ":vars".into());
        answer.data.insert("text/html".into(), "<table>".into());
        let payload = payload(":help", answer);
        assert_eq!((&payload["source"], &payload["start"]), (&json!("page"), &json!(0)));
        let (text, html) = (&payload["data"]["text/plain"], &payload["data"]["text/html"]);
        assert!(text.as_str().is_some_and(|text| text.starts_with("noisebook 0.") && text.ends_with("\n\n:vars")));
        let code = "<code>use noisebook::prelude::*;</code>";
        assert!(html.as_str().is_some_and(|html| html.contains(code) && html.ends_with("<table>")), "{html}");
    }
}
