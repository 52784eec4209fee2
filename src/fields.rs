//! The fields of a description that came from a file.

use crate::{Error, Result};
use serde_json::{Map, Value};

/// Reads a JSON object, and names the field that is not as it should be.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get<T>(&self, name: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        read(value).ok_or_else(|| Error::argument(name, value, format!("the file's description needs {what} here")))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str> {
        self.get(name, "a word", Value::as_str)
    }

    pub(crate) fn integer(&self, name: &str) -> Result<i64> {
        self.get(name, "a whole number", Value::as_i64)
    }

    pub(crate) fn count(&self, name: &str) -> Result<u64> {
        self.get(name, "a whole number, 0 or more,", Value::as_u64)
    }

    /// A number, or none.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<i64>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => Ok(Some(self.integer(name)?)),
        }
    }

    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        self.get(name, "a list of whole numbers", |value| value.as_array()?.iter().map(Value::as_i64).collect())
    }

    /// Words, or none.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<&'a str>> {
        if !self.has(name) {
            return Ok(Vec::new());
        }
        self.get(name, "a list of words", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        self.get(name, "a number", Value::as_f64)
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        self.get(name, "a list of numbers", |value| value.as_array()?.iter().map(Value::as_f64).collect())
    }

    pub(crate) fn object(&self, name: &str) -> Result<Self> {
        self.get(name, "a description", |value| value.as_object().map(Fields))
    }

    /// That what `name` says is something that this version does not know.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        Error::argument(name, value, "the file's description names what this version does not know")
    }
}
