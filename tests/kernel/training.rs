//! Training in a cell: its figure moves while the cell is busy, and an interrupt keeps what was done.

use crate::client::Client;
use serde_json::json;

/// Uses the variables of bad_input.rs.
pub fn check(client: &Client) {
    let id = client.send_cell("let run = Trainer::new(&model).steps(1_000_000).batch_size(8).fit(&digits)?;");
    let figure = client.wait_for("display_data");
    for _ in 0..2 {
        let update = client.wait_for("update_display_data");
        assert_eq!(update.content["transient"], figure.content["transient"]);
    }
    client.control("interrupt_request", json!({}));
    assert_eq!(client.finish(&id).error().0, "Interrupted");
    let run = client.execute("run.interrupted() && !run.losses().is_empty() && run.losses().len() < 1_000_000").ok();
    assert_eq!(run.result(), Some("true"));
    let fit = |live: bool| format!("let run = Trainer::new(&model).steps(1).batch_size(8).live({live}).fit(&digits)?;");
    assert_eq!(client.execute(&fit(true)).ok().all("display_data").len(), 1);
    // In the same cell its value is drawn in the figure's place, and in a later one whole.
    let shown = client.execute(&format!("{} run", fit(true))).ok();
    assert_eq!((shown.all("display_data").len(), shown.result()), (1, None));
    assert!(client.execute("run").ok().result().is_some());
    assert_eq!(client.execute(&fit(false)).ok().kinds(), ["execute_input"]);
}
