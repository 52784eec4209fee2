//! The connection file: where the front end listens, and the key that both sides sign with.

use super::Result;
use serde_json::Value;
use std::path::Path;

/// What a connection file says.
pub struct Connection {
    transport: String,
    address: String,
    /// The key of the signatures; an empty one means unsigned messages.
    pub key: String,
    ports: Value,
}

impl Connection {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let ports: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = |name: &str| ports.get(name).and_then(Value::as_str).map(str::to_string);
        let scheme = text("signature_scheme").unwrap_or_else(|| "hmac-sha256".to_string());
        if scheme != "hmac-sha256" {
            return Err(format!("signature_scheme = {scheme}: this kernel signs with hmac-sha256").into());
        }
        Ok(Self {
            transport: text("transport").unwrap_or_else(|| "tcp".to_string()),
            address: text("ip").unwrap_or_else(|| "127.0.0.1".to_string()),
            key: text("key").unwrap_or_default(),
            ports,
        })
    }

    /// The address of one channel: `shell`, `control`, `iopub`, `stdin` or `hb`.
    pub fn endpoint(&self, channel: &str) -> Result<String> {
        let name = format!("{channel}_port");
        let Some(port) = self.ports.get(&name).and_then(Value::as_u64) else {
            return Err(format!("the connection file names no {name}").into());
        };
        let separator = if self.transport == "ipc" { '-' } else { ':' };
        Ok(format!("{}://{}{separator}{port}", self.transport, self.address))
    }
}
