//! What a reader sees of a cell that fails: one error, in the notebook's words, with the line of the cell.

use crate::client::{Client, Run};

/// What no reader should meet: the code around a cell, evcxr, C++, and where crates lie.
const FORBIDDEN: [&str; 10] = [
    "vcxr",
    "CellError",
    "_value",
    "src/lib.rs",
    "src/check.rs",
    "frame #",
    "Exception raised",
    ".cargo",
    "RUST_BACKTRACE",
    "\x1b",
];

/// Uses the variable `kept`, which holds two numbers.
pub fn check(client: &Client) {
    what_does_not_parse(client);
    what_does_not_compile(client);
    what_cannot_be_kept(client);
    what_is_gone(client);
    cells_that_return(client);
    panics(client);
    panics_that_nobody_dies_of(client);
    errors(client);
    a_full_gpu(client);
    commands(client);
    assert_eq!(client.execute("kept.len()").ok().result(), Some("2"));
}

/// Runs a cell that fails with this name and value, and with all these parts of a traceback.
fn fails(client: &Client, code: &str, name: &str, value: &str, parts: &[&str]) -> Run {
    let run = client.execute(code);
    let (ename, evalue, traceback) = run.error();
    assert_eq!((ename.as_str(), evalue.as_str()), (name, value), "{code}\n{traceback}");
    parts.iter().for_each(|part| assert!(traceback.contains(part), "{code}\n{part}\n{traceback}"));
    FORBIDDEN.iter().for_each(|word| assert!(!traceback.contains(word), "{code}\n{word}\n{traceback}"));
    run
}

/// Only an error came of the cell.
fn alone(run: &Run) {
    assert_eq!(run.kinds(), ["execute_input", "error"]);
}

fn what_does_not_parse(client: &Client) {
    let cells = [
        ("let a = (1 + 2;\na", "this `(` is never closed", "1 | let a = (1 + 2;\n  |         ^\n"),
        ("let a = 1;\na)", "this `)` closes nothing", "cell line 2\n"),
        ("let s = \"abc;", "this text never ends", "1 | let s = \"abc;\n  |         ^"),
        (
            "let größe = 1; größe + ;",
            "expected expression, found `;`",
            "  |                        ^ expected expression",
        ),
        ("let a = 1;\r\nlet b = ;\r\na", "expected expression, found `;`", "cell line 2\n"),
        ("let a = 5", "expected `;`, found the end of the cell", "1 | let a = 5;\n  |          +"),
        // evcxr would leave this out, and run the rest.
        ("println!(\"not run\");\nlet fn = 3;", "expected identifier, found keyword `fn`", "2 | let fn = 3;"),
    ];
    for (code, value, part) in cells {
        alone(&fails(client, code, "CompilationError", value, &[part]));
    }
    for code in ["", "// only a comment", "\n \n"] {
        assert_eq!(client.execute(code).ok().kinds(), ["execute_input"]);
    }
}

fn what_does_not_compile(client: &Client) {
    let parts =
        ["error[E0308]: mismatched types\n  --> cell line 2\n", "2 | let x: u32 = \"text\";\n", "expected due to this"];
    let run = fails(client, "let y = 1;\nlet x: u32 = \"text\";", "CompilationError", "mismatched types", &parts);
    alone(&run);
    // Everything is said once.
    let (_, _, traceback) = run.error();
    assert_eq!(traceback.matches("mismatched types").count(), 1, "{traceback}");

    let cells: [(&str, &str, &[&str]); 7] = [
        (
            "use nonexistent::Thing;",
            "unresolved import `nonexistent`",
            &["1 | use nonexistent::Thing;\n  |     ^^^^^^^^^^^", "begin the cell with `:dep nonexistent = "],
        ),
        (
            "BTreeMap::<u8, u8>::new()",
            "cannot find type `BTreeMap` in this scope",
            &["`use std::collections::BTreeMap;`"],
        ),
        ("1;\nkept.len() as String", "non-primitive cast: `usize` as `String`", &["2 | kept.len() as String\n"]),
        ("return 5", "mismatched types", &["a cell's `return` takes no value"]),
        ("let zero = 0;\n1 / zero", "this operation will panic at runtime", &["2 | 1 / zero\n"]),
        (
            "kept.push(3);",
            "cannot borrow `kept` as mutable, as it is not declared as mutable",
            &["`let mut kept = kept;` lets `kept` change"],
        ),
        (
            "#[derive(Debug)]\nstruct Told(u8);\nErr::<u8, _>(Told(1))?;",
            "`?` couldn't convert the error: `Told: std::fmt::Display` is not satisfied",
            &["cell line 3\n", ".map_err("],
        ),
    ];
    for (code, value, parts) in cells {
        alone(&fails(client, code, "CompilationError", value, parts));
    }

    // A definition breaks one of an earlier cell.
    let run = client.execute("struct Shape { sides: u8 }\nfn sides(shape: &Shape) -> u8 {\n    shape.sides\n}").ok();
    let cell = run.reply.content["execution_count"].as_u64().unwrap();
    let value = "no field `sides` on type `&Shape`";
    let place = format!("--> cell [{cell}] line 3\n  |\n3 |     shape.sides\n");
    fails(client, "struct Shape { corners: u8 }", "CompilationError", value, &[&place]);

    // A warning that means that an error goes unnoticed.
    let run = client.execute("kept.len();\nstd::fs::remove_file(\"/nonexistent\");").ok();
    let shown = run.stream("stderr");
    assert!(shown.contains("unused `Result` that must be used") && shown.contains("cell line 2"), "{shown}");
}

