//! What the reply to a cell says, and what is kept of it.

use crate::client::{Client, cell};
use serde_json::{Value, json};

/// Uses `kept`, a vector of two numbers.
pub fn check(client: &Client) {
    expressions(client);
    pages(client);
    counts(client);
    odd_cells(client);
    the_queue_goes_on(client);
    history(client);
}

fn expressions(client: &Client) {
    let run = client.execute_with(json!({
        "code": "let word = String::from(\"a\");\nprintln!(\"cell\");",
        "user_expressions": {
            "sum": "kept.iter().sum::<i32>()", "word": "word", "nothing": "drop(1)", "loud": "{ println!(\"out\"); 7 }",
            "rich": "noisebook::show::Bundle::text(\"plain\").html(\"<b>rich</b>\")",
            "unknown": "no_such_name", "panic": "kept[9]", "statement": "let y = 1;", "command": ":vars", "number": 5,
        },
    }));
    let run = run.ok();
    let values = &run.reply.content["user_expressions"];
    for (name, text) in [("sum", "3"), ("word", "\"a\""), ("nothing", "()"), ("loud", "7")] {
        let expected = json!({ "status": "ok", "data": { "text/plain": text }, "metadata": {} });
        assert_eq!(values[name], expected, "{name}");
    }
    assert_eq!(values["rich"]["data"], json!({ "text/plain": "plain", "text/html": "<b>rich</b>" }));
    let failures = [("unknown", "CompilationError"), ("panic", "Panic"), ("statement", "InvalidExpression")];
    for (name, error) in failures.into_iter().chain([("command", "InvalidExpression"), ("number", "InvalidExpression")])
    {
        let value = &values[name];
        assert_eq!((&value["status"], &value["ename"]), (&json!("error"), &json!(error)), "{name}: {value}");
        assert!(value["evalue"].is_string() && value["traceback"].is_array());
    }
    // Nothing of it is shown as if the cell had shown it.
    assert_eq!(run.stream("stdout"), "cell\nout\n");
    assert_eq!(run.kinds(), ["execute_input", "stream", "stream"]);
    assert_eq!(client.execute("word").ok().result(), Some("\"a\""));
    // A failed cell's are not evaluated.
    let run = client.execute_with(json!({ "code": "panic!()", "user_expressions": { "a": "1" } }));
    assert_eq!((&run.reply.content["status"], &run.reply.content["user_expressions"]), (&json!("error"), &json!({})));
    // A silent cell's are.
    let run = client.execute_with(json!({ "code": "", "silent": true, "user_expressions": { "a": "1 + 1" } })).ok();
    assert_eq!(run.reply.content["user_expressions"]["a"]["data"]["text/plain"], "2");
    assert!(run.outputs.is_empty());
}

fn pages(client: &Client) {
    let run = client.execute(":help").ok();
    assert_eq!(run.kinds(), ["execute_input"]);
    let [page] = &run.reply.content["payload"].as_array().unwrap()[..] else { panic!("{run:#?}") };
    assert_eq!((&page["source"], &page["start"]), (&json!("page"), &json!(0)));
    let text = page["data"]["text/plain"].as_str().unwrap();
    assert!(text.starts_with("noisebook ") && text.contains(":preserve_vars_on_panic"), "{text}");
    assert!(page["data"]["text/html"].is_string());
    // With anything else, it is an ordinary cell.
    let run = client.execute(":vars").ok();
    assert_eq!((run.kinds(), &run.reply.content["payload"]), (vec!["execute_input", "execute_result"], &json!([])));
}

fn counts(client: &Client) {
    let count = |content: Value| client.execute_with(content).ok().reply.content["execution_count"].as_u64().unwrap();
    let first = count(json!({ "code": "1" }));
    assert_eq!(count(json!({ "code": "1", "store_history": false })), first);
    assert_eq!(count(json!({ "code": "1", "silent": true })), first);
    assert_eq!(count(json!({ "code": "" })), first + 1);
    let run = client.execute_with(json!({ "code": "panic!()" }));
    assert_eq!(run.reply.content["execution_count"], first + 2);
    let run = client.execute("1").ok();
    let counts = run.outputs.iter().map(|output| output.content["execution_count"].as_u64());
    assert_eq!(counts.collect::<Vec<_>>(), [Some(first + 3); 2]);
}

fn odd_cells(client: &Client) {
    for code in [json!(5), json!(null), json!(["1"])] {
        let (name, value, _) = client.execute_with(json!({ "code": code })).error();
        assert_eq!((name.as_str(), value), ("InvalidRequest", format!("code = {code}: it must be a text")));
    }
    // Code so deep that a usual thread's stack does not hold its syntax tree.
    let deep = client.execute(&format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000)));
    assert_eq!(deep.reply.content["status"], "error");
    let odd = json!({ "code": "1", "silent": "no", "store_history": 0, "user_expressions": [1], "stop_on_error": {} });
    assert_eq!(client.execute_with(odd).ok().result(), Some("1"));
}

fn the_queue_goes_on(client: &Client) {
    let mut first = cell("std::thread::sleep(std::time::Duration::from_millis(300)); panic!(\"go on\");");
    first["stop_on_error"] = false.into();
    let first = client.send(&client.shell, "execute_request", first);
    let second = client.send_cell("4");
    assert_eq!(client.finish(&first).error().1, "go on");
    assert_eq!(client.finish(&second).ok().result(), Some("4"));
}

fn history(client: &Client) {
    let rows = |content: Value| client.ask("history_request", content)["history"].as_array().unwrap().clone();
    let first = client.execute("40 + 2").ok().reply.content["execution_count"].as_u64().unwrap();
    client.execute_with(json!({ "code": "\"not kept\"", "store_history": false })).ok();
    client.execute_with(json!({ "code": "\"not kept\"", "silent": true })).ok();
    client.execute("let of_history = 1;").ok();
    let tail = rows(json!({ "hist_access_type": "tail", "n": 2, "raw": true, "output": false }));
    assert_eq!(tail, [json!([1, first, "40 + 2"]), json!([1, first + 1, "let of_history = 1;"])]);
    let range = json!({ "hist_access_type": "range", "session": 0, "start": first, "stop": first + 1, "output": true });
    assert_eq!(rows(range), [json!([1, first, ["40 + 2", "42"]])]);
    let search = json!({ "hist_access_type": "search", "pattern": "*of_hist*", "n": 5, "unique": true });
    assert_eq!(rows(search), [json!([1, first + 1, "let of_history = 1;"])]);
    assert_eq!(rows(json!({ "hist_access_type": "range", "session": -1 })), Vec::<Value>::new());
    // The first cell has the number 1.
    assert_eq!(rows(json!({ "hist_access_type": "range", "session": 0 }))[0][1], 1);
}
