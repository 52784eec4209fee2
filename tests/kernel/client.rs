//! A small Jupyter client, written from the protocol's documentation and sharing no code with the kernel.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub const KEY: &str = "a key for tests";
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// A kernel and the five channels to it.
pub struct Client {
    pub kernel: Child,
    pub shell: zmq::Socket,
    pub control: zmq::Socket,
    pub heartbeat: zmq::Socket,
    pub stdin: zmq::Socket,
    iopub: zmq::Socket,
    session: String,
    context: zmq::Context,
    ports: Vec<u16>,
    _folder: tempfile::TempDir,
}

/// One message that came back.
#[derive(Clone, Debug)]
pub struct Message {
    pub header: Value,
    pub parent: Value,
    pub content: Value,
    pub arrived: Instant,
}

impl Message {
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap()
    }
}

/// All that came of one request.
#[derive(Debug)]
pub struct Run {
    pub reply: Message,
    /// In the order of their arrival, without status messages.
    pub outputs: Vec<Message>,
}

impl Run {
    pub fn kinds(&self) -> Vec<&str> {
        self.outputs.iter().map(Message::kind).collect()
    }

    pub fn all(&self, kind: &str) -> Vec<&Message> {
        self.outputs.iter().filter(|message| message.kind() == kind).collect()
    }

    /// The text of one stream.
    pub fn stream(&self, name: &str) -> String {
        let parts = self.all("stream").into_iter().filter(|message| message.content["name"] == name);
        parts.map(|message| message.content["text"].as_str().unwrap()).collect()
    }

    pub fn result(&self) -> Option<&str> {
        self.all("execute_result").first().and_then(|message| message.content["data"]["text/plain"].as_str())
    }

    pub fn ok(self) -> Self {
        assert_eq!(self.reply.content["status"], "ok", "{self:#?}");
        self
    }

    /// The one error: name, value, traceback without colours.
    pub fn error(&self) -> (String, String, String) {
        assert_eq!(self.reply.content["status"], "error", "{self:#?}");
        let errors = self.all("error");
        assert_eq!(errors.len(), 1, "{self:#?}");
        let content = &errors[0].content;
        for field in ["ename", "evalue", "traceback"] {
            assert_eq!(content[field], self.reply.content[field]);
        }
        let lines = content["traceback"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        let traceback = uncoloured(&lines.collect::<Vec<_>>().join("\n"));
        (content["ename"].as_str().unwrap().into(), content["evalue"].as_str().unwrap().into(), traceback)
    }
}

/// Tests take turns, until the result is dropped: what they ask for has to come in time, also on two cores.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Starts a kernel and waits until it answers.
    pub fn start() -> Self {
        // At once if that was done already.
        let prepared = Command::new(env!("CARGO_BIN_EXE_noisebook")).arg("prepare").status().unwrap();
        assert!(prepared.success());
        let folder = tempfile::tempdir().unwrap();
        let listeners: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let connection = json!({
            "transport": "tcp", "ip": "127.0.0.1", "key": KEY, "signature_scheme": "hmac-sha256",
            "shell_port": ports[0], "iopub_port": ports[1], "stdin_port": ports[2], "control_port": ports[3],
            "hb_port": ports[4],
        });
        let file = folder.path().join("connection.json");
        std::fs::write(&file, connection.to_string()).unwrap();
        let kernel = Command::new(env!("CARGO_BIN_EXE_noisebook"))
            .arg("kernel")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            // A history of its own, not the user's.
            .env("XDG_DATA_HOME", folder.path())
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let context = zmq::Context::new();
        // Questions come to the front end whose cell it is.
        let session = uuid::Uuid::new_v4().to_string();
        let connect_named = |port| {
            let socket = new_socket(&context, zmq::DEALER);
            socket.set_identity(session.as_bytes()).unwrap();
            socket.connect(&format!("tcp://127.0.0.1:{port}")).unwrap();
            socket
        };
        let connect = |kind, port| connect(&context, kind, port);
        let iopub = connect(zmq::SUB, ports[1]);
        iopub.set_subscribe(b"").unwrap();
        let client = Self {
            kernel,
            shell: connect_named(ports[0]),
            control: connect(zmq::DEALER, ports[3]),
            heartbeat: connect(zmq::REQ, ports[4]),
            stdin: connect_named(ports[2]),
            iopub,
            session,
            context,
            ports,
            _folder: folder,
        };
        client.wait_for_iopub();
        client
    }