fn what_cannot_be_kept(client: &Client) {
    let cells: [(&str, &str, &[&str]); 6] = [
        ("let twice = |x: u8| 2 * x;", "`twice` is a closure, whose type has no name", &["Box<dyn Fn", "braces"]),
        (
            "let a = 1;\nlet it = kept.iter();",
            "`it` holds a reference, which cannot outlive its cell",
            &["cell line 2\n"],
        ),
        ("let it = (0..3).map(|x| x + 1);", "`it` holds a closure, whose type has no name", &[".collect::<Vec<_>>()"]),
        (
            "fn evens() -> impl Iterator<Item = u8> { (0..9).step_by(2) }\nlet it = evens();",
            "`it` is an `impl Trait`, which is no type that a later cell could name",
            &["2 | let it = evens();\n  |     ^^\n"],
        ),
        (
            "let never = std::thread::spawn(|| { panic!() });",
            "`never` cannot be kept: no value ever comes of what it holds",
            &["`|| -> u8 { ... }`"],
        ),
        (
            "struct Silent;\nSilent",
            "the cell's value cannot be shown: `Silent` doesn't implement `Debug`",
            &["2 | Silent\n  | ^^^^^^", "#[derive(Debug)]", "end the cell with `;`"],
        ),
    ];
    for (code, value, parts) in cells {
        let run = client.execute(code);
        let whole = run.error().1;
        assert!(whole.starts_with(value), "{code}: {whole}");
        alone(&fails(client, code, "CompilationError", &whole, parts));
    }
}

fn what_is_gone(client: &Client) {
    client.execute("let given = String::from(\"x\");").ok();
    let cell = client.execute("drop(given);").ok().reply.content["execution_count"].as_u64().unwrap();
    let missing = |name: &str| format!("cannot find value `{name}` in this scope");
    fails(client, "given.len()", "CompilationError", &missing("given"), &[&format!("cell [{cell}] moved `given`")]);
    let failed = client.execute("let unmade: u8 = \"x\".parse()?;");
    let cell = failed.reply.content["execution_count"].as_u64().unwrap();
    let part = format!("cell [{cell}], which makes `unmade`, has failed");
    fails(client, "unmade + 1", "CompilationError", &missing("unmade"), &[&part]);
}

