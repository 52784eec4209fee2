//! The `user_expressions` of a cell: what a front end wants to know after it.

use super::completeness;
use super::failure::Failure;
use super::message::Message;
use super::output::Output;
use super::session::Session;
use serde_json::{Map, Value, json};

/// The values of the expressions, each with its own status.
pub fn evaluate(session: &mut Session, output: &Output, request: &Message) -> Value {
    let Some(expressions) = request.content.get("user_expressions").and_then(Value::as_object) else {
        return json!({});
    };
    let one = |(name, code): (&String, &Value)| {
        let value = value(session, output, code).unwrap_or_else(|failure| {
            let mut content = failure.content();
            content["status"] = "error".into();
            content
        });
        (name.clone(), value)
    };
    Value::Object(expressions.iter().map(one).collect::<Map<_, _>>())
}

fn value(session: &mut Session, output: &Output, code: &Value) -> Result<Value, Failure> {
    let Some(code) = code.as_str().filter(|code| completeness::is_expression(code)) else {
        return Err(Failure::plain("InvalidExpression", &format!("{code}: one expression belongs here")));
    };
    output.hold_value();
    session.shared.begin();
    let result = session.execute(code);
    let value = output.take_value();
    result?;
    let (data, metadata) = match value {
        Some(message) => (Value::Object(message.data), message.metadata),
        None => (json!({ "text/plain": "()" }), Map::new()),
    };
    Ok(json!({ "status": "ok", "data": data, "metadata": metadata }))
}
