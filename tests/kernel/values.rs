//! Values that are results.

use crate::client::Client;

const NOTES: &str = "\n  = note: the cell ran to its end, and what it made is kept: this error is its value\n  = help: with `?` behind it \
                     the cell stops at the error, and *Run All* with it";

pub fn check(client: &Client) {
    for (code, said) in [
        ("let made = 5;\n\"x\".parse::<u32>()", "Err: ParseIntError { kind: InvalidDigit }"),
        ("Schedule::linear(1)", "Err: levels = 1: a schedule needs at least 2 levels"),
        ("Err::<u8, _>(\"two\\nlines & <b>\")", "Err: two\nlines & <b>"),
        (
            "Tensor::zeros([6], (Kind::Float, noisebook::prelude::Device::Cpu)).f_reshape([4, 4])",
            "Err: libtorch: shape '[4, 4]' is invalid for input of size 6",
        ),
    ] {
        let run = client.execute(code).ok();
        assert_eq!(run.kinds(), ["execute_input", "execute_result"]);
        assert_eq!(run.result(), Some(format!("{said}{NOTES}").as_str()));
        let html = run.all("execute_result")[0].content["data"]["text/html"].as_str().unwrap_or_default();
        assert!(html.starts_with("<pre style=") && !html.contains("<b>"), "{html}");
    }
    // The cell went through.
    assert_eq!(client.execute("made").ok().result(), Some("5"));
    assert_eq!(client.execute("\"5\".parse::<u32>()").ok().result(), Some("Ok(5)"));
    // A picture is drawn, whatever the error would be.
    for code in ["Schedule::linear(10)", "Ok::<_, String>(Schedule::linear(10)?)", "Some(Schedule::linear(10))"] {
        let run = client.execute(code).ok();
        let data = &run.all("execute_result")[0].content["data"];
        assert!(data["text/html"].as_str().is_some_and(|html| html.starts_with("<img ")), "{code}: {data}");
    }
}