fn panics(client: &Client) {
    let code = "eprintln!(\"before\");\nlet lost = 1;\nkept[lost + 1];";
    let value = "index out of bounds: the len is 2 but the index is 2";
    let run = fails(client, code, "Panic", value, &["--> cell line 3\n  |\n3 | kept[lost + 1];\n  |     ^"]);
    assert_eq!(run.stream("stderr"), "before\n");

    // Inside libtorch, at the second of two equal lines.
    let code = "let x = Tensor::from(1.0).set_requires_grad(true);\nlet y = &x * &x;\ny.backward();\ny.backward();";
    let run = client.execute(code);
    let (_, value, _) = run.error();
    assert!(value.starts_with("libtorch: Trying to backward through the graph a second time"), "{value}");
    fails(client, code, "Panic", &value, &["--> cell line 4\n  |\n4 | y.backward();\n"]);
    let cpu = "(Kind::Float, noisebook::prelude::Device::Cpu)";
    let code = format!("let cpu = {cpu};\nlet t = Tensor::zeros([2, 3], cpu);\n\nt.matmul(&t)");
    let value = "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)";
    fails(client, &code, "Panic", value, &["4 | t.matmul(&t)\n"]);
    let run = client.execute(&format!("Tensor::zeros([1_000_000, 1_000_000, 100], {cpu})"));
    let (name, value, traceback) = run.error();
    assert!(name == "Panic" && value.starts_with("memory is used up: 363.8 TiB more were asked for"), "{value}");
    assert!(traceback.contains("cell line 1\n") && traceback.contains("batch_size"), "{traceback}");

    // In a function of an earlier cell, by its own calls.
    let code = "fn countdown(n: u8) {\n    if n == 0 { panic!(\"lift\\noff\") }\n    countdown(n - 1)\n}";
    let cell = client.execute(code).ok().reply.content["execution_count"].as_u64().unwrap();
    let first = format!("Panic: lift\noff\n  --> cell [{cell}] line 2\n");
    let run = fails(client, "1;\ncountdown(9)", "Panic", "lift", &[&first, "--> cell line 2\n  |\n2 | countdown(9)\n"]);
    assert!(run.error().2.lines().count() < 20);

    // While a value is shown, and while one is dropped.
    let code = "struct Loud;\nimpl std::fmt::Debug for Loud {\n    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> \
                std::fmt::Result {\n        panic!(\"in fmt\")\n    }\n}\nLoud";
    fails(client, code, "Panic", "in fmt", &["--> cell line 4\n", "--> cell line 7\n"]);
    let code = "struct Falls;\nimpl Drop for Falls { fn drop(&mut self) { panic!(\"in drop\") } }\nlet falls = Falls;\ndrop(falls);";
    fails(client, code, "Panic", "in drop", &["--> cell line 2\n", "4 | drop(falls);\n"]);
}

/// Every later cell would look in vain for what such a cell has not bound.
fn cells_that_return(client: &Client) {
    let code = "let early = 1;\nif kept.len() == 2 { return Ok(()); }\nlet late = 2;\nlate";
    let run = client.execute(code).ok();
    assert_eq!(run.kinds(), ["execute_input", "stream"]);
    let said = "The cell did not come to its end, so what it bound or moved is gone: `early`, `late`.\n";
    assert_eq!(run.stream("stderr"), said);
    let cell = &run.reply.content["execution_count"];
    let note = format!("cell [{cell}], which makes `late`, was left before its end: run it again first");
    fails(client, "late", "CompilationError", "cannot find value `late` in this scope", &[&note]);
    assert_eq!(client.execute(&code.replace("== 2", "== 3")).ok().result(), Some("2"));
    assert_eq!(client.execute("early + late").ok().result(), Some("3"));
    let run = client.execute("let late = 3;\nif late == 3 { return Err(\"text\".into()); }");
    assert_eq!(run.reply.content["status"], "error");
    assert_eq!(client.execute("if true { return Ok(()); }").ok().kinds(), ["execute_input"]);
}

fn panics_that_nobody_dies_of(client: &Client) {
    let code = "let _ = std::panic::catch_unwind(|| panic!(\"caught\"));\neprintln!(\"after\");";
    assert_eq!(client.execute(code).ok().stream("stderr"), "\nthread 'main' panicked at cell line 1:\ncaught\nafter\n");
    let code = "let worker = std::thread::Builder::new().name(\"worker\".into());\n\
                worker.spawn(|| { panic!(\"in a thread\") }).unwrap().join().is_err()";
    let run = client.execute(code).ok();
    assert_eq!(run.result(), Some("true"));
    assert_eq!(run.stream("stderr"), "\nthread 'worker' panicked at cell line 2:\nin a thread\n");
}

fn errors(client: &Client) {
    let code = "eprintln!(\"before\");\nprint!(\"and\");\n\"x\".parse::<u32>()?;";
    let run = fails(client, code, "Error", "invalid digit found in string", &["3 | \"x\".parse::<u32>()?;\n"]);
    assert_eq!((run.stream("stderr").as_str(), run.stream("stdout").trim_end()), ("before\n", "and"));
    let code = "use std::{error, fmt, io};\n#[derive(Debug)]\nstruct Outer(io::Error);\nimpl fmt::Display for Outer {\n    fn \
                fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"two\\nlines\") }\n}\nimpl error::Error for \
                Outer {\n    fn source(&self) -> Option<&(dyn error::Error + 'static)> { Some(&self.0) }\n}\n\
                Err::<u8, _>(Outer(io::Error::other(\"the cause\")))?;";
    fails(client, code, "Error", "two", &["Error: two\nlines\n  = caused by: the cause\n   --> cell line 10\n"]);
    // No error that std knows as one.
    let code = "struct Odd;\nimpl std::fmt::Display for Odd { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result \
                { write!(f, \"odd\") } }\nErr::<u8, _>(Odd)?;";
    fails(client, code, "Error", "odd", &["--> cell line 3\n"]);
    let code = "Tensor::zeros([6], (Kind::Float, noisebook::prelude::Device::Cpu)).f_reshape([4, 4])?";
    fails(client, code, "Error", "libtorch: shape '[4, 4]' is invalid for input of size 6", &["cell line 1\n"]);
}