    /// A subscription takes a moment: ask until something is heard.
    fn wait_for_iopub(&self) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            let id = self.send(&self.shell, "kernel_info_request", json!({}));
            while receive(&self.shell, Duration::from_secs(30)).is_some_and(|reply| reply.parent["msg_id"] != id) {}
            if receive(&self.iopub, Duration::from_millis(100)).is_some() {
                while receive(&self.iopub, Duration::from_millis(100)).is_some() {}
                return;
            }
        }
        panic!("the kernel is not heard");
    }

    /// One more connection: 0 is shell, 1 iopub, 2 stdin, 3 control, 4 the heartbeat.
    pub fn connect(&self, kind: zmq::SocketType, channel: usize) -> zmq::Socket {
        connect(&self.context, kind, self.ports[channel])
    }

    pub fn send(&self, socket: &zmq::Socket, kind: &str, content: Value) -> String {
        self.send_signed(socket, kind, content, KEY)
    }

    pub fn send_signed(&self, socket: &zmq::Socket, kind: &str, content: Value, key: &str) -> String {
        let (id, frames) = self.frames(kind, content, key);
        socket.send_multipart(frames, 0).unwrap();
        id
    }

    /// The id and the frames of a message.
    pub fn frames(&self, kind: &str, content: Value, key: &str) -> (String, Vec<Vec<u8>>) {
        let id = uuid::Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id, "session": self.session, "username": "test", "date": "2026-01-01T00:00:00Z",
            "msg_type": kind, "version": "5.3",
        });
        let parts = [header, json!({}), json!({}), content].map(|part| part.to_string().into_bytes());
        let mut frames = vec![b"<IDS|MSG>".to_vec(), sign(key, &parts).into_bytes()];
        frames.extend(parts);
        (id, frames)
    }

    pub fn send_cell(&self, code: &str) -> String {
        self.send(&self.shell, "execute_request", cell(code))
    }

    /// Runs a cell to its end.
    pub fn execute(&self, code: &str) -> Run {
        let id = self.send_cell(code);
        self.finish(&id)
    }

    /// Asks on the shell channel for what needs no cell; a second is enough for the answer, whatever else happens.
    pub fn ask(&self, kind: &str, content: Value) -> Value {
        let id = self.send(&self.shell, kind, content);
        let reply = receive(&self.shell, Duration::from_secs(1)).unwrap_or_else(|| panic!("no reply to {kind}"));
        assert_eq!((reply.kind(), &reply.parent["msg_id"]), (kind.replace("request", "reply").as_str(), &json!(id)));
        reply.content
    }

    /// Runs a cell that a front end asks for in an unusual way.
    pub fn execute_with(&self, content: Value) -> Run {
        let mut whole = cell("");
        whole.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        self.finish(&self.send(&self.shell, "execute_request", whole))
    }

    /// Waits for the reply to a request of the shell channel, and for the kernel to be idle again.
    pub fn finish(&self, id: &str) -> Run {
        let reply = receive(&self.shell, PATIENCE).expect("a reply");
        assert_eq!(reply.parent["msg_id"], id, "{reply:?}");
        Run { reply, outputs: self.idle_after(id) }
    }

    /// Waits until the kernel is done with a request; gives what was broadcast meanwhile, without status messages.
    pub fn idle_after(&self, id: &str) -> Vec<Message> {
        let mut outputs = Vec::new();
        loop {
            let message = receive(&self.iopub, Duration::from_secs(10)).expect("idle");
            if message.parent["msg_id"] != id {
                continue;
            }
            match (message.kind(), message.content["execution_state"].as_str()) {
                ("status", Some("idle")) => return outputs,
                ("status", _) => {}
                _ => outputs.push(message),
            }
        }
    }

    /// The next broadcast of a kind.
    pub fn wait_for(&self, kind: &str) -> Message {
        loop {
            let message = receive(&self.iopub, PATIENCE).unwrap_or_else(|| panic!("no {kind}"));
            if message.kind() == kind {
                return message;
            }
        }
    }

    /// Asks on the control channel.
    pub fn control(&self, kind: &str, content: Value) -> Message {
        let id = self.send(&self.control, kind, content);
        let reply = receive(&self.control, Duration::from_secs(10)).unwrap_or_else(|| panic!("no reply to {kind}"));
        assert_eq!(reply.parent["msg_id"], id);
        reply
    }
}

impl Client {
    /// How many processes of a name the kernel has started.
    pub fn children(&self, name: &str) -> usize {
        let arguments = ["-P", &self.kernel.id().to_string(), "-x", name];
        let found = Command::new("pgrep").args(arguments).output().unwrap();
        String::from_utf8(found.stdout).unwrap().lines().count()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.kernel.kill();
        let _ = self.kernel.wait();
    }
}

pub fn cell(code: &str) -> Value {
    json!({ "code": code, "silent": false, "store_history": true, "allow_stdin": false, "stop_on_error": true })
}

fn connect(context: &zmq::Context, kind: zmq::SocketType, port: u16) -> zmq::Socket {
    let socket = new_socket(context, kind);
    socket.connect(&format!("tcp://127.0.0.1:{port}")).unwrap();
    socket
}

fn new_socket(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_linger(0).unwrap();
    socket
}

/// The next message on a socket, its signature checked.
pub fn receive(socket: &zmq::Socket, patience: Duration) -> Option<Message> {
    if socket.poll(zmq::POLLIN, patience.as_millis() as i64).unwrap() == 0 {
        return None;
    }
    let frames = socket.recv_multipart(0).unwrap();
    let start = frames.iter().position(|frame| frame == b"<IDS|MSG>").unwrap();
    let parts = &frames[start + 2..start + 6];
    assert_eq!(String::from_utf8_lossy(&frames[start + 1]), sign(KEY, parts));
    let parse = |index: usize| serde_json::from_slice(&parts[index]).unwrap();
    Some(Message { header: parse(0), parent: parse(1), content: parse(3), arrived: Instant::now() })
}

fn sign(key: &str, parts: &[Vec<u8>]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uncoloured(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\x1b');
    plain.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest)));
    plain
}