fn commands(client: &Client) {
    fails(
        client,
        ":nope",
        "CommandError",
        "there is no command `:nope`: `:help` lists them all",
        &["1 | :nope\n  | ^^^^^"],
    );
    fails(client, "// first\n:dep", "CommandError", "write `:dep name` or `:dep name = \"version\"`", &["2 | :dep\n"]);
}

/// What libtorch says when a GPU is full. Here a cell says it.
fn a_full_gpu(client: &Client) {
    let said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.20 GiB of which 1.06 GiB is \
                free. Including non-PyTorch memory, this process has 78.00 GiB memory in use. Of the allocated memory 77.00 GiB \
                is allocated by PyTorch, and 512.00 MiB is reserved by PyTorch but unallocated.\nException raised from malloc";
    let value = "the GPU's memory is used up: 2.00 GiB more were asked for, and of GPU 0's 79.20 GiB only 1.06 GiB are free; this \
                 notebook holds 78.00 GiB";
    let error = format!("Err::<u8, _>(tch::TchError::Torch({said:?}.to_string()))");
    for (name, way) in [("Error", "?;"), ("Panic", ".unwrap();")] {
        fails(client, &format!("1;\n{error}{way}"), name, value, &["cell line 2\n", "lower batch_size, base_channels"]);
    }
}

/// Each ends the process of the cells, and the variables with it.
pub fn deaths(client: &Client) {
    let run = fails(
        client,
        "println!(\"last words\");\nstd::process::abort();",
        "ProcessEnded",
        "the cell ended its process: std::process::abort(), or a library did so (SIGABRT)",
        &["2 | std::process::abort();\n", "Variables that are gone: ", "kept"],
    );
    assert_eq!((run.stream("stdout").as_str(), run.stream("stderr").as_str()), ("last words\n", ""));
    let note = "note: `kept` was lost when cell [";
    fails(client, "kept.len()", "CompilationError", "cannot find value `kept` in this scope", &[note]);
    assert_eq!(client.execute("Tensor::from(1.0).double_value(&[])").ok().result(), Some("1.0"));

    let overflow = "fn deeper(n: u64) -> u64 {\n    let room = [n; 1_000];\n    if n == u64::MAX { 0 } else { deeper(n + 1) + room[5] }\n}\n\
                    let gone = 1;\ndeeper(0)";
    let doubled = "struct Bomb;\nimpl Drop for Bomb { fn drop(&mut self) { panic!(\"second\") } }\n{ let _bomb = Bomb; panic!(\"first\") }";
    let cells: [(&str, &str, &[&str]); 6] = [
        ("let n = 3;\nstd::process::exit(n)", "the cell ended its process: std::process::exit(3)", &[]),
        (
            "let me = std::process::id().to_string();\nstd::process::Command::new(\"kill\").args([\"-9\", &me]).status()?;",
            "the process of the cells was killed (SIGKILL): if nobody did so by hand, memory has run out",
            &["batch_size"],
        ),
        (
            "unsafe { std::ptr::with_exposed_provenance_mut::<u8>(16).write(1) };",
            "the cell used memory that is not its own",
            &["cell line 1\n"],
        ),
        (overflow, "the stack is used up", &["--> cell line "]),
        (
            "let big: Vec<u8> = Vec::with_capacity(1 << 46);\nbig.len()",
            "memory is used up: 64.0 TiB",
            &["cell line 1\n"],
        ),
        (doubled, "a panic could not be handled (panic in a destructor during cleanup): first", &["--> cell line 3\n"]),
    ];
    for (code, value, parts) in cells {
        let run = client.execute(code);
        let whole = run.error().1;
        assert!(whole.starts_with(value), "{code}: {whole}");
        assert_eq!(run.kinds(), ["execute_input", "error"], "{run:#?}");
        assert_eq!(run.error().0, "ProcessEnded");
        parts.iter().for_each(|part| assert!(run.error().2.contains(part), "{code}: {}", run.error().2));
        FORBIDDEN.iter().for_each(|word| assert!(!run.error().2.contains(word), "{code}: {}", run.error().2));
    }
    assert_eq!(client.execute("1 + 1").ok().result(), Some("2"));
}
